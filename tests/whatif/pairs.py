"""Programs, a change to each, and the program with the change really made.

They run on a virtual clock in the tests, and on a real one in benchmarks/what_if.py, which says what `block` and `in_thread` do
and how long a unit of time is.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

Main = Callable[[], Coroutine[Any, Any, Any]]


class Surroundings(Protocol):
    """What programs here do to pass the time."""

    def block(self, units: float) -> None:
        """Hold the loop."""

    async def in_thread(self, units: float) -> None:
        """Hold a thread for as long, and not the loop."""

    async def sleep(self, units: float) -> None:
        """Sleep."""

    async def reply(self, units: float) -> None:
        """Wait for a reply that comes after so long, whatever the loop does."""


@dataclass(frozen=True)
class Pair:
    """One program, and what should become of it."""

    name: str
    before: Callable[[Surroundings], Coroutine[Any, Any, Any]]
    changes: tuple[str, ...]
    after: Callable[[Surroundings], Coroutine[Any, Any, Any]]


def line(function: Callable[..., Any], words: str) -> str:
    """`pairs.py:42` for the line of a function that has these words."""
    lines, first = inspect.getsourcelines(function)
    [number] = [number for number, text in enumerate(lines, first) if words in text]
    return f"pairs.py:{number}"


def lines(function: Callable[..., Any], words: str) -> str:
    """`pairs.py:42-44`, from the first to the last line of a function that has these words."""
    source, first = inspect.getsourcelines(function)
    numbers = [number for number, text in enumerate(source, first) if words in text]
    return f"pairs.py:{numbers[0]}-{numbers[-1]}"


async def beside(world: Surroundings, crunch: Callable[[], Awaitable[None]]) -> None:
    """A ticker that the other task holds up."""

    async def ticker() -> None:
        for _ in range(8):
            await world.sleep(0.5)

    async def cruncher() -> None:
        for _ in range(3):
            await world.sleep(0.2)
            await crunch()

    await asyncio.gather(ticker(), cruncher())


async def blocks_beside(world: Surroundings) -> None:
    """The cruncher blocks."""

    async def crunch() -> None:
        world.block(2)

    await beside(world, crunch)


async def threads_beside(world: Surroundings) -> None:
    """The cruncher uses a thread."""

    async def crunch() -> None:
        await world.in_thread(2)

    await beside(world, crunch)


async def requests(world: Surroundings, render: Callable[[], Awaitable[None]]) -> None:
    """Requests that come in one by one, fetch and render."""

    async def handle() -> None:
        await world.sleep(1)
        await render()
        await world.sleep(0.5)

    tasks = []
    for _ in range(8):
        tasks.append(asyncio.create_task(handle()))
        await world.sleep(0.3)
    for task in tasks:
        await task


async def requests_that_block(world: Surroundings) -> None:
    """Rendering blocks."""

    async def render() -> None:
        world.block(1)

    await requests(world, render)


async def requests_in_threads(world: Surroundings) -> None:
    """Rendering is done in threads."""

    async def render() -> None:
        await world.in_thread(1)

    await requests(world, render)


async def announcing(world: Surroundings, work: Callable[[], Awaitable[None]]) -> None:
    """A task tells others to go on, and then works."""
    go = asyncio.Event()

    async def follower(units: float) -> None:
        await go.wait()
        await world.sleep(units)

    async def leader() -> None:
        await world.sleep(1)
        go.set()
        await work()

    await asyncio.gather(follower(2), follower(3), leader())


async def announces_and_blocks(world: Surroundings) -> None:
    """The leader blocks once it has told the others."""

    async def work() -> None:
        world.block(4)

    await announcing(world, work)


async def announces_and_threads(world: Surroundings) -> None:
    """The leader works in a thread."""

    async def work() -> None:
        await world.in_thread(4)

    await announcing(world, work)


async def two_threads(world: Surroundings) -> None:
    """Six pieces of work on two threads."""
    free = asyncio.Semaphore(2)

    async def piece() -> None:
        await world.sleep(0.1)
        async with free:
            await world.in_thread(1)

    await asyncio.gather(*(piece() for _ in range(6)))


async def piece_by_piece(world: Surroundings) -> None:
    """The same on the loop."""

    async def piece() -> None:
        await world.sleep(0.1)
        world.block(1)

    await asyncio.gather(*(piece() for _ in range(6)))


def downloads(width: int, times: Iterable[float]) -> Callable[[Surroundings], Coroutine[Any, Any, None]]:
    """Downloads through a semaphore."""

    async def main(world: Surroundings) -> None:
        slots = asyncio.Semaphore(width)

        async def download(units: float) -> None:
            async with slots:
                await world.sleep(units)

        await asyncio.gather(*(download(units) for units in times))

    return main


VARIED = [2 - 1.5 * ((number * 7) % 30) / 30 for number in range(30)]
"""Times that differ."""


def pool(connections: int) -> Callable[[Surroundings], Coroutine[Any, Any, None]]:
    """Queries over pooled connections, each with several awaits and work in between, by tasks that do more than that."""

    async def main(world: Surroundings) -> None:
        free = asyncio.Semaphore(connections)

        async def query(number: int) -> None:
            async with free:
                await world.sleep(0.4)
                world.block(0.02)
                await world.sleep(0.3 + 0.05 * (number % 3))

        async def client(number: int) -> None:
            for _ in range(3):
                await world.sleep(0.2)
                await query(number)
            await world.sleep(0.5)

        async with asyncio.TaskGroup() as group:
            for number in range(12):
                group.create_task(client(number))

    return main


def backend(slow: float) -> Callable[[Surroundings], Coroutine[Any, Any, None]]:
    """Two services asked at once, of which one is slow."""

    async def main(world: Surroundings) -> None:
        async def search() -> None:
            await world.sleep(slow)
            world.block(0.2)

        async def advertise() -> None:
            await world.sleep(2.5)

        async def page() -> None:
            await asyncio.gather(search(), advertise())
            world.block(0.5)

        for _ in range(3):
            await page()

    return main


def behind_lock(held: float) -> Callable[[Surroundings], Coroutine[Any, Any, None]]:
    """Writers that hold a lock while they write."""

    async def main(world: Surroundings) -> None:
        lock = asyncio.Lock()

        async def write() -> None:
            async with lock:
                await world.sleep(held)

        async def writer(number: int) -> None:
            for _ in range(4):
                await world.sleep(0.13 + 0.37 * number)
                await write()

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(writer(number))

    return main


async def one_by_one(world: Surroundings) -> None:
    """Three awaits one after another, between others."""

    async def page() -> None:
        await world.sleep(0.5)
        await world.sleep(1)  # together
        await world.sleep(3)  # together
        await world.sleep(2)  # together
        world.block(0.5)
        await world.sleep(0.25)

    await page()


async def all_at_once(world: Surroundings) -> None:
    """The same, with the three gathered."""

    async def page() -> None:
        await world.sleep(0.5)
        await asyncio.gather(world.sleep(1), world.sleep(3), world.sleep(2))
        world.block(0.5)
        await world.sleep(0.25)

    await page()


async def fetch(world: Surroundings, number: int) -> None:
    """Ask, wait, work, read."""
    await world.sleep(0.5)
    world.block(0.05)
    await world.sleep(0.2 + 0.1 * (number % 4))


async def in_a_loop(world: Surroundings) -> None:
    """Calls that await several times, one after another."""
    for number in range(8):
        await fetch(world, number)  # one


async def gathered_loop(world: Surroundings) -> None:
    """The same together."""
    await asyncio.gather(*(fetch(world, number) for number in range(8)))


async def customers(world: Surroundings, lookups: Callable[[], Awaitable[None]]) -> None:
    """Tasks that look things up through a few connections."""

    async def customer(number: int) -> None:
        await world.sleep(0.3 * number)
        await lookups()
        world.block(0.1)

    await asyncio.gather(*(customer(number) for number in range(5)))


async def customers_one_by_one(world: Surroundings) -> None:
    """Each looks two things up one after another."""

    async def lookups() -> None:
        await world.sleep(1)  # lookup
        await world.sleep(1.5)  # lookup

    await customers(world, lookups)


async def customers_together(world: Surroundings) -> None:
    """Each looks both up at once."""

    async def lookups() -> None:
        await asyncio.gather(world.sleep(1), world.sleep(1.5))

    await customers(world, lookups)


def workers(seconds: float) -> Callable[[Surroundings], Coroutine[Any, Any, None]]:
    """Workers that take from a queue what a producer puts there."""

    async def main(world: Surroundings) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def produce() -> None:
            for number in range(20):
                queue.put_nowait(number)
                await world.sleep(0.1)
            for _ in range(3):
                queue.put_nowait(-1)

        async def work() -> None:
            while await queue.get() >= 0:
                await world.sleep(seconds)

        await asyncio.gather(produce(), work(), work(), work())

    return main


def uploads(width: int, in_thread: bool) -> Callable[[Surroundings], Coroutine[Any, Any, None]]:
    """A semaphore around something that blocks too."""

    async def main(world: Surroundings) -> None:
        slots = asyncio.Semaphore(width)

        async def upload() -> None:
            async with slots:
                await world.sleep(0.5)
                if in_thread:
                    await world.in_thread(0.4)
                else:
                    world.block(0.4)
                await world.sleep(0.5)

        await asyncio.gather(*(upload() for _ in range(12)))

    return main


def relayed(units: float) -> Callable[[Surroundings], Coroutine[Any, Any, None]]:
    """A task that has a callback tell the other."""

    async def main(world: Surroundings) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        async def ask() -> None:
            await world.sleep(units)
            loop.call_soon(done.set_result, None)
            await world.sleep(0.1)

        asking = asyncio.create_task(ask())
        await done
        await world.sleep(1)
        await asking

    return main


async def replies(world: Surroundings, crunch: Callable[[], Awaitable[None]]) -> None:
    """A client that asks one thing after another, beside a cruncher."""

    async def client() -> None:
        for _ in range(12):
            await world.reply(0.4)

    async def cruncher() -> None:
        await world.sleep(1.8)
        for _ in range(3):
            await crunch()
            await world.sleep(0.1)

    await asyncio.gather(client(), cruncher())


async def replies_beside_blocking(world: Surroundings) -> None:
    """The cruncher blocks."""

    async def crunch() -> None:
        world.block(1.5)

    await replies(world, crunch)


async def replies_beside_threads(world: Surroundings) -> None:
    """The cruncher uses a thread."""

    async def crunch() -> None:
        await world.in_thread(1.5)

    await replies(world, crunch)


SLOTS = "semaphore:" + line(downloads, "with slots")
PAIRS = [
    Pair("blocking beside a ticker", blocks_beside, ("thread:cruncher",), threads_beside),
    Pair("requests that block", requests_that_block, ("thread:" + line(requests, "sleep(0.5)"),), requests_in_threads),
    Pair("replies", replies_beside_blocking, ("thread:" + line(replies, "sleep(0.1)"),), replies_beside_threads),
    Pair("blocking after a wake", announces_and_blocks, ("thread:leader",), announces_and_threads),
    Pair("two threads", piece_by_piece, ("thread:piece=2",), two_threads),
    Pair("semaphore 3 to 6", downloads(3, [1] * 30), (SLOTS + "=6",), downloads(6, [1] * 30)),
    Pair("semaphore 2 to 10", downloads(2, VARIED), (SLOTS + "=10",), downloads(10, VARIED)),
    Pair("semaphore 10 to 4", downloads(10, VARIED), (SLOTS + "=4",), downloads(4, VARIED)),
    Pair("pool 3 to 6", pool(3), ("semaphore:" + line(pool, "async with free") + "=6",), pool(6)),
    Pair("slow backend", backend(4), ("shorter:" + line(backend, "sleep(slow)") + "=25%",), backend(1)),
    Pair("half the backend", backend(4), ("shorter:search=75%",), backend(3)),
    Pair("lock held for less", behind_lock(1), ("shorter:" + line(behind_lock, "sleep(held)") + "=20%",), behind_lock(0.2)),
    Pair("told by a callback", relayed(3), ("shorter:" + line(relayed, "sleep(units)") + "=50%",), relayed(1.5)),
    Pair("three awaits", one_by_one, ("gather:" + lines(one_by_one, "# together"),), all_at_once),
    Pair("calls in a loop", in_a_loop, ("gather:" + line(in_a_loop, "# one"),), gathered_loop),
    Pair("lookups", customers_one_by_one, ("gather:" + lines(customers_one_by_one, "# lookup"),), customers_together),
    Pair("workers of a queue", workers(0.5), ("shorter:work=20%",), workers(0.1)),
    Pair(
        "thread and semaphore", uploads(3, False), ("thread:upload", "semaphore:" + line(uploads, "with slots") + "=6"),
        uploads(6, True),
    ),
]  # fmt: skip
