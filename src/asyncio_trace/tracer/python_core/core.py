"""The Python core: puts its parts together and hands out what stands in for methods of loops and handles."""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from asyncio_trace.events.records import Step, StepEnd, WakerKind
from asyncio_trace.tracer.await_stack import AwaitStacks
from asyncio_trace.tracer.core import Method
from asyncio_trace.tracer.futures import Futures
from asyncio_trace.tracer.jobs import Jobs
from asyncio_trace.tracer.loop_state import ATTRIBUTE, LoopState
from asyncio_trace.tracer.lost import UnawaitedHook, exception_handler_method
from asyncio_trace.tracer.python_core import asyncio_loop, foreign_loop, runs
from asyncio_trace.tracer.python_core.callbacks import StepCallbacks
from asyncio_trace.tracer.python_core.flusher import Flusher
from asyncio_trace.tracer.recorder import Recorder
from asyncio_trace.tracer.resources import Attribute, Resources, build_methods
from asyncio_trace.tracer.tasks import YIELDED, Tasks
from asyncio_trace.tracer.watchdog import Watch


class PythonCore:
    """See `asyncio_trace.tracer.core.Core`."""

    name = "python"
    loop_state_type: type[Any] = LoopState

    def __init__(
        self, recorder: Recorder, state_of: Callable[[AbstractEventLoop], LoopState | None], block_threshold_ns: int
    ) -> None:
        self.recorder = recorder
        self.state_of = state_of
        self.resources = Resources(recorder)
        self.block_threshold_ns = block_threshold_ns
        self.futures, self.stacks, self.tasks, self.jobs = self.make_parts(recorder)
        self.resources.tasks = self.tasks.by_address
        self.steps = StepCallbacks(self.tasks)
        self.careful_call_soon: Method
        """`call_soon` for what is unusual, once `asyncio_methods` was asked for."""
        self.runs = runs.build(recorder, self.tasks, events.Handle._run)
        self.wrapped = self.make_wrapped()
        self.futures.hide()
        self.tasks.watch_cancels()
        self._unawaited = UnawaitedHook(recorder)
        self._flusher: Flusher | None = None

    def make_parts(self, recorder: Any) -> tuple[Futures, AwaitStacks, Tasks, Jobs]:
        """Futures, stacks, tasks and jobs of this trace."""
        futures, stacks = Futures(recorder), AwaitStacks(recorder, self.resources)
        return futures, stacks, Tasks(recorder, futures, stacks), Jobs(recorder, futures)

    def make_wrapped(self) -> SimpleNamespace:
        """The callables that a foreign loop gets in place of callbacks; their common type is `Wrapped`."""
        return foreign_loop.wrapped_types(self)

    def attach(self, loop: AbstractEventLoop, *, foreign: bool) -> LoopState:
        """Begin to follow a loop; tasks that it already has are taken in."""
        if self._flusher is None:
            watch = Watch(self.recorder, self.block_threshold_ns) if self.recorder.clock is time.monotonic_ns else None
            self._flusher = Flusher(self.recorder, watch)
            self._flusher.start()
        state = LoopState(self.recorder, loop, foreign=foreign)
        self._flusher.watch(state)
        setattr(loop, ATTRIBUTE, state)
        for task in tasks_of(loop):
            if id(task) not in self.tasks.by_address:
                self.tasks.found(state, task)
        return state

    def asyncio_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of `BaseEventLoop`."""
        return {**asyncio_loop.build(self, original), **self._listening(original)}

    def process_events_method(self, original: Method) -> Method:
        """Replacement for `_process_events` of a class of asyncio's."""
        return asyncio_loop.build_process_events(self.recorder, original)

    def resource_attribute(self, name: str, role: int) -> Any:
        """What stands in front of an attribute of a lock or the like: see `resources.attributes`."""
        return Attribute(self.resources, name, role)

    def resource_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of `asyncio.Queue` and `asyncio.Event`."""
        return build_methods(self.resources, original)

    def foreign_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of a loop class that is not built on `BaseEventLoop`."""
        return {**foreign_loop.build(self, original), **self._listening(original)}

    def closed(self, loop: LoopState) -> None:
        """A loop was closed."""
        if self._flusher is not None:
            self._flusher.unwatch(loop)

    def _listening(self, original: dict[str, Method]) -> dict[str, Method]:
        if "call_exception_handler" not in original:
            return {}
        return {
            "call_exception_handler": exception_handler_method(self.recorder, self._id_of, original["call_exception_handler"])
        }

    def _id_of(self, future: Any) -> int:
        """Id of a task or future; 0 if it is not known any more."""
        if isinstance(future, asyncio.Task):
            return self.tasks.id_of(future)
        return self.tasks.id_of(future) or self.futures.by_address.get(id(future), 0)

    def handle_run_method(self, original: Method) -> Method:
        """Replacement for `Handle._run`, for handles that are none of ours: I/O readiness, signals, and what was queued
        before the trace began.
        """
        recorder, by_address, steps, parts = self.recorder, self.tasks.by_address, self.steps, self.runs
        loop_state_type, wrapped = self.loop_state_type, self.wrapped.Wrapped
        is_step, run_callback, io = steps.is_step, parts.run_callback, WakerKind.IO

        def _run(self: Any) -> None:
            loop: Any = getattr(self._loop, ATTRIBUTE, None)
            callback = self._callback
            try:
                if type(loop) is not loop_state_type or not recorder.active or loop.recorder is not recorder:
                    original(self)
                elif isinstance(self, parts.ThreadSafeHandle) or isinstance(callback, wrapped):
                    original(self)  # what called us records this run, or what we call will
                elif is_step(callback):
                    task = callback.__self__
                    parts.run_step(self, loop, by_address.get(id(task)) or steps.found(loop, task))
                else:
                    signal = loop.signals.pop(id(self), None) if loop.signals else None
                    run_callback(loop, signal or (loop.select_end, io, 0, 0), callback, original, (self,))
            except BaseException as error:
                runs.hide(error)
                raise
            finally:
                self = callback = task = None  # a traceback may keep this frame alive, and it nothing else

        return _run

    def ending(self, loop: LoopState) -> None:
        """The trace ends now: record the step that is running on the loop."""
        while loop.eager:
            self.tasks.eager_ends(loop)
        state, cause = loop.current, loop.step_wake
        if state is not None and cause is not None:
            start, now = loop.step_start - self.recorder.origin, self.recorder.now()
            if cause is YIELDED:
                cause = (0, WakerKind.TASK, state.id, 0)
            self.recorder.add(Step, state.id, loop.id, start, now, StepEnd.CUT, 0, 0, *cause, 0, 0)
            loop.current = None

    def release(self) -> None:
        """Leave every future as if the core had never been there."""
        if self._flusher is not None:
            self._flusher.stop()
        self._unawaited.remove()
        self.futures.release()
        self.tasks.release()


def tasks_of(loop: AbstractEventLoop) -> set[Any]:
    """The tasks that a loop has."""
    try:
        return asyncio.all_tasks(loop)
    except Exception:  # the set of tasks changed under another thread
        return set()
