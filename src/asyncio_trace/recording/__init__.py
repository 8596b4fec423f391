"""The file that the tracer writes while the program runs: format, writer, reader."""
