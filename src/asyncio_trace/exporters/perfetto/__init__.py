"""A trace for Perfetto's UI and trace processor."""
