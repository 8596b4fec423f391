"""The native core: what the extension has a quick way for is its; all else is the Python core's."""

from __future__ import annotations

import asyncio
import atexit
import os
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from asyncio_trace.events.records import LoopStarted
from asyncio_trace.tracer import futures as futures_module
from asyncio_trace.tracer.await_stack import AwaitStacks
from asyncio_trace.tracer.core import Method
from asyncio_trace.tracer.futures import Futures
from asyncio_trace.tracer.jobs import Jobs
from asyncio_trace.tracer.loop_state import ATTRIBUTE, LoopState, TaskState
from asyncio_trace.tracer.native_core import _native, parts
from asyncio_trace.tracer.native_core.recorder import NativeRecorder
from asyncio_trace.tracer.native_core.slow import Slow
from asyncio_trace.tracer.python_core.core import PythonCore, tasks_of
from asyncio_trace.tracer.tasks import Tasks
from asyncio_trace.tracer.watchdog import period_ns

futures_module.SENTINELS.add(_native.Sentinel)
_PROCESS_EVENTS: Any = asyncio.selector_events.BaseSelectorEventLoop._process_events  # type: ignore[attr-defined]
_NATIVE = ("call_soon", "call_at", "create_future", "create_task", "get_debug", "is_running")
"""Methods of `BaseEventLoop` that the extension has a quick way for."""


class NativeCore(PythonCore):
    """See `asyncio_trace.tracer.core.Core`."""

    name = "native"
    loop_state_type = _native.LoopState

    def __init__(
        self, recorder: NativeRecorder, state_of: Callable[[AbstractEventLoop], LoopState | None], block_threshold_ns: int
    ) -> None:
        parts.set_up()
        self._slow = Slow()
        self._tables = recorder.begin(self._slow)
        super().__init__(recorder, state_of, block_threshold_ns)
        self._slow.fill(self)

    def make_parts(self, recorder: Any) -> tuple[Futures, AwaitStacks, Tasks, Jobs]:
        """Futures, stacks, tasks and jobs of this trace."""
        tasks_table, futures_table = self._tables
        futures = NativeFutures(recorder, futures_table)
        stacks = AwaitStacks(recorder, self.resources)
        return futures, stacks, NativeTasks(recorder, futures, stacks, tasks_table), Jobs(recorder, futures)

    def make_wrapped(self) -> SimpleNamespace:
        """The callables that a foreign loop gets in place of callbacks; their common type is `Wrapped`."""
        makers = {name: partial(_native.new_callable, kind) for kind, name in enumerate(("Step", "Callback", "Timer", "Event"))}
        return SimpleNamespace(Wrapped=(_native.Step, _native.Callable), **makers)

    def attach(self, loop: AbstractEventLoop, *, foreign: bool) -> LoopState:
        """Begin to follow a loop; tasks that it already has are taken in."""
        recorder = self.recorder
        state: Any = _native.LoopState(recorder, loop, foreign=foreign)
        kind = type(loop)
        name = recorder.string(f"{kind.__module__}.{kind.__qualname__}")
        recorder.add(LoopStarted, state.id, state.select_end, name, recorder.thread())
        state.run_end = recorder.clock()
        setattr(loop, ATTRIBUTE, state)
        if recorder.clock is _native.clock:
            _native.watch(state, period_ns(self.block_threshold_ns))
        for task in tasks_of(loop):
            if id(task) not in self.tasks.by_address:
                self.tasks.found(state, task)
        found: LoopState = state
        return found

    def asyncio_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of `BaseEventLoop`."""
        methods = super().asyncio_methods(original)
        slow = self._slow
        slow.untraced_call_soon = methods["call_soon"]
        slow.careful_call_soon = self.careful_call_soon
        for name in _NATIVE[1:]:
            setattr(slow, name, methods[name])
        native = {name: _native.method(name, original[name]) for name in _NATIVE}
        del methods["_run_once"]  # the extension's thread writes, and a run's end is noted by the run
        return {**methods, **native}

    def foreign_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of a loop class that is not built on `BaseEventLoop`."""
        careful = super().foreign_methods(original)
        return {name: _native.foreign_method(name, original[name], method) or method for name, method in careful.items()}

    def resource_attribute(self, name: str, role: int) -> Any:
        """What stands in front of an attribute of a lock or the like: see `resources.attributes`."""
        return _native.attribute(name, role)

    def resource_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of `asyncio.Queue` and `asyncio.Event`."""
        return {name: _native.resource_method(name, method) for name, method in original.items()}

    def process_events_method(self, original: Method) -> Method:
        """Replacement for `_process_events` of a class of asyncio's."""
        if original is _PROCESS_EVENTS:
            return _native.method("_process_events", original)
        return super().process_events_method(original)

    def handle_run_method(self, original: Method) -> Method:
        """Replacement for `Handle._run`, for handles that are none of ours."""
        self._slow.handle_run = super().handle_run_method(original)
        return _native.method("_run", original)

    def closed(self, loop: LoopState) -> None:
        """A loop was closed."""
        _native.unwatch(loop)

    def ending(self, loop: LoopState) -> None:
        """The trace ends now: record the step that is running on the loop."""
        while loop.eager:
            self.tasks.eager_ends(loop)
        _native.end_eager_steps(loop)
        super().ending(loop)

    def release(self) -> None:
        """Leave every future as if the core had never been there."""
        _native.end_watchdog()
        _native.stop()
        super().release()


class NativeFutures(Futures):
    """Futures of asyncio's in C have no sentinel, see types.c; those of all others are the extension's."""

    def __init__(self, recorder: NativeRecorder, table: Any) -> None:
        self._table = table
        super().__init__(recorder)

    def _new_table(self) -> dict[int, int]:
        table: dict[int, int] = self._table
        return table

    def _new_sentinel(self, number: int, address: int) -> Any:
        return _native.new_sentinel(number, address)


class NativeTasks(Tasks):
    """Tasks whose states are the extension's."""

    def __init__(self, recorder: NativeRecorder, futures: Futures, stacks: AwaitStacks, table: Any) -> None:
        self._table = table
        super().__init__(recorder, futures, stacks)

    def _new_table(self) -> dict[int, TaskState]:
        table: dict[int, TaskState] = self._table
        return table

    def _add(self, task: Any) -> TaskState:
        state: TaskState = _native.new_state(task)
        return state

    def watch_cancels(self) -> None:
        """Have `Task.cancel` tell."""
        _native.watch_cancels(True)

    def release(self) -> None:
        """Leave every task as if we had never been there."""
        _native.watch_cancels(False)

    def _build_finish_step(self) -> Any:
        return _native.finish_step


os.register_at_fork(before=_native.pause_watchdog, after_in_parent=_native.unpause_watchdog)
atexit.register(_native.end_watchdog)  # a thread that asks for the GIL must not outlive the interpreter
