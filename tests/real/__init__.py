"""Programs that nobody wrote for the purpose, traced."""
