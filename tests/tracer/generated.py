"""Programs made of random actions, and an interpreter that runs one and writes down all that it does."""

from __future__ import annotations

import asyncio
import re
import sys
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from hypothesis import strategies as st

from tracer.virtual_loop import MOST_RESCUES, VirtualLoop

Action = tuple[Any, ...]
Program = list[Action]

DEADLINE = 1000.0
_DELAYS = st.sampled_from([0, 0.5, 1, 1, 2, 3.25])
_INDEX = st.integers(0, 3)
_OUTCOMES = st.sampled_from(["result", "exception", "cancel"])


def programs() -> st.SearchStrategy[Program]:
    """Any program."""
    return st.recursive(_bodies(_leaves()), lambda inner: _bodies(st.one_of(_leaves(), _nested(inner))), max_leaves=12)


def _bodies(actions: st.SearchStrategy[Action]) -> st.SearchStrategy[Program]:
    return st.lists(actions, min_size=1, max_size=4)


def _leaves() -> st.SearchStrategy[Action]:
    just = [
        ("yield",),
        ("bare yield",),
        ("raise",),
        ("cancel self",),
        ("uncancel",),
        ("repr",),
        ("bad callback",),
        ("executor",),
    ]
    by_index = ["await task", "cancel task", "await future", "event wait", "event set", "condition wait", "condition notify",
                "put", "get", "barrier", "hold lock", "shield task", "resolve by thread"]  # fmt: skip
    return st.one_of(
        st.sampled_from(just),
        st.tuples(st.sampled_from(by_index), _INDEX),
        st.tuples(st.just("sleep"), _DELAYS),
        st.tuples(st.just("future"), st.sampled_from(["create_future", "Future"])),
        st.tuples(st.sampled_from(["resolve", "resolve soon"]), _INDEX, _OUTCOMES),
        st.tuples(st.just("resolve later"), _INDEX, _OUTCOMES, _DELAYS),
        st.tuples(st.just("cancel later"), _INDEX, _DELAYS),
    )


def _nested(body: st.SearchStrategy[Program]) -> st.SearchStrategy[Action]:
    several = st.lists(body, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("spawn"), st.sampled_from(["create_task", "ensure_future", "loop", "Task", "soon"]), body),
        st.tuples(st.just("gather"), several, st.booleans()),
        st.tuples(st.just("wait"), several, st.sampled_from(["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"]), _DELAYS),
        st.tuples(st.just("as completed"), several),
        st.tuples(st.just("group"), several, body),
        st.tuples(st.sampled_from(["wait for", "timeout"]), _DELAYS, body),
        st.tuples(st.sampled_from(["shield", "catch", "generator"]), body),
        st.tuples(st.sampled_from(["lock", "semaphore"]), _INDEX, body),
    )


class OnPurposeError(Exception):
    """What a program's own code raises."""


@types.coroutine
def bare_yield() -> Generator[None, None, None]:
    """Give way once."""
    yield


class World:
    """Runs a program; `effects` is everything that a person could see of it."""

    def __init__(self, loop: VirtualLoop | None = None, unit: float = 1.0) -> None:
        self.loop = loop
        self.unit = unit
        self.effects: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.futures: list[asyncio.Future[Any]] = []
        self.parents: dict[str, str] = {}
        """Name of each task that was created with one, to the name of its creator."""
        self._first_name: int | None = None
        self._ages: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._next_age = count()

    async def main(self, program: Program) -> None:
        """Run it all, and give up at the deadline."""
        running = asyncio.get_running_loop()
        assert self._current() is not None
        running.set_exception_handler(self._complaint)
        if self.loop is not None:
            self.loop.rank = lambda task: self._ages.get(task, sys.maxsize)
        self.events = [asyncio.Event() for _ in range(2)]
        self.conditions = [asyncio.Condition() for _ in range(2)]
        self.locks = [asyncio.Lock() for _ in range(2)]
        self.semaphores = [asyncio.Semaphore(2), asyncio.BoundedSemaphore(1)]
        self.queues: list[asyncio.Queue[str]] = [asyncio.Queue(1), asyncio.LifoQueue()]
        self.barriers = [asyncio.Barrier(2)]
        try:
            async with asyncio.timeout(DEADLINE * self.unit):
                await self.body(program, "main")
        except (asyncio.CancelledError, Exception) as error:
            self.note("main", "ended by", error)

    async def drain(self) -> None:
        """End what is left, in an order that is the same each time; asyncio.run would do it in any order."""
        assert self.loop is not None
        for _ in range(MOST_RESCUES):
            left = [task for task in self.loop.in_order() if task is not self._current()]
            if not left:
                break
            for task in left:
                task.cancel("the end")
            await asyncio.sleep(1)

    def note(self, *what: object) -> None:
        """Write down an effect."""
        words = [f"{type(word).__name__}({word})" if isinstance(word, BaseException) else str(word) for word in what]
        now = f"{self.loop.time():g}" if self.loop is not None else "-"
        self.effects.append(self._plain(" ".join([now, *words])))

    def _plain(self, text: str) -> str:
        text = re.sub(r"0x[0-9a-f]+", "0x", text)
        text = re.sub(r"id=\d+", "id=", text)
        return re.sub(r"Task-(\d+)", self._relative, text)

    def _relative(self, match: re.Match[str]) -> str:
        number = int(match[1])
        if self._first_name is None:
            self._first_name = number
        return f"Task+{number - self._first_name}"

    def _complaint(self, loop: object, context: dict[str, Any]) -> None:
        self.note("complaint:", context["message"], context.get("exception"), sorted(context))

    @staticmethod
    def _current() -> Any:
        return asyncio.current_task()

    def age(self, task: Any) -> int:
        """Number of a task in the order in which they were met; a child is met after its parent."""
        return self._ages.setdefault(task, next(self._next_age))

    async def body(self, program: Program, label: str) -> str:
        """One coroutine of the program."""
        self.age(self._current())
        for number, action in enumerate(program):
            here = f"{label}.{number}"
            self.note(here, action[0])
            act: Callable[..., Coroutine[Any, Any, object]] = getattr(self, "do_" + action[0].replace(" ", "_"))
            try:
                result = await act(here, *action[1:])
            except BaseException as error:
                self.note(here, "raised", error)
                raise
            if result is not None:
                self.note(here, "gave", result)
        return label

    def bodies(self, label: str, programs: list[Program]) -> list[Coroutine[Any, Any, str]]:
        """One coroutine for each."""
        return [self.body(program, f"{label}-{number}") for number, program in enumerate(programs)]

    # -- waiting --------------------------------------------------------------------------------------------------------

    async def do_yield(self, here: str) -> None:
        """Give way once."""
        await asyncio.sleep(0)

    async def do_bare_yield(self, here: str) -> None:
        """Give way once, by a generator."""
        await bare_yield()

    async def do_sleep(self, here: str, delay: float) -> str:
        """Sleep."""
        return await asyncio.sleep(delay * self.unit, "slept")

    async def do_await_task(self, here: str, index: int) -> object:
        """Await some younger task; a circle of tasks can't be cancelled, traced or not."""
        younger = [task for task in self.tasks if self.age(task) > self.age(self._current())]
        return await younger[index % len(younger)] if younger else None

    async def do_shield_task(self, here: str, index: int) -> object:
        """Await some task behind a shield."""
        return await asyncio.shield(self.tasks[index % len(self.tasks)]) if self.tasks else None

    async def do_await_future(self, here: str, index: int) -> object:
        """Await some future."""
        return await self.futures[index % len(self.futures)] if self.futures else None

    async def do_event_wait(self, here: str, index: int) -> object:
        """Wait for an event."""
        return await self.events[index % 2].wait()

    async def do_event_set(self, here: str, index: int) -> None:
        """Set or clear an event."""
        event = self.events[index % 2]
        event.clear() if event.is_set() else event.set()

    async def do_condition_wait(self, here: str, index: int) -> object:
        """Wait for a condition."""
        async with self.conditions[index % 2] as _:
            return await self.conditions[index % 2].wait()

    async def do_condition_notify(self, here: str, index: int) -> None:
        """Notify one or all."""
        async with self.conditions[index % 2]:
            self.conditions[index % 2].notify(1 + index)

    async def do_put(self, here: str, index: int) -> None:
        """Put into a queue."""
        await self.queues[index % 2].put(here)

    async def do_get(self, here: str, index: int) -> object:
        """Get from a queue."""
        item = await self.queues[index % 2].get()
        self.queues[index % 2].task_done()
        return item

    async def do_barrier(self, here: str, index: int) -> object:
        """Meet another."""
        return await self.barriers[0].wait()

    async def do_hold_lock(self, here: str, index: int) -> None:
        """Hold a lock for a moment."""
        async with self.locks[index % 2]:
            await asyncio.sleep(self.unit)

    async def do_lock(self, here: str, index: int, program: Program) -> object:
        """Do it under a lock."""
        async with self.locks[index % 2]:
            return await self.body(program, here)

    async def do_semaphore(self, here: str, index: int, program: Program) -> object:
        """Do it under a semaphore."""
        async with self.semaphores[index % 2]:
            return await self.body(program, here)

    async def do_executor(self, here: str) -> object:
        """Have a thread do it."""
        executor = self.loop.executor if self.loop is not None else None
        return await asyncio.get_running_loop().run_in_executor(executor, lambda: "thread")

    # -- tasks ----------------------------------------------------------------------------------------------------------

    def spawn(
        self, how: str, coro: Coroutine[Any, Any, str], name: str, group: asyncio.TaskGroup | None = None
    ) -> asyncio.Task[Any]:
        """Make a task."""
        loop = asyncio.get_running_loop()
        name = f"{name} #{len(self.tasks)}"
        task: asyncio.Task[Any]
        if how == "ensure_future":
            task = asyncio.ensure_future(coro)
        elif how == "Task":
            task = asyncio.Task(coro, loop=loop)
        else:
            if how != "soon":
                self.parents[name] = self._current().get_name()
            if group is not None:
                task = group.create_task(coro, name=name)
            else:
                task = loop.create_task(coro, name=name) if how == "loop" else asyncio.create_task(coro, name=name)
        self.tasks.append(task)
        self.age(task)
        return task

    async def do_spawn(self, here: str, how: str, program: Program) -> None:
        """Make a task, at once or in a callback."""
        coro = self.body(program, f"{here}'")
        if how == "soon":
            asyncio.get_running_loop().call_soon(self.spawn, how, coro, f"task {here}")
        else:
            self.spawn(how, coro, f"task {here}")

    async def do_gather(self, here: str, programs: list[Program], keep: bool) -> object:
        """Run them together."""
        return await asyncio.gather(*self.bodies(here, programs), return_exceptions=keep)

    async def do_wait(self, here: str, programs: list[Program], when: str, timeout: float) -> object:
        """Run them together, and not wait for all."""
        tasks = [self.spawn("create_task", body, f"{here}/{at}") for at, body in enumerate(self.bodies(here, programs))]
        done, pending = await asyncio.wait(tasks, return_when=when, timeout=timeout * self.unit or None)
        return len(done), len(pending)

    async def do_as_completed(self, here: str, programs: list[Program]) -> object:
        """Run them together, and take the results as they come."""
        tasks = [self.spawn("create_task", body, f"{here}/{at}") for at, body in enumerate(self.bodies(here, programs))]
        results = []
        for coro in asyncio.as_completed([task for task in tasks if not task.done()]):
            try:
                results.append(await coro)
            except OnPurposeError as error:
                results.append(str(error))
        return results

    async def do_group(self, here: str, programs: list[Program], own: Program) -> None:
        """Run them in a group."""
        async with OrderedGroup() as group:
            for number, body in enumerate(self.bodies(here, programs)):
                self.spawn("group", body, f"{here}/{number}", group)
            await self.body(own, f"{here}o")

    async def do_shield(self, here: str, program: Program) -> object:
        """Run it behind a shield."""
        return await asyncio.shield(self.body(program, here))

    async def do_wait_for(self, here: str, delay: float, program: Program) -> object:
        """Run it for a while at most."""
        return await asyncio.wait_for(self.body(program, here), delay * self.unit)

    async def do_timeout(self, here: str, delay: float, program: Program) -> object:
        """Run it for a while at most."""
        async with asyncio.timeout(delay * self.unit):
            return await self.body(program, here)

    async def do_catch(self, here: str, program: Program) -> object:
        """Survive whatever happens."""
        try:
            return await self.body(program, here)
        except (asyncio.CancelledError, Exception) as error:
            return error

    async def do_generator(self, here: str, program: Program) -> object:
        """Take one item from a generator that does it twice, and leave the generator behind."""

        async def items() -> AsyncIterator[str]:
            for _ in range(2):
                yield await self.body(program, here)

        async for item in items():
            return item
        return None

    # -- futures --------------------------------------------------------------------------------------------------------

    def make_future(self, how: str) -> asyncio.Future[Any]:
        """Make one; the only place that does."""
        loop = asyncio.get_running_loop()
        return loop.create_future() if how == "create_future" else asyncio.Future()

    async def do_future(self, here: str, how: str) -> None:
        """Make a future."""
        self.futures.append(self.make_future(how))

    def resolve(self, index: int, outcome: str) -> None:
        """Resolve a future, if there is one that is pending."""
        if self.futures and not (future := self.futures[index % len(self.futures)]).done():
            if outcome == "result":
                future.set_result(index)
            elif outcome == "exception":
                future.set_exception(OnPurposeError("of a future"))
            else:
                future.cancel()

    async def do_resolve(self, here: str, index: int, outcome: str) -> None:
        """Resolve a future now."""
        self.resolve(index, outcome)

    async def do_resolve_soon(self, here: str, index: int, outcome: str) -> None:
        """Resolve a future in a callback."""
        handle = asyncio.get_running_loop().call_soon(self.resolve, index, outcome)
        self.note(here, handle)

    async def do_resolve_later(self, here: str, index: int, outcome: str, delay: float) -> None:
        """Resolve a future by a timer."""
        handle = asyncio.get_running_loop().call_later(delay * self.unit, self.resolve, index, outcome)
        if self.loop is not None:
            self.note(here, handle)

    async def do_resolve_by_thread(self, here: str, index: int) -> None:
        """Have another thread resolve a future."""
        loop = asyncio.get_running_loop()
        if self.loop is not None:
            self.loop.jobs.append(lambda: void(loop.call_soon_threadsafe(self.resolve, index, "result")))

    # -- trouble --------------------------------------------------------------------------------------------------------

    async def do_raise(self, here: str) -> None:
        """Fail."""
        raise OnPurposeError(here)

    async def do_cancel_self(self, here: str) -> None:
        """Cancel the task that runs this."""
        self._current().cancel(here)

    async def do_uncancel(self, here: str) -> object:
        """Take back a cancellation."""
        return self._current().uncancel()

    async def do_cancel_task(self, here: str, index: int) -> object:
        """Cancel some task."""
        return self.tasks[index % len(self.tasks)].cancel(here) if self.tasks else None

    async def do_cancel_later(self, here: str, index: int, delay: float) -> None:
        """Cancel some task by a timer."""
        if self.tasks:
            asyncio.get_running_loop().call_later(delay * self.unit, self.tasks[index % len(self.tasks)].cancel)

    async def do_bad_callback(self, here: str) -> None:
        """Queue a callback that fails."""

        def fail() -> None:
            raise OnPurposeError(here)

        asyncio.get_running_loop().call_soon(fail)

    async def do_repr(self, here: str) -> object:
        """Show everything."""
        return [*self.tasks, *self.futures]


class OrderedSet(dict[Any, None]):
    """As much of a set as a task group needs, in the order of addition."""

    def add(self, item: Any) -> None:
        """Put in."""
        self[item] = None

    def discard(self, item: Any) -> None:
        """Take out."""
        self.pop(item, None)


class OrderedGroup(asyncio.TaskGroup):
    """A task group that cancels its tasks in the order of their creation, so that a program does the same each time."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks = OrderedSet()  # type: ignore[assignment]


def void(_: object) -> None:
    """Have no result."""


def eager_factory(loop: VirtualLoop) -> Any:
    """A task factory that makes eager tasks, and has the loop know of those that end at once."""

    def make(coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, **kwargs)
        loop.keep(task, coro)
        return task

    newer: Any = asyncio  # from 3.12 on
    return newer.create_eager_task_factory(make)
