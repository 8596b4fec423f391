"""Tests of the OTLP exporter: the mapping to spans, the sending, and a real Jaeger."""
