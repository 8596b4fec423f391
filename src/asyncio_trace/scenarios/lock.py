"""A lock lets one task in at a time, in the order in which they came, so their waits add up.

In the trace: four writers want the lock at once. Each wait of kind `lock` is ended by the writer before, at the
line where that one leaves the `async with`; the last waits for all the others (finding `lock-contention`).
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS = (("lock-contention", "writer", "async with lock:"),)


async def writer(number: int, lock: asyncio.Lock, seconds: float) -> None:
    """Hold the lock while writing."""
    async with lock:
        await asyncio.sleep(seconds)
        print(f"writer {number} wrote")


async def main(options: Options) -> None:
    """Start four writers that share one lock."""
    lock = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            seconds = options.delay(options.random.uniform(0.3, 0.8))
            group.create_task(writer(number, lock, seconds), name=f"writer-{number}")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
