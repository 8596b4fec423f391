"""Programs with faults planted in them, and healthy ones, as source text; made from a seed.

A program is a handful of parts that run side by side, each a few lines of what asyncio programs are made of. A part is healthy,
or has one fault, whose line ends in a comment `# rule: NAME`. Numbers are drawn at random. Time is a virtual clock's:
`work(seconds)` lets it go on inside a step, as computing does.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

MARK = re.compile(r"# rule: ([a-z-]+)$")

PRELUDE = """\
import asyncio
import contextlib


async def fetch(key, seconds):
    await asyncio.sleep(seconds)
    return key


"""


class Program(NamedTuple):
    """A generated program."""

    source: str
    faults: list[tuple[str, int]]
    """Rule and line of each fault."""
    closes_early: bool
    """The loop is closed when `main` returns, as it is; else `asyncio.run` ends it."""


class Draw:
    """Draws the numbers of one part."""

    def __init__(self, source: random.Random, name: str) -> None:
        self.source = source
        self.name = name

    def seconds(self, least: float, most: float) -> str:
        """A duration."""
        return f"{self.source.uniform(least, most):.4f}"

    def count(self, least: int, most: int) -> int:
        """A number of things."""
        return self.source.randint(least, most)

    def either(self, *choices: str) -> str:
        """One of several texts."""
        return self.source.choice(choices)


Part = Callable[[Draw], str]
"""Makes the source of `async def NAME()`."""

# -- healthy parts ------------------------------------------------------------------------------------------------------


def gathered(d: Draw) -> str:
    """Independent things, done together."""
    return f"""
async def {d.name}():
    return await asyncio.gather(*(fetch(key, key * {d.seconds(0.01, 0.2)}) for key in range({d.count(2, 9)})))
"""


def workers(d: Draw) -> str:
    """A queue between a producer and some consumers, and consumers that are cancelled when all is done."""
    return f"""
async def {d.name}_consume(queue):
    while True:
        seconds = await queue.get()
        await asyncio.sleep(seconds)
        queue.task_done()


async def {d.name}():
    queue = asyncio.Queue({d.count(0, 3)})
    consumers = [asyncio.create_task({d.name}_consume(queue)) for _ in range({d.count(1, 4)})]
    for _ in range({d.count(3, 15)}):
        await queue.put({d.seconds(0.01, 0.1)})
    await queue.join()
    for task in consumers:
        task.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
"""


def ticker(d: Draw) -> str:
    """One sleep after another: that is what it is for."""
    return f"""
async def {d.name}():
    for _ in range({d.count(3, 30)}):
        await asyncio.sleep({d.seconds(0.01, 0.1)})
"""


def short_lock(d: Draw) -> str:
    """A lock that many want and each has for an instant only."""
    return f"""
async def {d.name}_count(lock, totals):
    for _ in range({d.count(2, 6)}):
        async with lock:
            totals.append(1)
            work({d.seconds(0.00001, 0.0002)})
        await asyncio.sleep({d.seconds(0.01, 0.05)})


async def {d.name}():
    lock, totals = asyncio.Lock(), []
    async with asyncio.TaskGroup() as group:
        for _ in range({d.count(2, 12)}):
            group.create_task({d.name}_count(lock, totals))
"""


def timeouts(d: Draw) -> str:
    """Things that take too long, and are given up."""
    return f"""
async def {d.name}():
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout({d.seconds(0.05, 0.3)}):
            await asyncio.sleep(100)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for({d.either("fetch(1, 100)", "asyncio.create_task(fetch(1, 100))", "asyncio.Event().wait()")}, \
{d.seconds(0.05, 0.3)})
    await asyncio.sleep({d.seconds(0.05, 0.3)})
"""


def cancelled(d: Draw) -> str:
    """A task that is cancelled, and tidies up or not."""
    body = d.either(
        "        await asyncio.sleep(100)",
        f"""        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep({d.seconds(0.01, 0.2)})""",
        """        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return None""",
        f"""        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep({d.seconds(0.01, 0.2)})
            raise""",
    )
    return f"""
async def {d.name}_long():
    while True:
{body}


async def {d.name}():
    task = asyncio.create_task({d.name}_long())
    await asyncio.sleep({d.seconds(0.01, 0.3)})
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
"""


def few_at_a_time(d: Draw) -> str:
    """A semaphore that lets in a few of many that come at once."""
    return f"""
async def {d.name}_one(limit):
    async with limit:
        await asyncio.sleep({d.seconds(0.02, 0.1)})


async def {d.name}():
    limit = asyncio.Semaphore({d.count(2, 4)})
    await asyncio.gather(*({d.name}_one(limit) for _ in range({d.count(4, 20)})))
"""


def handled(d: Draw) -> str:
    """Exceptions that somebody handles."""
    return f"""
async def {d.name}_fail():
    await asyncio.sleep({d.seconds(0.01, 0.1)})
    raise LookupError


async def {d.name}():
    with contextlib.suppress(LookupError):
        await asyncio.create_task({d.name}_fail())
    results = await asyncio.gather({d.name}_fail(), fetch(1, 0.02), return_exceptions=True)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task({d.name}_fail())
            group.create_task(asyncio.sleep(100))
    except* LookupError:
        pass
    return results
"""


def dependent(d: Draw) -> str:
    """One after another, because each needs the one before, or changes something on the way."""
    body = d.either(
        f"""    first = await fetch(1, {d.seconds(0.03, 0.1)})
    second = await fetch(first + 1, {d.seconds(0.03, 0.1)})
    third = await fetch(first + second, {d.seconds(0.03, 0.1)})
    return third""",
        f"""    cursor = 0
    for _ in range({d.count(3, 6)}):
        cursor = await fetch(cursor + 1, {d.seconds(0.03, 0.1)})
    return cursor""",
        f"""    for key in range({d.count(3, 6)}):
        await fetch(key, {d.seconds(0.03, 0.1)})""",
        f"""    pages = []
    for key in range({d.count(3, 6)}):
        page = await fetch(key, {d.seconds(0.03, 0.1)})
        if page > 100:
            break
        pages.append(page)
    return pages""",
    )
    return f"\nasync def {d.name}():\n{body}\n"


def signals(d: Draw) -> str:
    """An event, a condition and a barrier."""
    return f"""
async def {d.name}_wait(event, barrier):
    await event.wait()
    await asyncio.sleep({d.seconds(0.01, 0.1)})
    await barrier.wait()


async def {d.name}():
    event, barrier = asyncio.Event(), asyncio.Barrier(3)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task({d.name}_wait(event, barrier))
        await asyncio.sleep({d.seconds(0.05, 0.3)})
        event.set()
"""


def futures(d: Draw) -> str:
    """Futures that a timer resolves, and what comes first."""
    return f"""
async def {d.name}():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later({d.seconds(0.05, 0.3)}, future.set_result, 1)
    await future
    for done in asyncio.as_completed([fetch(key, key * {d.seconds(0.01, 0.05)}) for key in range({d.count(2, 6)})]):
        await done
    tasks = [asyncio.create_task(fetch(key, {d.seconds(0.05, 0.1)} * (key + 1))) for key in range(3)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*tasks)
"""


def giving_way(d: Draw) -> str:
    """Computes in short steps, and gives way after each."""
    return f"""
async def {d.name}():
    for _ in range({d.count(5, 60)}):
        work({d.seconds(0.0005, 0.004)})
        await asyncio.sleep(0)
"""


def requests(d: Draw) -> str:
    """Tasks that come one after another, and end."""
    return f"""
async def {d.name}_handle(seconds):
    await asyncio.sleep(seconds)


async def {d.name}():
    tasks = set()
    for _ in range({d.count(20, 40)}):
        task = asyncio.create_task({d.name}_handle({d.seconds(0.1, 0.5)}))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep({d.seconds(0.02, 0.1)})
    await asyncio.gather(*tasks)
"""


def generator(d: Draw) -> str:
    """An async generator, left early."""
    return f"""
async def {d.name}_numbers():
    try:
        for number in range(100):
            await asyncio.sleep({d.seconds(0.01, 0.05)})
            yield number
    finally:
        await asyncio.sleep(0.01)


async def {d.name}():
    async with contextlib.aclosing({d.name}_numbers()) as numbers:
        async for number in numbers:
            if number == {d.count(2, 8)}:
                break
"""


def locks_in_order(d: Draw) -> str:
    """Two locks that all take in one order."""
    return f"""
async def {d.name}_both(first, second):
    async with first, second:
        await asyncio.sleep(0)
    await asyncio.sleep({d.seconds(0.02, 0.05)})


async def {d.name}():
    first, second = asyncio.Lock(), asyncio.Lock()
    await asyncio.gather(*({d.name}_both(first, second) for _ in range({d.count(2, 6)})))
"""


HEALTHY: tuple[Part, ...] = (
    gathered, workers, ticker, short_lock, timeouts, cancelled, few_at_a_time, handled, dependent, signals, futures,
    giving_way, requests, generator, locks_in_order,
)  # fmt: skip

# -- faults -------------------------------------------------------------------------------------------------------------


def deadlock(d: Draw) -> str:
    """Locks taken in a circle, or twice, or by a child of the holder, which waits for it; a timeout ends it."""
    kind = d.either("circle", "circle", "itself", "child", "gather", "group", "one gives up")
    if kind == "itself":
        return f"""
async def {d.name}_inner(lock):
    async with lock:  # rule: deadlock
        await asyncio.sleep(0)


async def {d.name}():
    lock = asyncio.Lock()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout({d.seconds(0.2, 2)}):
            async with lock:
                await asyncio.sleep({d.seconds(0.01, 0.2)})
                await {d.name}_inner(lock)
"""
    if kind == "child":
        return f"""
async def {d.name}_child(lock):
    await asyncio.sleep({d.seconds(0.01, 0.1)})
    async with lock:  # rule: deadlock
        await asyncio.sleep(0)


async def {d.name}():
    lock = asyncio.Lock()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout({d.seconds(0.3, 2)}), lock:
            await asyncio.create_task({d.name}_child(lock))
"""
    if kind in ("gather", "group"):
        waits = f"await asyncio.gather({d.name}_child(lock, {d.seconds(0.01, 0.1)}), asyncio.sleep(0.01))"
        if kind == "group":
            waits = f"""async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0.01))
                group.create_task({d.name}_child(lock, {d.seconds(0.01, 0.1)}))"""
        return f"""
async def {d.name}_child(lock, seconds):
    await asyncio.sleep(seconds)
    async with lock:  # rule: deadlock
        await asyncio.sleep(0)


async def {d.name}():
    lock = asyncio.Lock()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout({d.seconds(0.3, 2)}), lock:
            {waits}
"""
    number = d.count(2, 4)
    wait = f"""
async def {d.name}_transfer(source, target):
    async with source:
        await asyncio.sleep({d.seconds(0.02, 0.2)})
        async with target:  # rule: deadlock
            await asyncio.sleep(0)
"""
    if kind == "one gives up":
        return f"""{wait}

async def {d.name}():
    locks = [asyncio.Lock() for _ in range({number})]
    tasks = [asyncio.create_task({d.name}_transfer(locks[at], locks[(at + 1) % {number}])) for at in range({number})]
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(tasks[0], {d.seconds(0.5, 2)})
    await asyncio.gather(*tasks[1:])
"""
    return f"""{wait}

async def {d.name}():
    locks = [asyncio.Lock() for _ in range({number})]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout({d.seconds(0.5, 2)}), asyncio.TaskGroup() as group:
            for at in range({number}):
                group.create_task({d.name}_transfer(locks[at], locks[(at + 1) % {number}]))
"""


def leak(d: Draw) -> str:
    """A task for each request that nobody ends."""
    waits = d.either("await asyncio.Event().wait()", "await asyncio.get_running_loop().create_future()", "await queue.get()")
    return f"""
async def {d.name}_watch(queue):
    {waits}


async def {d.name}():
    queue, kept = asyncio.Queue(), set()
    for _ in range({d.count(30, 60)}):
        kept.add(asyncio.create_task({d.name}_watch(queue)))  # rule: task-leak
        await asyncio.sleep({d.seconds(0.3, 0.6)})
"""


def contention(d: Draw) -> str:
    """A lock that is held across something slow."""
    return f"""
async def {d.name}_save(lock):
    for _ in range({d.count(1, 3)}):
        async with lock:  # rule: lock-contention
            await asyncio.sleep({d.seconds(0.05, 0.3)})


async def {d.name}():
    lock = asyncio.Lock()
    await asyncio.gather(*({d.name}_save(lock) for _ in range({d.count(3, 9)})))
"""


def ignored(d: Draw) -> str:
    """A task that takes no notice of being cancelled."""
    caught = d.either("asyncio.CancelledError", "BaseException")
    return f"""
async def {d.name}_stubborn():
    try:
        await asyncio.sleep(100)  # rule: cancel-ignored
    except {caught}:
        pass
    await asyncio.sleep({d.seconds(0.05, 1)})
    return "went on"


async def {d.name}():
    task = asyncio.create_task({d.name}_stubborn())
    await asyncio.sleep({d.seconds(0.02, 0.3)})
    task.cancel()
    await task
"""


def serial(d: Draw) -> str:
    """Independent things, done one after another."""
    seconds = d.seconds(0.05, 0.3)
    body = d.either(
        f"""    pages = []
    for key in range({d.count(4, 9)}):
        pages.append(await fetch(key, {seconds}))  # rule: serial-awaits
    return pages""",
        f"""    return [await fetch(key, {seconds}) for key in range({d.count(4, 9)})]  # rule: serial-awaits""",
        f"""    pages = {{}}
    for key in "abcdef":
        pages[key] = await fetch(key, {seconds})  # rule: serial-awaits
    return pages""",
        f"""    user = await fetch("user", {seconds})  # rule: serial-awaits
    orders = await fetch("orders", {seconds})
    prices = await fetch("prices", {seconds})
    return user, orders, prices""",
    )
    return f"""
async def {d.name}_load():
{body}


async def {d.name}():
    await asyncio.create_task({d.name}_load())
"""


def lost_coroutine(d: Draw) -> str:
    """A call that nobody awaits."""
    return f"""
async def {d.name}_report():
    await asyncio.sleep(1)


async def {d.name}():
    await asyncio.sleep({d.seconds(0.01, 0.2)})
    {d.either(f"{d.name}_report()", f"made = {d.name}_report()")}  # rule: never-awaited
    made = None
    await asyncio.sleep({d.seconds(0.01, 0.2)})
"""


def lost_exception(d: Draw) -> str:
    """A failure that nobody asks for."""
    return f"""
async def {d.name}_fail():
    await asyncio.sleep({d.seconds(0.01, 0.2)})
    raise ValueError  # rule: unretrieved-exception


async def {d.name}():
    task = asyncio.create_task({d.name}_fail())
    await asyncio.sleep({d.seconds(0.3, 0.6)})
    del task
"""


def spinning(d: Draw) -> str:
    """A loop that polls."""
    return f"""
async def {d.name}_poll(ready):
    while not ready.is_set():
        work(0.0001)
        await asyncio.sleep(0)  # rule: spin


async def {d.name}():
    ready = asyncio.Event()
    task = asyncio.create_task({d.name}_poll(ready))
    await asyncio.sleep({d.seconds(0.5, 1)})
    ready.set()
    await task
"""


def blocking(d: Draw) -> str:
    """A step that computes, or waits, for far too long."""
    place = d.either(
        f"""async def {d.name}_step():
    work({d.seconds(0.15, 1)})  # rule: blocking-step""",
        f"""def {d.name}_compute():
    work({d.seconds(0.01, 0.02)})
    work({d.seconds(0.15, 1)})  # rule: blocking-step


async def {d.name}_step():
    await asyncio.sleep({d.seconds(0.01, 0.1)})
    {d.name}_compute()""",
    )
    return f"""
{place}


async def {d.name}():
    await asyncio.sleep({d.seconds(0.01, 0.2)})
    await asyncio.create_task({d.name}_step())
    await asyncio.sleep({d.seconds(0.01, 0.1)})
"""


def hogging(d: Draw) -> str:
    """Steps that each pass, and leave others waiting all the same."""
    return f"""
async def {d.name}_hog():
    for _ in range({d.count(25, 40)}):
        work({d.seconds(0.06, 0.09)})  # rule: starved
        await asyncio.sleep(0)


async def {d.name}_beat():
    while True:
        await asyncio.sleep(0.02)


async def {d.name}():
    beat = asyncio.create_task({d.name}_beat())
    await asyncio.create_task({d.name}_hog())
    beat.cancel()
"""


FAULTS: tuple[Part, ...] = (
    blocking,
    hogging,
    deadlock,
    leak,
    contention,
    ignored,
    serial,
    lost_coroutine,
    lost_exception,
    spinning,
)
_ALONE = frozenset((leak, spinning, hogging, blocking))
"""Faults that need the time, or the loop, for themselves: one of these in a program."""
_WHATEVER_THE_TIME = frozenset((lost_coroutine, lost_exception))
"""Faults that a loop which is late does not change."""


def program(seed: int, *, healthy: bool) -> Program:
    """The program of a seed: some healthy parts and, unless it is to be healthy, one to three faults of different kinds."""
    source = random.Random(seed)
    parts: list[Part] = [source.choice(HEALTHY) for _ in range(source.randint(1, 5))]
    closes_early = False
    if not healthy:
        first = FAULTS[seed % len(FAULTS)]
        others = [fault for fault in source.sample(FAULTS, source.randint(0, 2)) if fault is not first and fault not in _ALONE]
        if first in (hogging, blocking):
            others = [fault for fault in others if fault in _WHATEVER_THE_TIME]
        parts += [first, *others]
        closes_early = first is leak and source.random() < 0.5
    source.shuffle(parts)
    text = PRELUDE
    names = []
    for number, part in enumerate(parts):
        draw = Draw(source, f"part_{number}_{part.__name__}")
        text += part(draw).lstrip("\n") + "\n\n"
        names.append(draw.name)
    calls = ", ".join(f"{name}()" for name in names)
    text += f"async def main():\n    await asyncio.gather({calls})\n"
    faults = [(found[1], line) for line, words in enumerate(text.splitlines(), 1) if (found := MARK.search(words))]
    return Program(text, faults, closes_early)
