"""What Python throws away with a complaint is recorded, and Python complains as it does without us."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from tracer.look import line_of
from tracer.tracing import LoopKind, Main, Traced

Tracing = Callable[[], AbstractContextManager[Traced]]


async def report() -> None:
    """Is never awaited."""


async def drops_at_once() -> None:
    """Calls `report` in vain."""
    report()  # type: ignore[unused-coroutine] # drops it


async def drops_later() -> None:
    """Calls `report` in vain, and lets go of it somewhere else."""
    made: Any = report()  # makes it
    await asyncio.sleep(0)
    made = None  # drops it
    assert made is None


@contextmanager
def complaints() -> Iterator[list[warnings.WarningMessage]]:
    """The warnings that come up."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def said(main: Main, kind: LoopKind) -> list[tuple[str, str, int, type[Warning]]]:
    """What Python warns of while a program runs: text (not where it was created, in debug mode), file, line, category."""
    with complaints() as caught:
        kind.run(main)
        gc.collect()
    return [
        (str(one.message).splitlines()[0], one.filename, one.lineno, one.category)
        for one in caught
        if "report" in str(one.message)
    ]


@pytest.mark.parametrize(("main", "marker"), [(drops_at_once, "# drops it"), (drops_later, "# makes it")])
def test_a_coroutine_that_is_never_awaited(main: Main, marker: str, tracing: Tracing, loop_kind: LoopKind) -> None:
    """The line that made it is recorded, and its function; the warning names the same line as ever, in the same words."""
    plain = said(main, loop_kind)
    assert len(plain) == 1
    with tracing() as traced:
        assert said(main, loop_kind) == plain
    (lost,) = traced.trace.witnesses.lost_coroutines
    assert (lost.coroutine, line_of(lost.defined_at)) == ("report", "async def report() -> None:")
    assert line_of(lost.made_at).endswith(marker)


def test_where_a_coroutine_was_made_is_not_guessed(tracing: Tracing, loop_kind: LoopKind) -> None:
    """Where nothing on the stack is sure to have made it, only its definition is told."""
    kept = [report]

    async def main() -> None:
        kept[0]()  # type: ignore[unused-coroutine]

    with complaints(), tracing() as traced:
        loop_kind.run(main)
    (lost,) = traced.trace.witnesses.lost_coroutines
    assert lost.made_at is None
    assert lost.defined_at is not None


def test_a_warning_that_is_an_error_is_one_of_pythons_own(
    tracing: Tracing, loop_kind: LoopKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `-W error` the traceback that can't be raised has the frames that it has without us."""

    def frames() -> list[list[str]]:
        found: list[list[str]] = []

        def note(failure: Any) -> None:
            at, names = failure.exc_traceback, []
            while at is not None:
                names.append(at.tb_frame.f_code.co_name)
                at = at.tb_next
            found.append(names)

        with monkeypatch.context() as patch, warnings.catch_warnings():
            patch.setattr(sys, "unraisablehook", note)
            warnings.simplefilter("error", RuntimeWarning)
            loop_kind.run(drops_at_once)
        return found

    plain = frames()
    assert len(plain) == 1
    with tracing():
        assert frames() == plain


def test_the_hook_goes_with_the_trace(tracing: Tracing) -> None:
    """Afterwards `warnings` is as before; if somebody else has put a function there, that stays."""
    before = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]
    with tracing():
        assert warnings._warn_unawaited_coroutine is not before  # type: ignore[attr-defined]
    assert warnings._warn_unawaited_coroutine is before  # type: ignore[attr-defined]


def fail() -> None:
    """Fails."""
    raise LookupError("nobody asks")  # raises


async def failing() -> None:
    """Fails in a function."""
    await asyncio.sleep(0)
    fail()


async def loses() -> None:
    """Loses the exception of a task and that of a future."""
    task = asyncio.create_task(failing(), name="lost")
    future = asyncio.get_running_loop().create_future()
    future.set_exception(KeyError("nor here"))
    await asyncio.wait([task])
    del task, future
    gc.collect()


def heard(kind: LoopKind) -> list[tuple[str, str]]:
    """What the loop's exception handler is told."""
    told: list[tuple[str, str]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append((context["message"], repr(context["exception"]))))
        await loses()

    kind.run(main)
    return sorted(told)


def test_exceptions_that_nobody_retrieves(tracing: Tracing, loop_kind: LoopKind) -> None:
    """Both are recorded, the task's with its name and the line that raised; the loop's handler is told as ever."""
    plain = heard(loop_kind)
    assert len(plain) == 2
    with tracing() as traced:
        assert heard(loop_kind) == plain
    lost = {one.exception: one for one in traced.trace.witnesses.lost_exceptions}
    assert lost.keys() == {"LookupError", "KeyError"}
    (task,) = (task for task in traced.trace.tasks if task.name == "lost")
    of_task = lost["LookupError"]
    assert (of_task.id, of_task.name, of_task.coroutine) == (task.id, "lost", "failing")
    assert line_of(of_task.raised_at).endswith("# raises")
    assert (lost["KeyError"].name, lost["KeyError"].raised_at) == ("", None)


def test_a_collection_loses_the_exception_of_a_task_that_is_known(trace_main: Callable[[Main], Traced]) -> None:
    """A task that dies in a circle, which takes its weak references from it before it complains, is still told by its id."""

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        circle: list[object] = [asyncio.create_task(failing(), name="lost")]
        circle.append(circle)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del circle
        gc.collect()

    trace = trace_main(main).trace
    (task,) = (task for task in trace.tasks if task.name == "lost")
    (lost,) = trace.witnesses.lost_exceptions
    assert (lost.id, lost.name) == (task.id, "lost")


def test_an_exception_that_is_retrieved_is_not_lost(trace_main: Callable[[Main], Traced]) -> None:
    """Whoever awaits it, or looks at it, has seen it."""

    async def main() -> None:
        with pytest.raises(LookupError):
            await asyncio.create_task(failing())
        task = asyncio.create_task(failing())
        await asyncio.wait([task])
        assert task.exception() is not None
        del task
        gc.collect()

    assert trace_main(main).trace.witnesses.lost_exceptions == []


async def stubborn() -> None:
    """Takes no notice of being cancelled."""
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        await asyncio.sleep(0)


async def forever() -> None:
    """Ends as it is told."""
    await asyncio.sleep(10)


async def obedient() -> None:
    """Takes the request back, as `timeout` does."""
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()


def test_a_cancellation_that_is_ignored(trace_main: Callable[[Main], Traced]) -> None:
    """Who ends otherwise and took nothing back is recorded; who is cancelled, or took it back, is not."""

    async def main() -> None:
        tasks = [asyncio.create_task(work(), name=work.__name__) for work in (stubborn, obedient, forever)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    trace = trace_main(main).trace
    names = {task.id: task.name for task in trace.tasks}
    assert [names[task] for task, _ in trace.witnesses.ignored_cancels] == ["stubborn"]
