"""Tests of the HTML viewer: its file, its modules in Node, and itself in a real browser."""
