"""The tracer is a guest: what a program does, shows and leaves behind is the same with it, and nothing of it stays."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import traceback
import weakref
from asyncio import base_events, base_futures, events, selector_events
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any

import pytest

import asyncio_trace
from asyncio_trace.errors import UsageError
from asyncio_trace.model import load
from asyncio_trace.recording.writer import Target
from asyncio_trace.tracer import session as sessions
from asyncio_trace.tracer.loop_state import ATTRIBUTE
from asyncio_trace.tracer.session import Session, record_to
from tracer.plain_loop import PlainLoop
from tracer.tracing import ASYNCIO, HAS_UVLOOP, UVLOOP, LoopKind, Main, Traced, traced

Tracing = Callable[[], AbstractContextManager[Traced]]
TraceMain = Callable[[Main], Traced]

OURS = os.path.dirname(asyncio_trace.__file__)


@pytest.fixture(params=[False, True], ids=["plain", "traced"])
def maybe(request: pytest.FixtureRequest, core: str) -> AbstractContextManager[Any]:
    """A trace or none: what a test says holds in both."""
    return traced(core) if request.param else nullcontext()


async def child() -> int:
    """Wait once."""
    await asyncio.sleep(0)
    return 1


async def fail() -> None:
    """Fail in the second step; what an eager first step raises stays alive with its creator before 3.14."""
    await asyncio.sleep(0)
    raise LookupError("of a task")


# -- what a program shows -----------------------------------------------------------------------------------------------


def test_a_futures_repr_shows_nothing_of_us(maybe: AbstractContextManager[Any], loop_kind: LoopKind) -> None:
    """A future's repr names the program's callbacks and no others."""

    async def main() -> list[str]:
        bare, watched = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
        watched.add_done_callback(print)
        texts = [repr(bare), repr(watched)]
        bare.cancel()
        watched.remove_done_callback(print)
        return [re.sub(r" created at [^ >]+", "", text) for text in texts]

    with maybe:
        bare, watched = loop_kind.run(main)
    assert bare == "<Future pending>"
    assert watched == "<Future pending cb=[print()]>"


def test_nobody_finds_us_among_a_futures_callbacks(maybe: AbstractContextManager[Any], core: str) -> None:
    """`_callbacks` has what the program put there: of `gather`'s futures, of futures in Python, with the native core of all."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        made: list[Any] = [asyncio.gather(asyncio.sleep(0)), asyncio.futures._PyFuture(loop=loop)]  # type: ignore[attr-defined]
        if core == "native":
            made += [loop.create_future(), asyncio.Future()]
        seen = []
        for future in made:
            before = bool(future._callbacks)
            future.add_done_callback(print)
            with_one = [callback for callback, _ in future._callbacks]
            seen.append((before, with_one, future.remove_done_callback(print), bool(future._callbacks)))
        await made[0]
        return seen

    with maybe:
        seen = ASYNCIO.run(main)
    assert seen == [(False, [print], 1, False)] * len(seen)


def test_handles_show_as_the_loops_own(maybe: AbstractContextManager[Any]) -> None:
    """A handle's repr and type name are those of asyncio's handles, and it is an instance of theirs."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        handles: list[Any] = [loop.call_soon(print), loop.call_later(5, print), loop.call_soon_threadsafe(print)]
        for handle in handles:
            handle.cancel()
        return handles

    with maybe:
        soon, later, safe = ASYNCIO.run(main)
    assert repr(soon) == "<Handle cancelled>"
    assert repr(later).startswith("<TimerHandle cancelled when=")
    assert isinstance(soon, asyncio.Handle)
    assert isinstance(later, asyncio.TimerHandle)
    assert type(safe).__name__ == getattr(events, "_ThreadSafeHandle", asyncio.Handle).__name__


def test_complaints_are_the_same(maybe: AbstractContextManager[Any], loop_kind: LoopKind) -> None:
    """asyncio's complaint about a pending task that is destroyed, and about an exception that nobody took, come with their
    words, in the turn in which the task is dropped."""
    complaints: list[str] = []

    async def forever(future: asyncio.Future[Any]) -> None:
        await future

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        asyncio.create_task(fail())
        for _ in range(3):
            await asyncio.sleep(0)
        loop.call_soon(fail_at_once)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        future: Any = asyncio.Future()
        task: Any = asyncio.create_task(forever(future))
        await asyncio.sleep(0)
        del task, future
        gc.collect()
        return list(complaints)

    gc.collect()
    gc.disable()
    try:
        with maybe:
            seen = loop_kind.run(main)
    finally:
        gc.enable()
    assert [re.split(r"\(<func| <func| fail_at", text)[0] for text in seen] == [
        "Task exception was never retrieved",
        "Exception in callback",
        "Task was destroyed but it is pending!",
    ]


def fail_at_once() -> None:
    """Fail."""
    raise LookupError("of a callback")


def test_tracebacks_have_no_frame_of_ours(maybe: AbstractContextManager[Any], loop_kind: LoopKind) -> None:
    """Whatever leaves a task, a callback or the loop, its traceback leads through the program and asyncio alone."""
    errors: list[BaseException] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    def leave() -> None:
        raise SystemExit(3)

    async def quit_task() -> None:
        raise SystemExit(4)

    async def main(last: Callable[[], None] | None) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        try:
            await asyncio.gather(fail(), child())
        except LookupError as error:
            errors.append(error)
        loop.call_soon(fail_at_once)
        loop.call_later(0, fail_at_once)
        loop.call_soon_threadsafe(fail_at_once)
        try:
            await asyncio.to_thread(fail_at_once)
        except LookupError as error:
            errors.append(error)
        if last is not None:
            loop.call_soon(last)
        else:
            asyncio.create_task(quit_task())
        await asyncio.sleep(1)

    with maybe:
        for last, expected in ((interrupt, KeyboardInterrupt), (leave, SystemExit), (None, SystemExit)):
            with pytest.raises(expected) as raised:
                loop_kind.run(partial(main, last))
            errors.append(raised.value)
    assert len(errors) >= 3 * 6
    for error in errors:
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        assert not [file for file in files if file.startswith(OURS)], error


def test_refusals_are_the_loops_own(maybe: AbstractContextManager[Any]) -> None:
    """A closed loop and a loop in debug mode refuse what they refuse, with no frame of ours in the traceback."""
    loop = asyncio.new_event_loop()
    wrong: list[Callable[[], object]] = []
    with maybe:
        loop.set_debug(True)
        nothing: Any = None
        wrong += [lambda: loop.call_soon(nothing), lambda: loop.call_later(1, nothing), lambda: loop.call_at(nothing, print)]
        wrong += [lambda: loop.run_in_executor(None, child)]
        for call in wrong:
            with pytest.raises(TypeError) as raised:
                call()
            assert not [f for f in traceback.extract_tb(raised.value.__traceback__) if f.filename.startswith(OURS)]
        loop.close()
        for call in (
            lambda: loop.call_soon(print),
            lambda: loop.call_later(1, print),
            lambda: loop.call_soon_threadsafe(print),
        ):
            with pytest.raises(RuntimeError, match="Event loop is closed") as refused:
                call()
            assert not [f for f in traceback.extract_tb(refused.value.__traceback__) if f.filename.startswith(OURS)]


@pytest.mark.parametrize("kind", [ASYNCIO, UVLOOP], ids=lambda kind: kind.name)
def test_debug_sources_have_no_frame_of_ours(maybe: AbstractContextManager[Any], kind: LoopKind) -> None:
    """In debug mode, the place of creation of a handle, task or future is told without us, up to the program's own line."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(child())
        made: list[Any] = [loop.call_soon(int), loop.call_later(0, int), loop.call_soon_threadsafe(int), loop.call_at(0, int)]
        made += [task, loop.create_future(), loop.run_in_executor(None, int), asyncio.ensure_future(child())]
        await asyncio.wait([task, made[-1], made[-2]])
        return [entry._source_traceback for entry in made]

    if kind is UVLOOP and not HAS_UVLOOP:
        pytest.skip("uvloop is not installed")
    with maybe, asyncio.Runner(loop_factory=kind.factory, debug=True) as runner:
        stacks = runner.run(main())
    for stack in stacks:
        assert not [frame for frame in stack if frame.filename.startswith(OURS)]
        assert any(frame.filename == __file__ for frame in stack)
    for stack in stacks[:4]:
        assert stack[-1].filename == __file__, stack[-1]


# -- what a program keeps -----------------------------------------------------------------------------------------------


def test_no_task_or_future_is_kept_alive(maybe: AbstractContextManager[Any], loop_kind: LoopKind) -> None:
    """What the program drops is gone at once: futures, done tasks, failed tasks, results, callbacks."""

    class Result:
        pass

    async def give() -> Result:
        return Result()

    async def main() -> dict[str, bool]:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        loop = asyncio.get_running_loop()
        gone: dict[str, Any] = {}
        future: Any = loop.create_future()
        gone["future"] = weakref.ref(future)
        direct: Any = asyncio.Future()
        gone["direct future"] = weakref.ref(direct)
        resolved: Any = loop.create_future()
        resolved.set_result(1)
        gone["resolved future"] = weakref.ref(resolved)
        task: Any = asyncio.create_task(give())
        gone["task"] = weakref.ref(task)
        gone["result"] = weakref.ref(await task)
        failed: Any = asyncio.create_task(fail())
        gone["failed task"] = weakref.ref(failed)
        python_task: Any = asyncio.tasks._PyTask(fail(), loop=loop)  # type: ignore[attr-defined]
        gone["failed task in Python"] = weakref.ref(python_task)
        called: Any = Result()
        loop.call_soon(lambda kept: None, called)
        gone["argument"] = weakref.ref(called)
        del future, direct, resolved, task, failed, called, python_task
        for _ in range(3):
            await asyncio.sleep(0)
        return {name: reference() is None for name, reference in gone.items()}

    gc.collect()
    gc.disable()
    try:
        with maybe:
            gone = loop_kind.run(main)
    finally:
        gc.enable()
    assert [name for name, is_gone in gone.items() if not is_gone] == []


def test_loops_are_not_kept_alive(core: str) -> None:
    """A closed loop that the program dropped is gone during the trace."""
    with traced(core):
        loop: Any = asyncio.SelectorEventLoop()
        loop.run_until_complete(child())
        loop.close()
        reference = weakref.ref(loop)
        del loop
        gc.collect()
        assert reference() is None


def test_task_numbers_are_not_used_up(core: str) -> None:
    """Unnamed tasks get the numbers that they would have without us."""

    async def number() -> int:
        return int(asyncio.create_task(child()).get_name().removeprefix("Task-"))

    first = ASYNCIO.run(number)
    second = ASYNCIO.run(number)
    with traced(core):
        third = ASYNCIO.run(number)
    assert third - second == second - first


# -- begin and end ------------------------------------------------------------------------------------------------------


def state_of_asyncio() -> dict[str, dict[str, Any]]:
    """Everything that a trace could change."""
    kinds: list[Any] = [
        asyncio.AbstractEventLoop, base_events.BaseEventLoop, selector_events.BaseSelectorEventLoop, asyncio.SelectorEventLoop,
        events.Handle, events.TimerHandle, PlainLoop, base_futures, asyncio.tasks, asyncio.futures, events, asyncio,
        asyncio.tasks._GatheringFuture, asyncio.futures._PyFuture,  # type: ignore[attr-defined]
    ]  # fmt: skip
    if HAS_UVLOOP:
        import uvloop

        kinds += [uvloop.Loop, uvloop]
    return {str(kind): dict(vars(kind)) for kind in kinds}


def test_everything_is_as_it_was_afterwards(core: str, loop_kind: LoopKind) -> None:
    """After a trace every class and module of asyncio's has the very objects that it had before."""

    async def main() -> int:
        return await asyncio.gather(child(), asyncio.to_thread(int))  # type: ignore[return-value]

    loop_kind.run(main)
    before = state_of_asyncio()
    with traced(core):
        loop_kind.run(main)
    after = state_of_asyncio()
    for name, attributes in before.items():
        changed = [key for key in attributes.keys() | after[name].keys() if attributes.get(key) is not after[name].get(key)]
        assert [key for key in changed if key not in ("__warningregistry__",)] == [], name


def test_pending_futures_are_clean_afterwards(core: str) -> None:
    """A future that outlives the trace has no callback of ours, and works."""
    loop = asyncio.new_event_loop()
    with traced(core, check=False) as recording:
        python_future: Any = asyncio.futures._PyFuture(loop=loop)  # type: ignore[attr-defined]
        futures: list[Any] = [loop.create_future(), asyncio.Future(loop=loop), python_future]
        recording.session.follow(loop)
    for future in futures:
        assert not future._callbacks
        assert not hasattr(future, ATTRIBUTE)
        loop.call_soon(future.set_result, 8)
        assert loop.run_until_complete(future) == 8
    loop.close()


def test_a_loop_outlives_the_trace(core: str, loop_kind: LoopKind) -> None:
    """A trace may begin and end inside a running program, more than once; tasks that were there before are taken in."""
    folder: list[Traced] = []

    async def waiter(event: asyncio.Event) -> str:
        await event.wait()
        await asyncio.sleep(0)
        return "done"

    async def main() -> list[str]:
        results = []
        for _ in range(2):
            event = asyncio.Event()
            before = asyncio.create_task(waiter(event), name="before")
            await asyncio.sleep(0)
            with traced(core) as recording:
                during = asyncio.create_task(waiter(event), name="during")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                event.set()
                await before
            folder.append(recording)
            results += [await before, await during]
        return results

    assert loop_kind.run(main) == ["done"] * 4
    for recording in folder:
        tasks = {task.name: task for task in recording.trace.tasks}
        assert tasks["before"].outcome == "returned"
        assert tasks["before"].created_at is None
        assert tasks["during"].created_at is not None
        assert tasks["during"].created_at.function.endswith("main")


def test_one_trace_at_a_time(core: str) -> None:
    """A second trace is refused while one runs, and works after it."""
    with traced(core):
        with pytest.raises(UsageError, match="running already"), traced(core):
            pass
        assert ASYNCIO.run(child) == 1
    with traced(core) as recording:
        assert ASYNCIO.run(child) == 1
    assert [task.coroutine for task in recording.trace.tasks] == ["child"]


def test_what_was_queued_in_a_trace_runs_after_it(core: str) -> None:
    """Handles, timers and wake-ups that a trace made do their work when it is over."""

    async def main() -> list[str]:
        done: list[str] = []
        loop = asyncio.get_running_loop()
        with traced(core):
            loop.call_soon(done.append, "soon")
            loop.call_later(0.001, done.append, "later")
            loop.call_soon_threadsafe(done.append, "safe")
            sleeper = asyncio.create_task(asyncio.sleep(0.002, "slept"))
            await asyncio.sleep(0)
        done.append(await sleeper)
        return done

    assert ASYNCIO.run(main) == ["soon", "safe", "later", "slept"]


def test_a_loop_class_defined_during_a_trace_is_traced(core: str) -> None:
    """A loop class of a user's own that comes into being later is met, and forgotten afterwards."""
    with traced(core) as recording:

        class LateLoop(PlainLoop):
            def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
                return super().call_soon(callback, *args, context=context)

        before = set(vars(LateLoop))
        late: Any = LateLoop
        loop = late()
        assert loop.run_until_complete(child()) == 1
    assert [task.coroutine for task in recording.trace.tasks] == ["child"]
    assert {"call_soon"} <= before
    assert LateLoop.call_soon.__code__.co_filename == __file__


# -- trouble ------------------------------------------------------------------------------------------------------------


class FullDisk:
    """A sink that can take so much and no more; for a core that writes to a file itself, one that can take nothing."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    @cached_property
    def descriptor(self) -> int:
        """A file that can take nothing."""
        return os.open("/dev/full", os.O_WRONLY)

    @property
    def target(self) -> Target:
        """The same for a core that writes by itself."""
        return Target(self.descriptor, b"", 0, 1 << 20, 0)

    def write(self, tables: dict[str, list[Any]], records: bytes) -> None:
        """Take it, or fail."""
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        """No more will come."""
        if "descriptor" in vars(self):
            os.close(self.descriptor)


@pytest.mark.parametrize("writes", [0, 1, 3])
def test_a_sink_that_fails_costs_events_and_nothing_else(core: str, loop_kind: LoopKind, writes: int) -> None:
    """When the disk is full the program goes on, what is lost is counted, and the failure is told once."""

    async def main() -> int:
        total = 0
        for _ in range(5):
            total += sum(await asyncio.gather(child(), child()))
            running.recorder.flush()
        return total

    running = Session(FullDisk(writes), core=core)
    try:
        result = loop_kind.run(main)
    finally:
        failure = running.end()
    assert result == 10
    assert failure == "OSError: [Errno 28] No space left on device"
    assert running.recorder.lost_events > 0
    assert ASYNCIO.run(child) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_leaves_the_recording_alone(core: str, tmp_path: Any) -> None:
    """A child that is forked in mid-run writes nothing to its parent's recording, is traced no more, and works."""

    async def main() -> int:
        await asyncio.sleep(0)
        child_id = os.fork()
        if child_id == 0:
            status = 1
            try:
                events._set_running_loop(None)
                clean = sessions.active() is None and not asyncio.SelectorEventLoop.call_soon.__code__.co_filename.startswith(
                    OURS
                )
                status = 0 if clean and asyncio.run(child()) == 1 else 2
            finally:
                os._exit(status)
        _, status = os.waitpid(child_id, 0)
        await asyncio.create_task(child())
        return os.waitstatus_to_exitcode(status)

    path = tmp_path / "forked.atrace"
    running = record_to(str(path), core=core)
    try:
        assert ASYNCIO.run(main) == 0
    finally:
        assert running.end() is None
    trace = load(path)
    assert trace.complete
    assert [task.coroutine.rpartition(".")[2] for task in trace.tasks] == ["main", "child"]


def test_a_recording_needs_a_new_file(core: str, tmp_path: Any) -> None:
    """record_to does not write over a file unless it is told to, and leaves no trace running when it refuses."""
    path = tmp_path / "old.atrace"
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists"):
        record_to(str(path), core=core)
    assert path.read_text() == "precious"
    record_to(str(path), core=core, force=True).end()
    assert load(path).complete
    with pytest.raises(OSError, match="No such file"):
        record_to(str(tmp_path / "no" / "where.atrace"), core=core)
    assert sessions.active() is None


def test_an_unknown_core_is_refused() -> None:
    """A core that does not exist is a usage error, and nothing was changed."""
    before = state_of_asyncio()
    with pytest.raises(UsageError, match="no core is called"):
        Session(FullDisk(0), core="quantum")
    assert sessions.active() is None
    after = state_of_asyncio()
    assert all(after[name][key] is value for name, values in before.items() for key, value in values.items())


def test_a_task_that_is_running_when_the_trace_ends_is_pending(core: str) -> None:
    """A trace that ends inside a task has that task's run up to the end, and no outcome for it."""

    async def main() -> None:
        with traced(core) as recording:
            await asyncio.sleep(0)
        recordings.append(recording)

    recordings: list[Traced] = []
    ASYNCIO.run(main)
    (task,) = recordings[0].trace.tasks
    assert (task.outcome, task.ended_ns) == ("pending", None)
    assert task.running_ns > 0


def test_stdout_and_stderr_stay_the_programs(core: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The tracer prints nothing."""
    with traced(core):
        ASYNCIO.run(child)
    assert capfd.readouterr() == ("", "")
