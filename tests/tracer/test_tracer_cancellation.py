"""Where a cancellation came from, and who resolved a future, are told with their line."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from asyncio_trace.model import Waker
from tracer.look import future_made_in, line_of, task_named
from tracer.tracing import ASYNCIO, Main, Traced, traced

TraceMain = Callable[[Main], Traced]

TINY = 0.002


def named(name: str, coro: Any) -> asyncio.Task[Any]:
    """A task of that name."""
    return asyncio.get_running_loop().create_task(coro, name=name)


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


def canceller(recording: Traced, name: str) -> Waker:
    """Who cancelled the task of that name."""
    task = task_named(recording.trace, name)
    assert task.outcome == "cancelled"
    assert task.cancelled_by is not None
    return task.cancelled_by


# -- cancellation -------------------------------------------------------------------------------------------------------


def test_a_sibling_that_cancels_is_told_with_its_line(trace_main: TraceMain) -> None:
    """task.cancel() by another task names that task and the line."""

    async def cancel(task: asyncio.Task[Any]) -> None:
        await asyncio.sleep(0)
        task.cancel()  # here

    async def main() -> None:
        victim = named("victim", forever())
        await asyncio.gather(victim, named("sibling", cancel(victim)), return_exceptions=True)

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "sibling").id)
    assert line_of(waker.at).endswith("# here")


def test_a_task_cancelled_before_it_started_names_its_creator(trace_main: TraceMain, loop_kind: Any) -> None:
    """A task that never ran was cancelled by the task that was running."""
    if loop_kind.eager:
        pytest.skip("an eager task has started by then")

    async def main() -> None:
        victim = named("victim", forever())
        victim.cancel()
        await asyncio.wait([victim])

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "victim").parent)
    assert task_named(recording.trace, "victim").started_ns is not None


def test_a_timeout_cancels_as_a_timer(trace_main: TraceMain) -> None:
    """asyncio.timeout() that runs out cancels its task by the timer; the task survives it."""

    async def limited() -> str:
        try:
            async with asyncio.timeout(TINY):
                await forever()
        except TimeoutError:
            return "in time"
        return "never"

    async def main() -> str:
        return str(await named("limited", limited()))

    recording = trace_main(main)
    assert recording.result == "in time"
    task = task_named(recording.trace, "limited")
    assert task.outcome == "returned"
    assert task.cancelled_by is not None
    assert task.cancelled_by.kind == "timer"


def test_wait_for_cancels_as_a_timer(trace_main: TraceMain) -> None:
    """wait_for that runs out cancels what it waits for; the origin is its time limit."""

    async def main() -> None:
        victim = named("victim", forever())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(victim, TINY)

    assert canceller(trace_main(main), "victim").kind in ("timer", "task")


def test_a_group_cancels_for_the_sibling_that_failed(trace_main: TraceMain) -> None:
    """A task group's failure cancels the others, and the one that failed is the origin."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("on purpose")

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever(), name="victim")
            tasks.create_task(fail(), name="failing")

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            await group()

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "failing").id)


def test_a_timer_that_cancels_is_told(trace_main: TraceMain) -> None:
    """call_later(delay, task.cancel) cancels as a timer."""

    async def main() -> None:
        victim = named("victim", forever())
        await asyncio.sleep(0)  # it waits before the timer can be due
        asyncio.get_running_loop().call_later(TINY, victim.cancel)
        await asyncio.wait([victim])

    assert canceller(trace_main(main), "victim").kind == "timer"


def test_a_cancelled_gather_cancels_its_children(trace_main: TraceMain) -> None:
    """Children of a gather whose awaiter is cancelled were cancelled by whoever did that."""

    async def gather() -> None:
        await asyncio.gather(named("victim", forever()), named("other", forever()))

    async def main() -> None:
        gathering = named("gathering", gather())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gathering.cancel()  # here
        await asyncio.wait([gathering])

    recording = trace_main(main)
    main_task = task_named(recording.trace, "gathering").parent
    for name in ("victim", "other", "gathering"):
        waker = canceller(recording, name)
        assert (waker.kind, waker.task) == ("task", main_task), name
        assert line_of(waker.at).endswith("# here")


def test_tasks_left_over_are_cancelled_by_the_loop(trace_main: TraceMain) -> None:
    """What asyncio.run cancels when main is over was cancelled by the loop."""

    left_over = []  # else nothing holds the task and its future but each other, and a collection ends it before the loop does

    async def main() -> None:
        left_over.append(named("victim", forever()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    waker = canceller(trace_main(main), "victim")
    assert (waker.kind, waker.task) == ("loop", None)


def test_a_task_that_cancels_itself_is_its_own_origin(trace_main: TraceMain) -> None:
    """A task may be its own canceller."""

    async def cancel_self() -> None:
        task: Any = asyncio.current_task()
        task.cancel()
        await asyncio.sleep(TINY)

    async def main() -> None:
        await asyncio.wait([named("victim", cancel_self())])

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "victim").id)


def test_a_task_that_nobody_cancelled_says_so(trace_main: TraceMain) -> None:
    """A task that ends by itself has no canceller."""

    async def main() -> None:
        await named("free", asyncio.sleep(0))

    assert task_named(trace_main(main).trace, "free").cancelled_by is None


# -- futures ------------------------------------------------------------------------------------------------------------


def make(how: str) -> asyncio.Future[Any]:
    """Make a future, in one of the two ways."""
    loop = asyncio.get_running_loop()
    return loop.create_future() if how == "create_future" else asyncio.Future()


FINISH: dict[str, Callable[[asyncio.Future[Any]], object]] = {
    "returned": lambda future: future.set_result(1),
    "raised": lambda future: future.set_exception(LookupError("on purpose")),
    "cancelled": lambda future: future.cancel(),
}


@pytest.mark.parametrize("how", ["create_future", "Future"])
@pytest.mark.parametrize("outcome", FINISH)
def test_a_future_that_nobody_awaits_is_told(trace_main: TraceMain, how: str, outcome: str) -> None:
    """It has its maker, its resolver, the line of each, and its outcome."""

    async def resolve(future: asyncio.Future[Any]) -> None:
        await asyncio.sleep(0)
        FINISH[outcome](future)  # here
        if outcome == "raised":
            future.exception()

    async def main() -> None:
        future = make(how)
        await named("resolver", resolve(future))

    recording = trace_main(main)
    future = future_made_in(recording.trace, "make")
    resolver = task_named(recording.trace, "resolver")
    assert future.outcome == outcome
    assert future.created_by == resolver.parent
    assert future.resolved_by is not None
    assert (future.resolved_by.kind, future.resolved_by.task) == ("task", resolver.id)
    assert future.resolved_by.at is not None
    assert future.resolved_by.at.file == __file__
    assert future.resolved_ns == future.resolved_by.ns


def test_futures_that_are_dropped_stay_pending(trace_main: TraceMain) -> None:
    """A future that the program forgets is pending; its address may be used again by another."""

    async def main() -> None:
        for _ in range(20):
            make("create_future")
            make("Future")
        last = make("create_future")
        gc.collect()
        last.set_result(1)

    trace = trace_main(main).trace
    ours = [future for future in trace.futures if future.created_at and future.created_at.function == "make"]
    assert len(ours) == 41
    assert sorted(future.outcome for future in ours) == ["pending"] * 40 + ["returned"]


def test_a_collection_in_between_hides_no_future(core: str) -> None:
    """Each future is seen, even if the garbage collector runs while it is made."""

    async def main() -> None:
        kept: list[object] = []
        for number in range(2000):
            kept.append([[] for _ in range(number % 37)])
            kept.append(make("Future"))

    with traced(core) as recording:
        ASYNCIO.run(main)
    assert len([1 for future in recording.trace.futures if future.created_at and future.created_at.function == "make"]) == 2000


def test_a_subclass_of_future_is_followed(core: str) -> None:
    """A user's own subclass, in C or in Python, is a future like another."""

    class Own(asyncio.Future[int]):
        pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for kind in (Own, asyncio.futures._PyFuture):  # type: ignore[attr-defined]
            future = kind(loop=loop)
            loop.call_soon(future.set_result, 3)
            assert await future == 3

    with traced(core) as recording:
        ASYNCIO.run(main)
    ours = [future for future in recording.trace.futures if future.created_at and future.created_at.function.endswith("main")]
    assert sorted(future.type for future in ours) == ["Future", "Own"]
    assert [future.outcome for future in ours] == ["returned"] * 2


def test_a_future_in_python_that_nobody_awaits_is_told(core: str) -> None:
    """Who resolved it and how, at which line; and that one which is dropped was never resolved."""

    def resolve(future: Any) -> None:
        future.set_exception(LookupError())
        future.exception()

    async def main() -> None:
        for _ in range(2):
            future = asyncio.futures._PyFuture()  # type: ignore[attr-defined]
        resolve(future)

    with traced(core) as recording:
        ASYNCIO.run(main)
    ours = [future for future in recording.trace.futures if future.created_at and future.created_at.function.endswith("main")]
    assert [future.outcome for future in ours] == ["pending", "raised"]
    resolved_by = ours[1].resolved_by
    assert resolved_by is not None
    assert resolved_by.kind == "task"
    assert resolved_by.at is not None
    assert resolved_by.at.function.endswith("resolve")


def test_a_future_made_outside_of_tasks_has_no_creator(core: str) -> None:
    """What a callback or plain code makes is made by no task, at a known line."""

    def callback(loop: asyncio.AbstractEventLoop) -> None:
        loop.create_future().cancel()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(callback, loop)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with traced(core) as recording:
        ASYNCIO.run(main)
    future = future_made_in(recording.trace, "callback")
    assert future.created_by is None
    assert future.outcome == "cancelled"
    assert future.resolved_by is not None
    assert future.resolved_by.kind == "callback"
