"""The smallest program: one coroutine, run to its end by a loop of its own.

In the trace: a single task with a single run. It never suspends, so it has no wait; all else is the loop starting
and closing.
"""

import asyncio

from asyncio_trace.scenarios.options import parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def main() -> None:
    """Print a line, without ever giving the loop a reason to turn to something else."""
    print("one coroutine ran")


def run() -> None:
    """Make a loop, let it run the coroutine, and close it whatever happens."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


if __name__ == "__main__":
    parse_options(__doc__)
    run()
