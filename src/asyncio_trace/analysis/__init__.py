"""What a trace means: totals and findings, one rule a file."""
