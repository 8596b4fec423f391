"""What is known of futures and tasks by their address, whoever makes and resolves them; and the native core's clock."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from asyncio_trace.tracer import core as cores
from tracer.look import future_made_in, line_of, task_named
from tracer.tracing import ASYNCIO, HAS_EAGER, HAS_UVLOOP, UVLOOP, LoopKind, traced

needs_native = pytest.mark.skipif(cores.why_not_native() is not None, reason=f"no native core: {cores.why_not_native()}")
needs_eager = pytest.mark.skipif(not HAS_EAGER, reason="no eager tasks before 3.12")


class WithInit(asyncio.Future[Any]):
    """A future of a type of the program's, with a constructor of its own."""

    def __init__(self) -> None:
        super().__init__()


class Stubborn(asyncio.Future[Any]):
    """A future that says no to being cancelled, once."""

    asked = False

    def cancel(self, msg: Any = None) -> bool:
        """Refuse the first time."""
        if not self.asked:
            self.asked = True
            return False
        return super().cancel(msg)


@pytest.mark.parametrize("make", [asyncio.Future, WithInit, Stubborn], ids=lambda make: make.__name__)
def test_a_bare_constructors_future_is_told(core: str, make: Callable[[], asyncio.Future[Any]]) -> None:
    """A future of asyncio's or of a class of the program's has its maker's and its resolver's line."""

    async def main() -> None:
        def making() -> asyncio.Future[Any]:
            return make()

        future = making()
        future.cancel()
        if not future.cancelled():
            future.set_result(1)  # here

    with traced(core) as recording:
        ASYNCIO.run(main)
    kinds = [future for future in recording.trace.futures if future.outcome in ("returned", "cancelled")]
    resolved = [future.resolved_by for future in kinds if future.created_at is not None]
    assert len(resolved) == 1
    assert resolved[0] is not None
    assert line_of(resolved[0].at).startswith("future.")


def test_a_refused_resolution_is_none(core: str) -> None:
    """What a future refuses (no exception, a second result) is not recorded; the one that it takes is, with its line."""

    async def main() -> None:
        def making() -> asyncio.Future[Any]:
            return asyncio.get_running_loop().create_future()

        future: Any = making()
        with pytest.raises(TypeError):
            future.set_exception("no exception")
        with pytest.raises(TypeError):
            future.set_result()
        await asyncio.sleep(0)
        future.set_result(1)  # here
        with pytest.raises(asyncio.InvalidStateError):
            future.set_result(2)
        assert not future.cancel()

    with traced(core) as recording:
        ASYNCIO.run(main)
    future = future_made_in(recording.trace, "making")
    assert future.outcome == "returned"
    assert future.resolved_by is not None
    assert line_of(future.resolved_by.at).endswith("# here")


def test_an_address_that_is_used_again_means_the_new_future(core: str) -> None:
    """Futures that take each other's memory, of asyncio's type and of a subclass, are told apart."""

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def making(number: int) -> asyncio.Future[Any]:
            return loop.create_future() if number % 2 else WithInit()

        for number in range(40):
            future = making(number)
            if number % 3 == 0:
                loop.call_soon(future.set_result, number)
                await future
            del future

    with traced(core) as recording:
        ASYNCIO.run(main)
    ours = [
        future
        for future in recording.trace.futures
        if future.created_at and future.created_at.function.endswith(("making", "WithInit.__init__"))
    ]
    assert [future.outcome for future in sorted(ours, key=lambda future: future.id)] == [
        "pending" if number % 3 else "returned" for number in range(40)
    ]


def test_tasks_that_take_each_others_memory_are_told_apart(core: str) -> None:
    """A task at the address of one that was destroyed while it waited is a task of its own."""

    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        for number in range(30):
            task = asyncio.create_task(forever(), name=f"lost {number}")
            await asyncio.sleep(0)
            del task
            gc.collect()

    with traced(core) as recording:
        ASYNCIO.run(main)
    lost = [task_named(recording.trace, f"lost {number}") for number in range(30)]
    assert {task.outcome for task in lost} == {"pending"}
    assert len({task.id for task in lost}) == 30


@needs_native
def test_types_are_left_as_they_were() -> None:
    """After a trace futures and tasks are made, resolved, cancelled and freed as before, also of a class made meanwhile."""
    made: list[Any] = []

    async def main() -> None:
        class Meanwhile(asyncio.Future[Any]):
            pass

        made.append(Meanwhile)
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
        Meanwhile().set_result(1)

    async def after() -> int:
        future = made[0]()
        asyncio.get_running_loop().call_soon(future.set_result, 8)
        task = asyncio.create_task(asyncio.sleep(5))
        await asyncio.sleep(0)
        assert task.cancel()
        return int(await future)

    for _ in range(3):
        with traced("native") as recording:
            ASYNCIO.run(main)
        assert len([future for future in recording.trace.futures if future.outcome == "returned"]) >= 2
        assert ASYNCIO.run(after) == 8


@needs_native
@needs_eager
@pytest.mark.parametrize(
    "kind",
    [ASYNCIO, pytest.param(UVLOOP, marks=pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed"))],
    ids=lambda kind: kind.name,
)
def test_an_eager_step_ends_with_the_constructor(kind: LoopKind) -> None:
    """The native core knows when the first step of a task that is made directly is over, whatever its maker does then."""

    async def child() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        new: Any = asyncio.Task
        task = new(child(), loop=loop, name="eager", eager_start=True)
        future = loop.create_future()
        loop.call_soon(future.set_result, 1)  # here
        await future
        await task

    with traced("native") as recording:
        kind.run(main)
    trace = recording.trace
    eager = task_named(trace, "eager")
    first = next(run for run in trace.runs if run.task == eager.id)
    made = next(future for future in trace.futures if future.created_by == eager.parent and future.resolved_by is not None)
    assert first.end_ns <= made.created_ns
    assert eager.started_ns == first.start_ns


@needs_eager
def test_an_eager_task_on_a_loop_that_does_not_run_is_none(core: str) -> None:
    """Such a task takes its first step when the loop begins to run, and that is when it is recorded."""
    with traced(core) as recording:
        loop = asyncio.new_event_loop()
        new: Any = asyncio.Task
        task = new(asyncio.sleep(0), loop=loop, name="waits", eager_start=True)
        loop.run_until_complete(task)
        loop.close()
    assert task_named(recording.trace, "waits").steps == 2


@needs_native
def test_the_clock_is_the_systems() -> None:
    """It never goes back, and is within two microseconds of the monotonic clock, before and after it has learned the rate."""
    from asyncio_trace.tracer.native_core import _native

    last = 0
    for _ in range(50_000):
        before = time.monotonic_ns()
        told = _native.clock()
        after = time.monotonic_ns()
        assert before - 2_000 <= told <= after + 2_000
        assert told >= last
        last = told
