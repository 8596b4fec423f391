"""Handles whose `_run` records. Every frame of this file runs a handle: walks for a site end here.

An exception that passes through leaves no trace of these frames: they take themselves off the traceback, and a bare `raise`
does not add them again.
"""

from __future__ import annotations

import os
from asyncio import events, format_helpers
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from asyncio_trace.events.records import HEADERS, PACK, CallbackRun, WakerKind
from asyncio_trace.tracer import sites
from asyncio_trace.tracer.causes import callback_name
from asyncio_trace.tracer.loop_state import Cause, LoopState, TaskState
from asyncio_trace.tracer.recorder import FLUSH_IDLE_NS, Recorder
from asyncio_trace.tracer.tasks import UNKNOWN, Tasks

sites.runs_handles(__file__)
_OURS = os.path.dirname(__file__) + os.sep


class _Stand:
    """What `TaskHandle._run` needs of a handle, for one that has no room for it."""

    __slots__ = ("_args", "_callback", "_context", "_loop", "_source_traceback", "_trace_loop", "_trace_state")

    def __init__(self, handle: Any, loop: LoopState, state: TaskState) -> None:
        self._callback, self._args, self._context = handle._callback, handle._args, handle._context
        self._loop = getattr(handle, "_loop", None)
        self._source_traceback = getattr(handle, "_source_traceback", None)
        self._trace_loop, self._trace_state = loop, state


def build(recorder: Recorder, tasks: Tasks, original_run: Callable[[events.Handle], None]) -> SimpleNamespace:
    """Classes and functions that write to `recorder`; made anew for each trace, so that their names are all local."""
    clock, origin = recorder.clock, recorder.origin
    extend, pack_callback = recorder.buffer.extend, PACK[CallbackRun]
    finish_step = tasks.finish_step
    callback_header = HEADERS[CallbackRun]
    timer = WakerKind.TIMER

    def run_callback(loop: LoopState, cause: Cause, callback: Any, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run `call(*args)`, which is the callback `callback`."""
        if not recorder.active:
            call(*args)
            return
        interrupted = loop.current, loop.cause, loop.callback
        loop.current, loop.cause, loop.callback, loop.resolved = None, cause, callback, 0
        start = clock()
        try:
            call(*args)
        except BaseException as error:
            hide(error)
            raise
        finally:
            try:
                while loop.eager:
                    tasks.eager_ends(loop)
                loop.run_end = end = clock()
                if loop.fresh:
                    tasks.check_fresh(loop, end - origin)
                loop.current, loop.cause, loop.callback = interrupted
                ready, kind, who, _ = cause
                extend(
                    pack_callback(
                        callback_header,
                        loop.id,
                        recorder.string(callback_name(callback)),
                        start - origin,
                        end - origin,
                        ready,
                        kind,
                        who,
                    )
                )
                if loop.foreign and end - origin - recorder.flushed_ns > FLUSH_IDLE_NS:
                    recorder.flush()
            except Exception as error:
                recorder.failed(error, lost=1)
            del callback, call, args  # a traceback that outlives us leads through this frame; keep nothing alive by it

    def run_step(handle: Any, loop: LoopState, state: TaskState) -> None:
        """Run a handle that is not ours but holds a task's step (and the callback of a foreign loop's)."""
        step: Any = _Stand(handle, loop, state)
        try:
            TaskHandle._run(step)
        except BaseException as error:
            hide(error)
            raise
        finally:
            del handle, step

    def step_over(loop: LoopState, state: TaskState, task: Any, cause: Cause, start: int, outer: TaskState | None) -> None:
        """Record a step that has ended."""
        try:
            if loop.eager:
                while loop.eager:
                    tasks.eager_ends(loop)
            loop.run_end = end = clock()
            if loop.fresh:
                tasks.check_fresh(loop, end - origin)
            loop.current = outer
            finish_step(loop, state, task, cause, start, end)
            if loop.foreign and end - origin - recorder.flushed_ns > FLUSH_IDLE_NS:
                recorder.flush()
        except Exception as error:
            loop.current = outer
            recorder.failed(error, lost=1)

    def step_failed(handle: Any, error: BaseException) -> None:
        """Report an error of the step itself (not of the task) as `Handle._run` would."""
        if str(error).startswith("cannot enter context") and isinstance(handle, events.Handle):
            original_run(handle)  # nothing has run yet: it fails again, in the loop's own words
            return
        source = format_helpers._format_callback_source(handle._callback, handle._args)
        context = {"message": f"Exception in callback {source}", "exception": error, "handle": handle}
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        handle._loop.call_exception_handler(context)

    handle_class: Any = events.Handle
    timer_handle_class: Any = events.TimerHandle

    class TaskHandle(handle_class):  # type: ignore[misc]
        """Runs a task's step."""

        __slots__ = ("_trace_loop", "_trace_state")

        def _run(self: Any) -> None:
            # the hottest function there is
            loop, state, callback = self._trace_loop, self._trace_state, self._callback
            cause = state.wake or UNKNOWN
            state.wake = None
            outer = loop.current
            loop.current = state
            loop.resolved = 0
            loop.step_wake = cause
            if not state.steps and not callback.__self__.cancelling():
                tasks.watch_cancels_of(callback.__self__, state)
            loop.step_start = start = clock()
            try:
                self._context.run(callback, *self._args)
            except BaseException as error:
                hide(error)
                if loop.foreign or isinstance(error, (SystemExit, KeyboardInterrupt)):
                    step_over(loop, state, callback.__self__, cause, start, outer)
                    del self, callback
                    raise
                step_failed(self, error)
            step_over(loop, state, callback.__self__, cause, start, outer)
            # the traceback of a task's exception leads back to this frame: nothing may be kept alive by it
            del self, callback

    class CallbackHandle(handle_class):  # type: ignore[misc]
        """Runs a callback."""

        __slots__ = ("_trace_cause", "_trace_loop")

        def _run(self: Any) -> None:
            try:
                run_callback(self._trace_loop, self._trace_cause, self._callback, original_run, (self,))
            except BaseException as error:
                hide(error)
                raise
            finally:
                del self

    class TimerHandle(timer_handle_class):  # type: ignore[misc]
        """Runs a callback at its time."""

        __slots__ = ("_trace_due", "_trace_loop", "_trace_site")

        def _run(self: Any) -> None:
            callback, due, now = self._callback, self._trace_due, clock() - origin
            try:
                name = recorder.string(callback_name(callback))
                cause = (due if due < now else now, timer, name, self._trace_site)
                run_callback(self._trace_loop, cause, callback, original_run, (self,))
            except BaseException as error:
                hide(error)
                raise
            finally:
                del self, callback

    base: Any = getattr(events, "_ThreadSafeHandle", events.Handle)
    base_run: Callable[[Any], None] = original_run if base is events.Handle else base._run

    class ThreadSafeHandle(base):  # type: ignore[misc]
        """Runs a callback that another thread queued."""

        __slots__ = ("_trace_cause", "_trace_loop")

        def _run(self: Any) -> None:
            try:
                run_callback(self._trace_loop, self._trace_cause, self._callback, base_run, (self,))
            except BaseException as error:
                hide(error)
                raise
            finally:
                del self

    for kind, model in (
        (TaskHandle, events.Handle),
        (CallbackHandle, events.Handle),
        (TimerHandle, events.TimerHandle),
        (ThreadSafeHandle, base),
    ):
        # repr, log messages and tests show a handle's class by name
        kind.__name__, kind.__qualname__, kind.__module__ = model.__name__, model.__qualname__, model.__module__

    return SimpleNamespace(
        run_step=run_step,
        run_callback=run_callback,
        TaskHandle=TaskHandle,
        CallbackHandle=CallbackHandle,
        TimerHandle=TimerHandle,
        ThreadSafeHandle=ThreadSafeHandle,
    )


def hide(error: BaseException) -> None:
    """Take the caller's frame off the head of a traceback, so that a bare `raise` leaves no sign of it."""
    traceback = error.__traceback__
    if traceback is not None:
        error.__traceback__ = traceback.tb_next


def hide_source(made: Any) -> None:
    """In debug mode a handle, task or future remembers the stack that made it: take us off it."""
    stack = getattr(made, "_source_traceback", None)
    if stack:
        stack[:] = [frame for frame in stack if not frame.filename.startswith(_OURS)]
