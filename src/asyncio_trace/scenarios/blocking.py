"""A blocking call inside a coroutine stops the whole loop: everybody else is late.

In the trace: two long runs of `report`, one in `time.sleep`, one computing (finding `blocking-step`, which names
the line). The ticks that were due meanwhile are ready but do not run. `executor` shows the cure.
"""

import asyncio
import time

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS = (
    ("blocking-step", "report", "time.sleep(options.delay(1))"),
    ("blocking-step", "compute", "while time.perf_counter() < end:", "rounds += 1"),
)


async def ticker(ticks: int, period: float, tolerance: float) -> int:
    """Tick with a fixed pause between, and return how many ticks were late."""
    late = 0
    for _ in range(ticks):
        due = time.perf_counter() + period
        await asyncio.sleep(period)
        late += time.perf_counter() - due > tolerance
    return late


def compute(seconds: float) -> int:
    """Keep the processor busy."""
    end = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < end:
        rounds += 1
    return rounds


async def report(options: Options) -> None:
    """Block the loop twice, with an innocent pause between."""
    time.sleep(options.delay(1))
    await asyncio.sleep(options.delay(0.5))
    compute(options.delay(0.8))


async def main(options: Options) -> None:
    """Run a ticker beside a report that blocks."""
    ticks = 8
    ticking = asyncio.create_task(ticker(ticks, options.delay(0.2), options.delay(0.5)), name="ticker")
    await asyncio.create_task(report(options), name="report")
    print(f"{await ticking} of {ticks} ticks were late")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
