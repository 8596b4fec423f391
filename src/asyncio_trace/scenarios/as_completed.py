"""`asyncio.as_completed` hands out results in the order in which they come.

In the trace: `main` waits once for each result, and each of these waits ends when the next download does: short
waits, one after another, where `gather` has a single long one.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def download(number: int, seconds: float) -> str:
    """Return after a while what was downloaded."""
    await asyncio.sleep(seconds)
    return f"file {number}"


async def main(options: Options) -> None:
    """Start five downloads and use each result as soon as it is there."""
    durations = options.random.sample([0.5, 1.0, 1.5, 2.0, 2.5], 5)
    downloads = [asyncio.create_task(download(number, options.delay(duration))) for number, duration in enumerate(durations)]
    for next_result in asyncio.as_completed(downloads):
        print(await next_result, "came")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
