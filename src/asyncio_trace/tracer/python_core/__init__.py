"""The core in Python: complete, portable, and the measure of what a faster core must say."""
