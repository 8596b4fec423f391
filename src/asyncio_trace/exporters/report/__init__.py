"""A report as a JSON document."""
