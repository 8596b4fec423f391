"""A future resolved by a task: the result is handed over, and nobody awaits the future.

In the trace: `main` waits for the task `resolve`, never for the future. The future is there all the same, with who
made it and which line of which task resolved it.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def resolve(future: asyncio.Future[str], seconds: float) -> None:
    """Work for a while, then put the result into the future."""
    await asyncio.sleep(seconds)
    future.set_result("the future was resolved by a task")


async def main(options: Options) -> None:
    """Make a future by hand, wait for the task that resolves it, and read the result."""
    future: asyncio.Future[str] = asyncio.Future()
    await asyncio.ensure_future(resolve(future, options.delay(1)))
    print(future.result())


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
