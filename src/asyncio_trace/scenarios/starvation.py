"""`sleep(0)` between steps of computing is no cure: others wait for step after step.

In the trace: `hog` never waits for anything, it only yields, and its runs fill the loop. None is very long, yet
each beat of `heartbeat` is late by two or three of them: one until the loop sees the timer, one until its callback
runs, one until the task does (finding `starved`, which names the runs in the way).
"""

import asyncio
import time

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS = (("starved", "hog", "while time.perf_counter() < end:", "pass"),)

BEATS = 8


async def hog(seconds: float) -> None:
    """Compute in steps and yield to the loop after each, until cancelled: well meant, but the steps are too long."""
    while True:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        await asyncio.sleep(0)


async def heartbeat(period: float) -> int:
    """Beat with a short pause between, and return how many beats came more than a whole period late."""
    late = 0
    for _ in range(BEATS):
        due = time.perf_counter() + period
        await asyncio.sleep(period)
        late += time.perf_counter() - due > period
    return late


async def main(options: Options) -> None:
    """Run the heartbeat beside a hog."""
    beating = asyncio.create_task(heartbeat(options.delay(0.05)), name="heartbeat")
    hogging = asyncio.create_task(hog(options.delay(0.08)), name="hog")
    print(f"{await beating} of {BEATS} beats came late")
    hogging.cancel()


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
