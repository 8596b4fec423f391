"""`asyncio.wait` returns with the first task, at a timeout or with all; it cancels none.

In the trace: `main` waits three times for the same set of tasks. The first wait is ended by the fastest runner, the
second by a timer, the third by the runner that was cancelled.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def runner(name: str, seconds: float) -> str:
    """Run for a while and return one's own name."""
    await asyncio.sleep(seconds)
    return name


def listed(tasks: set[asyncio.Task[str]]) -> str:
    """Name tasks in the same order every time; a set has none."""
    return ", ".join(sorted(task.get_name() for task in tasks))


async def main(options: Options) -> None:
    """Wait for the fastest, then for whoever makes it in time, then for the one that was told to stop."""
    durations = [0.5, 1.0, 1.5, 5.0]
    options.random.shuffle(durations)
    pending = {
        asyncio.create_task(runner(name, options.delay(seconds)), name=name)
        for name, seconds in zip(("ant", "bee", "cat", "dog"), durations, strict=True)
    }
    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    print("first:", listed(done))
    done, pending = await asyncio.wait(pending, timeout=options.delay(2.5))
    print("in time:", listed(done))
    for task in pending:
        task.cancel()
    done, pending = await asyncio.wait(pending)
    print("stopped:", listed(done))


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
