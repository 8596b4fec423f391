"""What is alive, told from the records alone: what a segment must say so that it can be read without those before it.

The writer in C does the same for itself (`native/alive.c`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from asyncio_trace.events import records as r
from asyncio_trace.recording.naming import named

MOST_TASKS = 1 << 18
MOST_THINGS = 1 << 14
"""Futures and resources that are remembered, unless tasks wait on more: many end without a word."""

RESOLVED = 256
"""Futures that are remembered for a while, since a task still waits on them until it runs."""


MOST_HOLDS = 4
"""Of a semaphore, that are remembered."""

_Change = r.ResourceState | r.ResourceTaken | r.ResourceReleased | r.ResourceSet | r.QueueLength


class Alive:
    """Takes in records, and tells what of all that is still there."""

    def __init__(self) -> None:
        self._tasks: dict[int, r.TaskAlive] = {}
        self._numbers: dict[int, r.NumberedName] = {}
        self._spans: dict[int, r.ParentSpan] = {}
        self._loops: dict[int, r.LoopStarted] = {}
        self._things: dict[tuple[str, int], r.Record] = {}
        self._most_things = MOST_THINGS
        self._states: dict[int, r.ResourceState] = {}
        """How resources stand."""
        self._holds: dict[int, list[r.ResourceTaken]] = {}
        self._resolved: deque[r.FutureResolved] = deque()
        self._told: set[tuple[str, int]] = set()
        """What of `_things` the segment has told."""

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self._tasks)

    def take(self, record: r.Record) -> None:
        """A record passes by."""
        if isinstance(record, r.YieldedStep):
            self._stepped(record.task, r.TaskState.QUEUED, record.end_ns, (0, 0, 0, 0))
        elif isinstance(record, r.Step):
            self._step(record)
        elif isinstance(record, r.TaskCreated):
            if len(self._tasks) < MOST_TASKS:
                state = (0, r.TaskState.QUEUED, record.ns, 0, 0, 0, 0)
                self._tasks[record.task] = r.TaskAlive(*record, *state)
        elif isinstance(record, r.TaskDone):
            self._forget(record.task)
        elif isinstance(record, r.TaskNamed):
            self._named(record)
        elif isinstance(record, r.NumberedName):
            self._numbers[record.task] = record
        elif isinstance(record, r.ParentSpan):
            self._spans[record.task] = record
        elif isinstance(record, r.FutureCreated):
            self._thing("thing", record.future, record)
        elif isinstance(record, r.ResourceSeen):
            self._thing("thing", record.resource, record)
        elif isinstance(record, r.ThreadSeen):
            self._thing("thread", record.thread, record)
        elif isinstance(record, r.FutureResolved):
            self._resolved.append(record)
            if len(self._resolved) > RESOLVED:
                self._things.pop(("thing", self._resolved.popleft().future), None)
        elif isinstance(record, _Change):
            self._changed(record)
        elif isinstance(record, r.LoopStarted):
            self._loops[record.loop] = record
        elif isinstance(record, r.LoopClosed):
            self._loops.pop(record.loop, None)
            for task in [task for task, alive in self._tasks.items() if alive.loop == record.loop]:
                self._forget(task)  # what they did not end, they never will

    def begin_segment(self) -> None:
        """Nothing has been told yet."""
        self._told.clear()

    def alive(self, now: int) -> Iterator[r.Record]:
        """Records of the loops and tasks that are there."""
        for loop in self._loops.values():
            yield r.LoopAlive(loop.loop, now, loop.type, loop.thread, loop.ns)
        for number, task in self._tasks.items():
            yield task
            if number in self._numbers:
                yield self._numbers[number]
            if number in self._spans:
                yield self._spans[number]

    def things(self, record: r.Record) -> Iterator[r.Record]:
        """Records of what a record names (threads, futures, resources), unless the segment has them."""
        for key in named(record):
            thing = self._things.get(key)
            if thing is not None and key not in self._told:
                self._told.add(key)
                yield thing
                if isinstance(thing, r.ResourceSeen):
                    yield from self._standing(thing.resource)
                if isinstance(thing, r.FutureCreated):
                    yield from (resolved for resolved in self._resolved if resolved.future == thing.future)

    def _standing(self, resource: int) -> Iterator[r.Record]:
        """How a resource stood before those that hold it now took it, and that they did."""
        state = self._states.get(resource)
        if state is not None:
            holds = self._holds[resource]
            free = state.value + len(holds)
            yield state._replace(ns=holds[0].ns if holds else state.ns, value=free)
            for hold in holds:
                free -= 1
                yield hold._replace(free=free)

    def _changed(self, record: _Change) -> None:
        number = record.resource
        if isinstance(record, r.ResourceState):
            self._states[number] = record
            self._holds[number] = []
            return
        state = self._states.get(number)
        if state is None:
            return
        self._states[number] = state._replace(ns=record.ns, value=record[-1])
        holds = self._holds[number]
        if isinstance(record, r.ResourceTaken):
            if state.role == r.ResourceRole.LOCK:
                holds.clear()
            if len(holds) < MOST_HOLDS:
                holds.append(record)
        elif isinstance(record, r.ResourceReleased) and holds:
            own = [at for at, hold in enumerate(holds) if record.waker == r.WakerKind.TASK and hold.task == record.waker_id]
            del holds[own[-1] if own else 0]

    def _step(self, record: r.Step) -> None:
        if record.end == r.StepEnd.WAITING:
            rest = (record.awaited, record.stack, record.made, record.made_ns)
            self._stepped(record.task, r.TaskState.WAITING, record.end_ns, rest)
        elif record.end == r.StepEnd.YIELDED:
            self._stepped(record.task, r.TaskState.QUEUED, record.end_ns, (0, 0, 0, 0))
        elif record.end == r.StepEnd.DONE:
            self._forget(record.task)  # a segment may begin before its `TaskDone`

    def _stepped(self, number: int, state: int, since: int, rest: tuple[int, int, int, int]) -> None:
        task = self._tasks.get(number)
        if task is not None:
            self._tasks[number] = r.TaskAlive(*task[:8], state, since, *rest)

    def _named(self, record: r.TaskNamed) -> None:
        task = self._tasks.get(record.task)
        if task is not None:
            self._numbers.pop(record.task, None)
            self._tasks[record.task] = task._replace(name=record.name)

    def _forget(self, task: int) -> None:
        self._tasks.pop(task, None)
        self._numbers.pop(task, None)
        self._spans.pop(task, None)

    def _thing(self, what: str, number: int, record: r.Record) -> None:
        if len(self._things) >= self._most_things:
            needed = {("thing", task.awaited) for task in self._tasks.values()}
            newest = set(list(self._things)[len(self._things) // 2 :])
            self._things = {
                key: thing for key, thing in self._things.items() if key in needed or key in newest or key[0] == "thread"
            }
            self._most_things = max(MOST_THINGS, 2 * len(self._things))
            self._states = {number: state for number, state in self._states.items() if ("thing", number) in self._things}
            self._holds = {number: self._holds[number] for number in self._states}
        self._things[what, number] = record
        self._told.add((what, number))
