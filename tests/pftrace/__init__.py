"""Tests of the export to Perfetto."""
