"""A barrier holds tasks until all have arrived: each round is as slow as its slowest.

In the trace: in both rounds all hikers but one wait in `barrier`; the last to arrive does not wait, and wakes the
others.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()

ROUNDS = 2


async def hiker(name: str, durations: list[float], camp: asyncio.Barrier, options: Options) -> None:
    """Walk to the next camp and wait there for the others, in every round."""
    for number, duration in enumerate(durations, 1):
        await asyncio.sleep(options.delay(duration))
        if camp.n_waiting == camp.parties - 1:
            print(f"round {number}: {name} is the last")
        await camp.wait()


async def main(options: Options) -> None:
    """Send four hikers on their way, with two camps on it."""
    names = ["hiker 1", "hiker 2", "hiker 3", "hiker 4"]
    camp = asyncio.Barrier(len(names))
    rounds = [options.random.sample([0.4, 0.8, 1.2, 1.8], len(names)) for _ in range(ROUNDS)]
    async with asyncio.TaskGroup() as group:
        for name, *durations in zip(names, *rounds, strict=True):
            group.create_task(hiker(name, durations, camp, options), name=name)
    print("all arrived")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
