"""A timeout cancels what it guards; the code around it sees a `TimeoutError`.

In the trace: the first query ends in time. The other two are cut off after one second by a timer: `asyncio.timeout`
cancels a wait of `main` itself, `asyncio.wait_for` cancels the task that it was given (outcome `cancelled`).
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def query(seconds: float) -> str:
    """Answer after a while."""
    await asyncio.sleep(seconds)
    return "answered"


async def main(options: Options) -> None:
    """Ask three times and give each query one second."""
    limit = options.delay(1)

    async with asyncio.timeout(limit):
        print("quick query:", await query(options.delay(0.2)))

    try:
        async with asyncio.timeout(limit):
            print("slow query:", await query(options.delay(10)))
    except TimeoutError:
        print("slow query under timeout(): gave up")

    try:
        print("slow query:", await asyncio.wait_for(asyncio.create_task(query(options.delay(10))), limit))
    except TimeoutError:
        print("slow query under wait_for(): gave up")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
