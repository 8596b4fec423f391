"""A program of many steps of every sort, in several traces one after the other, that says how much larger it became.

Words: the core, how many steps in all, how many traces. The figures are of what is there after each trace, once the first few
have filled what is filled once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import tempfile
from pathlib import Path

from asyncio_trace.tracer.session import record_to

WARM_UP = 3
"""Traces before the first figures."""
STEPS_OF_A_TURN = 30
"""How many a turn of `busy` makes, about."""


class PlannedError(Exception):
    """Of a task."""


async def fail() -> None:
    """Fail in the second step."""
    await asyncio.sleep(0)
    raise PlannedError


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()


async def turn(number: int) -> None:
    """A little of everything."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, number)
    await future
    bare: asyncio.Future[int] = asyncio.Future()
    loop.call_later(0, bare.set_exception, PlannedError())
    with contextlib.suppress(PlannedError):
        await bare
    loop.create_future().cancel()
    loop.call_later(60, print).cancel()
    cancelled = asyncio.create_task(forever(), name=f"cancelled {number}")
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, asyncio.create_task(fail()), asyncio.sleep(0), return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(forever(), 0)
    lock, queue, event = asyncio.Lock(), asyncio.Queue[int](), asyncio.Event()

    async def helper() -> None:
        async with lock:
            await event.wait()
        await queue.put(1)

    async with asyncio.TaskGroup() as group:
        group.create_task(helper())
        group.create_task(helper())
        await asyncio.sleep(0)
        event.set()
        await queue.get()
        await queue.get()
    if number % 50 == 0:
        await loop.run_in_executor(None, int)
        loop.call_soon_threadsafe(int)
        loop.call_soon(fail_at_once)
        await asyncio.sleep(0)


def fail_at_once() -> None:
    """Fail in a callback."""
    raise PlannedError


async def busy(turns: int) -> None:
    """Many turns."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for number in range(turns):
        await turn(number)


def sizes() -> dict[str, int]:
    """What is there."""
    for _ in range(3):
        gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {"objects": len(gc.get_objects()), "blocks": sys.getallocatedblocks(), "resident": resident}


def main() -> None:
    """Trace again and again, and print the growth."""
    core, steps, traces = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    turns = steps // traces // STEPS_OF_A_TURN
    before = sizes()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(WARM_UP + traces):
            path = Path(folder, f"{number}.atrace")
            session = record_to(str(path), core=core)
            asyncio.run(busy(turns))
            failure = session.end()
            assert failure is None, failure
            path.unlink()
            del session
            if number == WARM_UP - 1:
                before = sizes()
        after = sizes()
    print(json.dumps({name: after[name] - before[name] for name in after}))


if __name__ == "__main__":
    main()
