"""The command line, one command a file. Each imports only what its verb needs."""
