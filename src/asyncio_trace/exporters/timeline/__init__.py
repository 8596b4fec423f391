"""The JSON timeline: every table of a trace in one JSON document, described by a JSON Schema."""
