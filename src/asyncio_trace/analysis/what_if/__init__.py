"""What a run would have taken if something in it had been otherwise: its graph, replayed on a simulated loop with a change."""
