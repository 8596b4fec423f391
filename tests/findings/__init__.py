"""What the rules find, in programs with known faults and in healthy ones."""
