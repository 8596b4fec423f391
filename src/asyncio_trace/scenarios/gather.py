"""Ten tasks sleep at the same time: `gather` takes as long as the longest.

In the trace: eleven tasks, ten of them children of `main`. Each has one wait of kind `sleep`, ended by a timer;
`main` has one of kind `gather`, ended by the task that slept longest.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def worker(number: int, options: Options) -> None:
    """Sleep for one to five seconds, then say so."""
    seconds = options.random.randint(1, 5)
    await asyncio.sleep(options.delay(seconds))
    print(f"worker {number} is done after {seconds} s")


async def main(options: Options) -> None:
    """Start ten workers and wait for all of them."""
    tasks = [asyncio.ensure_future(worker(number, options)) for number in range(10)]
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
