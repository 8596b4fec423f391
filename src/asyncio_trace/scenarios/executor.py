"""Blocking calls belong in threads: `to_thread` and executors keep the loop free.

In the trace: `main` waits for jobs of kind `executor` that end in other threads, and `ticker` keeps its rhythm
meanwhile. The pool has two threads, so the third of its jobs starts when another ends. Compare with `blocking`.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


def read_slowly(name: str, seconds: float) -> str:
    """Block the thread that calls it."""
    time.sleep(seconds)
    return name


async def ticker(period: float) -> None:
    """Show that the loop is free, until cancelled."""
    while True:
        await asyncio.sleep(period)


async def main(options: Options) -> None:
    """Read one file in asyncio's own pool and three in a pool of two threads."""
    ticks = asyncio.create_task(ticker(options.delay(0.2)), name="ticker")
    print("to_thread:", await asyncio.to_thread(read_slowly, "file 0", options.delay(0.7)))
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="reader") as pool:
        names = ["file 1", "file 2", "file 3"]
        delays = [options.delay(options.random.uniform(0.4, 1.2)) for _ in names]
        jobs = [loop.run_in_executor(pool, read_slowly, *job) for job in zip(names, delays, strict=True)]
        print("run_in_executor:", ", ".join(await asyncio.gather(*jobs)))
    ticks.cancel()


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
