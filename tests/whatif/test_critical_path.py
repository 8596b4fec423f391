"""The critical path: whom it goes through, and that it covers all of the time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings

from asyncio_trace.analysis import path_walk
from asyncio_trace.analysis.critical_path import KINDS, CriticalPath, by_place, critical_path
from asyncio_trace.errors import UsageError
from asyncio_trace.model import Trace
from tracer.generated import Program, World, programs
from tracer.test_tracer_properties import EXAMPLES, LIMITS
from tracer.virtual_loop import VirtualLoop
from whatif.simulated import SECOND, simulated, spend


def covers(path: CriticalPath) -> bool:
    """Whether the segments go from the path's start to its end without gap or overlap, each of them longer than nothing."""
    at = path.start_ns
    for segment in path.segments:
        if segment.start_ns != at or segment.end_ns <= at or segment.kind not in KINDS:
            return False
        at = segment.end_ns
    return at == path.end_ns


def told(trace: Trace, task: int | None = None) -> list[tuple[str, str, float]]:
    """The path's segments: kind, coroutine, seconds."""
    path = critical_path(trace, task)
    assert path is not None
    assert covers(path)
    names = {task.id: task.coroutine.rpartition(".")[2] for task in trace.tasks}
    return [
        (segment.kind, names[segment.task] if segment.task is not None else segment.label, segment.length_ns / SECOND)
        for segment in path.segments
    ]


async def sleeper(seconds: float) -> None:
    """Sleep."""
    await asyncio.sleep(seconds)


def test_gather_leads_through_its_last_child() -> None:
    """Of three children the slowest one is on the path, by the timer that it waited for."""

    async def main() -> None:
        spend(1)
        await asyncio.gather(sleeper(2), sleeper(5), sleeper(3))
        spend(2)

    assert told(simulated(main)) == [("running", "main", 1), ("timer", "sleeper", 5), ("running", "main", 2)]


def test_ready_names_what_ran_meanwhile() -> None:
    """A task that was ready but not running shows for how long, and which task held the loop."""

    async def blocker() -> None:
        await asyncio.sleep(1)
        spend(4)

    async def main() -> None:
        task = asyncio.create_task(blocker())
        await asyncio.sleep(2)
        del task

    trace = simulated(main)
    assert told(trace) == [("timer", "main", 2), ("ready", "main", 3)]
    path = critical_path(trace)
    assert path is not None
    held = path.segments[-1].in_the_way
    assert [(trace.tasks[1].id, 3 * SECOND)] == [(who.task, who.ns) for who in held]


def test_lock_leads_to_its_holder() -> None:
    """Whoever waited for a lock continues in the task that released it, where that one was at work before the wait too."""

    async def holder(lock: asyncio.Lock) -> None:
        async with lock:
            spend(1)
            await asyncio.sleep(3)

    async def waiter(lock: asyncio.Lock) -> None:
        async with lock:
            spend(2)

    async def main() -> None:
        lock = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            group.create_task(holder(lock))
            group.create_task(waiter(lock))

    assert told(simulated(main)) == [("running", "holder", 1), ("timer", "holder", 3), ("running", "waiter", 2)]


def test_path_does_not_come_back_to_who_waited() -> None:
    """Where the awaited task was at work before the wait began, the path stays with it: the waiting one was early."""

    async def slow() -> None:
        await asyncio.sleep(10)

    async def main() -> None:
        task = asyncio.create_task(slow())
        await asyncio.sleep(4)
        await task

    assert told(simulated(main)) == [("timer", "slow", 10)]


def test_callback_leads_to_who_queued_it() -> None:
    """A wait that a callback ended goes through its run and its time in line to the task that queued it."""

    async def main() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def resolve() -> None:
            spend(1)
            future.set_result(None)

        async def other() -> None:
            await asyncio.sleep(3)
            asyncio.get_running_loop().call_soon(resolve)
            spend(2)

        task = asyncio.create_task(other())
        await future
        await task

    path = told(simulated(main))
    assert [(kind, seconds) for kind, _, seconds in path] == [("timer", 3), ("ready", 2), ("running", 1)]
    assert path[0][1] == "other"
    assert path[1][1] == path[2][1] == main.__qualname__ + ".<locals>.resolve"


def test_runs_leave_by_the_line_of_their_await() -> None:
    """A run's place is the line at which the path leaves it, and a wait's is the line that waits."""

    async def main() -> None:
        spend(1)
        await asyncio.sleep(2)

    path = critical_path(simulated(main))
    assert path is not None
    running, timer = path.segments
    assert running.at == timer.at
    assert running.at is not None
    assert running.at.line == main.__code__.co_firstlineno + 2


def test_wait_that_the_loop_ends_is_on_the_path() -> None:
    """The path of a task that waits to the very end ends with that wait, and says who ended it."""

    async def forever() -> None:
        spend(1)
        await asyncio.Event().wait()

    async def main() -> None:
        kept.append(asyncio.create_task(forever()))
        await asyncio.sleep(5)

    kept: list[asyncio.Task[None]] = []
    trace = simulated(main)
    pending = next(task.id for task in trace.tasks if task.coroutine.endswith("forever"))
    assert told(trace, pending) == [("running", "forever", 1), ("loop", "forever", 4)]


def test_sums_are_by_place() -> None:
    """Segments of one kind at one line make one row, and the rows add up to the path."""

    async def main() -> None:
        for _ in range(3):
            spend(1)
            await asyncio.sleep(2)

    trace = simulated(main)
    path = critical_path(trace)
    assert path is not None
    rows = by_place(trace, path)
    assert [(row.kind, row.count, row.ns) for row in rows] == [("timer", 3, 6 * SECOND), ("running", 3, 3 * SECOND)]


def test_path_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of more stretches than anybody reads is refused in one line, before it takes all memory."""
    monkeypatch.setattr(path_walk, "MOST_SEGMENTS", 5)
    trace = simulated(ten_sleeps, tick=1)
    with pytest.raises(UsageError, match="has more than 5 stretches"):
        critical_path(trace)


async def ten_sleeps() -> None:
    """Sleep often."""
    for _ in range(10):
        await asyncio.sleep(1)


def test_unknown_task_has_no_path() -> None:
    """A task that the trace does not have, or a trace without tasks, has no path."""
    trace = simulated(lambda: sleeper(1))
    assert critical_path(trace, 999) is None
    trace.tasks = []
    assert critical_path(trace) is None


@pytest.mark.filterwarnings("ignore:coroutine 'World.body' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:(?s).*World.body:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tick", [0, 7])
@settings(max_examples=EXAMPLES, **LIMITS)
@given(program=programs())
def test_paths_of_generated_programs_cover_their_time(tick: int, program: Program) -> None:
    """Whatever a program does, the path of each of its tasks covers the time from its creation to its end."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = World(loop)
        with suppress(asyncio.CancelledError):
            await world.main(program)
        await world.drain()

    trace = simulated(main, tick=tick)
    for task in [None, *(task.id for task in trace.tasks)]:
        path = critical_path(trace, task)
        assert path is not None
        assert path.start_ns == path.end_ns or covers(path)
