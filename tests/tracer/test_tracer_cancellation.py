"""Where a cancellation came from, and who resolved a future, are told with their line."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from asyncio_trace.model import Waker
from asyncio_trace.model.cancellation import cancelled_through
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

    assert canceller(trace_main(main), "victim").kind == "timer"


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


async def rest() -> None:
    """Give way a few times, so that others have begun and wait."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_task_that_is_queued_names_who_cancels_it(trace_main: TraceMain) -> None:
    """Woken by one task and cancelled by another before it ran: it was the other, at that line."""

    async def wake(event: asyncio.Event) -> None:
        event.set()

    async def cancel(victim: asyncio.Task[Any]) -> None:
        victim.cancel()  # here

    async def wait(event: asyncio.Event) -> None:
        await event.wait()
        await forever()

    async def main() -> None:
        event = asyncio.Event()
        victim = named("victim", wait(event))
        await rest()
        named("waker", wake(event))
        named("canceller", cancel(victim))
        await asyncio.wait([victim])

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "canceller").id)
    assert line_of(waker.at).endswith("# here")


def test_a_task_that_cancels_itself_tells_the_line(trace_main: TraceMain) -> None:
    """The instant and the line are those of the call, not of the end of the step."""

    async def cancel_self() -> None:
        task: Any = asyncio.current_task()
        task.cancel()  # here
        await asyncio.sleep(TINY)

    async def main() -> None:
        await asyncio.wait([named("victim", cancel_self())])

    assert line_of(canceller(trace_main(main), "victim").at).endswith("# here")


@pytest.mark.parametrize("queue", ["call_soon", "call_soon_threadsafe"])
def test_a_callback_that_cancels_leads_to_who_queued_it(trace_main: TraceMain, queue: str) -> None:
    """`call_soon(task.cancel)` is a relay: it was the task that queued it, at its line."""

    async def cancel(victim: asyncio.Task[Any]) -> None:
        getattr(asyncio.get_running_loop(), queue)(victim.cancel)  # here
        await rest()

    async def main() -> None:
        victim = named("victim", forever())
        await rest()
        await asyncio.wait([victim, named("canceller", cancel(victim))])

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "canceller").id)
    assert line_of(waker.at).endswith("# here")


def test_a_thread_that_cancels_is_told(trace_main: TraceMain) -> None:
    """`call_soon_threadsafe(task.cancel)` from another thread names the thread and its line."""

    def cancel(loop: asyncio.AbstractEventLoop, victim: asyncio.Task[Any]) -> None:
        loop.call_soon_threadsafe(victim.cancel)  # here

    async def main() -> None:
        victim = named("victim", forever())
        await rest()
        thread = threading.Thread(target=cancel, args=(asyncio.get_running_loop(), victim), name="canceller")
        thread.start()
        await asyncio.wait([victim])
        thread.join()

    waker = canceller(trace_main(main), "victim")
    assert (waker.kind, waker.task, waker.label) == ("thread", None, "canceller")
    assert line_of(waker.at).endswith("# here")


@pytest.mark.parametrize("how", ["wait_for", "timeout"])
def test_a_time_limit_is_the_origin_for_those_inside(trace_main: TraceMain, how: str) -> None:
    """What a time limit cancels further in was cancelled by its timer, set at the program's line, through the limited task."""

    async def limited() -> None:
        if how == "wait_for":
            await asyncio.wait_for(named("victim", forever()), TINY)  # here
        else:
            async with asyncio.timeout(TINY):  # here
                await named("victim", forever())

    async def main() -> None:
        await asyncio.wait([named("limited", limited())])

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("timer", None)
    assert line_of(waker.at).endswith("# here")


def test_the_outer_of_two_time_limits_is_told_from_the_inner(trace_main: TraceMain) -> None:
    """The one that ran out has the line."""

    async def limited() -> None:
        async with asyncio.timeout(TINY):  # outer
            async with asyncio.timeout(1000):  # inner
                await named("victim", forever())

    async def main() -> None:
        await asyncio.wait([named("limited", limited())])

    assert line_of(canceller(trace_main(main), "victim").at).endswith("# outer")


def test_the_way_down_through_awaits_is_told(trace_main: TraceMain) -> None:
    """Asked is the outermost task; the innermost was cancelled through all that awaited it."""

    async def chain(depth: int) -> None:
        await (named(f"link {depth}", chain(depth - 1)) if depth else forever())

    async def main() -> None:
        top = named("top", chain(3))
        for _ in range(10):
            await asyncio.sleep(0)
        top.cancel()  # here
        await asyncio.wait([top])

    trace = trace_main(main).trace
    ways = cancelled_through(trace)
    order = ["top", "link 3", "link 2", "link 1"]
    ids = [task_named(trace, name).id for name in order]
    for place, number in enumerate(ids):
        assert ways.get(number, ()) == tuple(ids[:place])
    origins = {task.cancelled_by for task in trace.tasks if task.id in ids}
    assert len(origins) == 1
    (waker,) = origins
    assert waker is not None
    assert line_of(waker.at).endswith("# here")


@pytest.mark.parametrize("how", ["gather", "gather of gathers"])
def test_the_way_down_through_a_gather_is_told(trace_main: TraceMain, how: str) -> None:
    """Each child was cancelled through the task that gathered."""

    async def gather() -> None:
        victims = [named("victim 1", forever()), named("victim 2", forever())]
        if how == "gather":
            await asyncio.gather(*victims)
        else:
            await asyncio.gather(asyncio.gather(victims[0]), asyncio.gather(victims[1]))

    async def main() -> None:
        gathering = named("gathering", gather())
        await rest()
        gathering.cancel()
        await asyncio.wait([gathering])

    trace = trace_main(main).trace
    gathering, ways = task_named(trace, "gathering").id, cancelled_through(trace)
    assert gathering not in ways
    for name in ("victim 1", "victim 2"):
        assert ways[task_named(trace, name).id] == (gathering,)


def test_a_group_that_is_cancelled_cancels_its_tasks(trace_main: TraceMain) -> None:
    """They were cancelled through the group's task: when that is cancelled in its group, it cancels them."""

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever(), name="victim")

    async def main() -> None:
        parent = named("parent", group())
        await rest()
        parent.cancel()  # here
        await asyncio.wait([parent])

    recording = trace_main(main)
    waker = canceller(recording, "victim")
    assert waker.kind == "task"
    assert waker.task in (task_named(recording.trace, "parent").id, task_named(recording.trace, "parent").parent)


@pytest.mark.parametrize("nested", [False, True])
def test_a_cancel_scope_of_anyios_is_told(core: str, nested: bool) -> None:
    """Who cancels a scope has cancelled the tasks in it, at its line, though anyio delivers that in callbacks of its own."""
    anyio = pytest.importorskip("anyio")

    async def victim() -> None:
        asyncio.current_task().set_name("victim")  # type: ignore[union-attr]
        with anyio.CancelScope(shield=False) if nested else contextlib.nullcontext():
            await forever()

    async def main() -> None:
        asyncio.current_task().set_name("canceller")  # type: ignore[union-attr]
        async with anyio.create_task_group() as group:
            group.start_soon(victim)
            await rest()
            group.cancel_scope.cancel()  # here

    with traced(core) as recording:
        ASYNCIO.run(main)
    waker = task_named(recording.trace, "victim").cancelled_by
    assert waker is not None
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "canceller").id)
    assert line_of(waker.at).endswith("# here")


def test_a_time_limit_of_anyios_is_a_timer(core: str) -> None:
    """`move_on_after` cancels by its timer, set at the program's line."""
    anyio = pytest.importorskip("anyio")

    async def main() -> None:
        asyncio.current_task().set_name("limited")  # type: ignore[union-attr]
        with anyio.move_on_after(TINY):  # here
            await forever()

    with traced(core) as recording:
        ASYNCIO.run(main)
    waker = task_named(recording.trace, "limited").cancelled_by
    assert waker is not None
    assert waker.kind == "timer"
    assert line_of(waker.at).endswith("# here")


def test_a_runner_cancels_what_is_left_when_it_closes(core: str) -> None:
    """`Runner.close` is the loop's doing, at the program's line."""

    async def main() -> None:
        left_over.append(named("victim", forever()))
        await asyncio.sleep(0)

    left_over: list[Any] = []
    with traced(core) as recording:
        runner = asyncio.Runner()
        runner.run(main())
        runner.close()  # here
    waker = canceller(recording, "victim")
    assert (waker.kind, waker.task) == ("loop", None)
    assert line_of(waker.at).endswith("# here")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by os.kill")
def test_ctrl_c_is_a_signal(core: str, loop_kind: Any) -> None:
    """asyncio's handler for Ctrl-C cancels the main task: the origin is the signal, for what it awaits too."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(TINY, os.kill, os.getpid(), signal.SIGINT)
        await named("victim", forever())

    with traced(core) as recording, pytest.raises(KeyboardInterrupt):
        loop_kind.run(main)
    assert canceller(recording, "victim").kind == "signal"


def test_a_second_request_is_seen_too(trace_main: TraceMain) -> None:
    """A task that survived a cancellation and is cancelled again names the second."""

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await forever()
        await forever()

    async def main() -> None:
        victim = named("victim", stubborn())
        await rest()
        victim.cancel("with a message")  # first
        await rest()
        victim.cancel()  # second
        await asyncio.wait([victim])

    assert line_of(canceller(trace_main(main), "victim").at).endswith("# second")


def test_messages_are_the_programs(core: str) -> None:
    """A task's message is what the program gave, in between and afterwards; without one there is none."""

    async def main() -> list[Any]:
        told: list[Any] = []
        for args in ((), ("because",)):
            queued = named("queued", forever())
            queued.cancel(*args)
            waiting = named("waiting", forever())
            await rest()
            waiting.cancel(*args)
            for task in (queued, waiting):
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                told.append(caught.value.args)
        borrowed: Any = asyncio.get_running_loop().create_future()

        async def await_cancelled() -> None:
            await borrowed

        task = named("cancelled by its future", await_cancelled())
        borrowed.cancel()
        for _ in range(2):
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            told.append(caught.value.args)
        free: Any = named("free", asyncio.sleep(0))
        await free
        told.append(free._cancel_message)
        return told

    plain = ASYNCIO.run(main)
    with traced(core):
        assert ASYNCIO.run(main) == plain


def test_a_wire_is_gone_when_the_trace_ends(core: str) -> None:
    """Tasks that outlive the trace are as they were."""

    async def main() -> None:
        with traced(core, check=False):
            task: Any = named("outlives", forever())
            await rest()
        assert task._cancel_message is None
        task.cancel()
        await asyncio.wait([task])
        assert task._cancel_message is None

    plain_cancel = asyncio.Task.cancel
    ASYNCIO.run(main)
    assert asyncio.Task.cancel is plain_cancel


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
