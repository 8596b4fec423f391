"""The recording, whatever happens to the program, the disk or the file."""
