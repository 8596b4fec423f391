"""Hooks event loops and turns what happens there into records. Knows no model and no exporter; standard library only."""
