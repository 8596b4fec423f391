"""`python -m asyncio_trace` is the command line."""

from asyncio_trace.cli.main import main

if __name__ == "__main__":
    main()
