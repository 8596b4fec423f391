"""A semaphore lets a fixed number of tasks in; the others wait for one to come out.

In the trace: of eight downloads three sleep at any time, and the others are in a wait of kind `semaphore`, which
the next one to finish ends.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()

LIMIT = 3


async def download(limit: asyncio.Semaphore, active: set[str], name: str, seconds: float) -> int:
    """Download when there is room, and return how many were at it then."""
    async with limit:
        active.add(name)
        at_once = len(active)
        await asyncio.sleep(seconds)
        active.remove(name)
    return at_once


async def main(options: Options) -> None:
    """Start eight downloads, of which three may run at a time."""
    limit = asyncio.Semaphore(LIMIT)
    active: set[str] = set()
    names = [f"download-{number}" for number in range(8)]
    at_once = await asyncio.gather(
        *(download(limit, active, name, options.delay(options.random.uniform(0.3, 1.2))) for name in names)
    )
    print(f"{len(at_once)} downloads, never more than {max(at_once)} at once")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
