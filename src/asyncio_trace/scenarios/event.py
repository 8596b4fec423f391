"""An event wakes all who wait for it at once, and stays set for those who come later.

In the trace: three runners wait in `event` and become ready in the same instant, all woken by the line in `starter`
that sets the event. The runner that comes late does not wait.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def runner(name: str, start: asyncio.Event) -> None:
    """Wait for the start."""
    await start.wait()
    print(f"{name} runs")


async def starter(start: asyncio.Event, seconds: float) -> None:
    """Take some time, then give the start."""
    await asyncio.sleep(seconds)
    print("start")
    start.set()


async def main(options: Options) -> None:
    """Line up three runners, let them start, and let a fourth come late."""
    start = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for name in ("runner 1", "runner 2", "runner 3"):
            group.create_task(runner(name, start), name=name)
        group.create_task(starter(start, options.delay(options.random.uniform(0.5, 1.5))), name="starter")
    await asyncio.create_task(runner("late runner", start), name="late runner")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
