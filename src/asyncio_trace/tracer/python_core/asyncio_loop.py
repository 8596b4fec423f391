"""What stands in for methods of `BaseEventLoop`.

Each looks for the loop's state under one attribute; a loop that is not followed gets the original. Where the loop would refuse
(closed, debug checks), its own code does the refusing, so that errors and tracebacks are its own.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events, futures
from contextvars import copy_context
from heapq import heappush
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any
from weakref import ref

from asyncio_trace.events.records import Idle, LoopClosed, WakerKind
from asyncio_trace.tracer import sites
from asyncio_trace.tracer.causes import current_cause
from asyncio_trace.tracer.core import Method
from asyncio_trace.tracer.futures import MAKERS, Sentinel
from asyncio_trace.tracer.loop_state import Cause, LoopState
from asyncio_trace.tracer.python_core.runs import hide, hide_source
from asyncio_trace.tracer.recorder import FAR, FLUSH_BUSY_NS, FLUSH_BYTES, FLUSH_IDLE_NS, FLUSH_SLEEP_NS, SHORT_SLEEP, Recorder

if TYPE_CHECKING:
    from asyncio_trace.tracer.python_core.core import PythonCore

IDLE_NS = 20_000
"""A shorter stay in the selector is a poll, not idleness."""

_SLEEP_OVER: Any = futures._set_result_unless_cancelled  # type: ignore[attr-defined]
_getframe = sys._getframe


def build(core: PythonCore, original: dict[str, Method]) -> dict[str, Method]:
    """The replacements, by name; `original` holds the methods that they replace."""
    return {**_scheduling(core, original), **_making(core, original), **_running(core, original)}


def _scheduling(core: PythonCore, original: dict[str, Method]) -> dict[str, Method]:
    recorder, tasks, futures_, steps, state_of = core.recorder, core.tasks, core.futures, core.steps, core.state_of
    clock, origin = recorder.clock, recorder.origin
    TaskHandle, CallbackHandle = core.runs.TaskHandle, core.runs.CallbackHandle  # noqa: N806
    TimerHandle, ThreadSafeHandle = core.runs.TimerHandle, core.runs.ThreadSafeHandle  # noqa: N806
    new_task_handle, new_callback_handle = TaskHandle.__new__, CallbackHandle.__new__
    step_type, is_python_step = steps.step_type, steps.is_python_step
    task_state = tasks.by_address.get
    plain_call_soon, plain_call_at, plain_threadsafe = (
        original[name] for name in ("call_soon", "call_at", "call_soon_threadsafe")
    )
    inner_call_soon = asyncio.BaseEventLoop._call_soon  # type: ignore[attr-defined]

    def call_soon(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        loop = self._asyncio_trace or state_of(self)
        if loop is None or not recorder.active:
            return careful_call_soon(self, None, None, None, callback, args, context)
        kind = type(callback)
        state: Any = None
        cause: Cause | None = None
        try:
            if kind is step_type:
                task = callback.__self__
                state = task_state(id(task))
                if state is None:
                    state = tasks.created(loop, task, _getframe(1))
                elif state is not loop.current:
                    state.wake = current_cause(loop, _getframe(1))
            elif kind is Sentinel:
                futures_.resolved(loop, callback, args[0], _getframe(1))
                return None
            elif (
                kind is BuiltinFunctionType
                and (state := task_state(id(task := callback.__self__))) is not None
                and args
                and task._fut_waiter is args[0]  # quicker to ask than the callback's name
            ):
                tasks.woken(loop, task, state, args[0], _getframe(1))
            elif (kind is BuiltinFunctionType and callback.__name__ == "task_wakeup") or is_python_step(callback):
                task = callback.__self__
                state = task_state(id(task))
                if state is None:
                    state = steps.first_seen(loop, task, callback, _getframe(1))
                elif args and args[0] is not None:
                    tasks.woken(loop, task, state, args[0], _getframe(1))
                elif state is not loop.current:
                    state.wake = current_cause(loop, _getframe(1))
            else:
                state = None
                cause = current_cause(loop, _getframe(1))
        except Exception as error:
            recorder.failed(error, lost=1)
            if kind is Sentinel:
                return None
        if self._closed or self._debug or type(self)._call_soon is not inner_call_soon:
            try:
                return careful_call_soon(self, loop, state, cause, callback, args, context)
            except BaseException as error:
                hide(error)
                raise
        if state is not None:
            handle = new_task_handle(TaskHandle)
            handle._trace_state = state
        else:
            handle = new_callback_handle(CallbackHandle)
            handle._trace_cause = cause or (clock() - origin, 0, 0, 0)
        handle._trace_loop = loop
        handle._context = copy_context() if context is None else context
        handle._loop = self
        handle._callback = callback
        handle._args = args
        handle._cancelled = False
        handle._repr = None
        handle._source_traceback = None
        self._ready.append(handle)
        return handle

    def careful_call_soon(
        self: Any, loop: LoopState | None, state: Any, cause: Cause | None, callback: Any, args: Any, context: Any
    ) -> Any:
        """The way of a loop that is not followed, closed, in debug mode, or whose class has its own `_call_soon`."""
        if loop is None or type(self)._call_soon is not inner_call_soon or not _accepts(self, callback, "call_soon"):
            try:
                handle = plain_call_soon(self, callback, *args, context=context)
            except BaseException as error:
                hide(error)
                raise
            hide_source(handle)
            return handle
        if state is not None:
            handle = TaskHandle(callback, args, self, context)
            handle._trace_state = state
        else:
            handle = CallbackHandle(callback, args, self, context)
            handle._trace_cause = cause or (clock() - origin, 0, 0, 0)
        handle._trace_loop = loop
        hide_source(handle)
        self._ready.append(handle)
        return handle

    def call_at(self: Any, when: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        loop = self._asyncio_trace or state_of(self)
        if loop is None or not recorder.active or when is None or not _accepts(self, callback, "call_at"):
            try:
                handle = plain_call_at(self, when, callback, *args, context=context)
            except BaseException as error:
                hide(error)
                raise
            hide_source(handle)
            return handle
        handle = TimerHandle(when, callback, args, self, context)
        hide_source(handle)
        now = due = clock() - origin
        site = 0
        try:
            due += int(min(max(0, when - self.time()), FAR) * 1_000_000_000)
            if callback is not _SLEEP_OVER:
                site = max(sites.find(recorder, _getframe(1)), 0)
        except Exception as error:
            recorder.failed(error)
            due = now
        handle._trace_loop, handle._trace_due, handle._trace_site = loop, due, site
        heappush(self._scheduled, handle)
        handle._scheduled = True
        return handle

    def call_soon_threadsafe(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        loop = self._asyncio_trace or state_of(self)
        if (
            loop is None
            or not recorder.active
            or type(self)._call_soon is not inner_call_soon
            or not _accepts(self, callback, "call_soon_threadsafe", thread=False)
        ):
            try:
                handle = plain_threadsafe(self, callback, *args, context=context)
            except BaseException as error:
                hide(error)
                raise
            hide_source(handle)
            return handle
        try:
            cause = current_cause(loop, _getframe(1))
        except Exception as error:
            recorder.failed(error)
            cause = (clock() - origin, WakerKind.THREAD, 0, 0)
        handle = ThreadSafeHandle(callback, args, self, context)
        handle._trace_loop, handle._trace_cause = loop, cause
        stack = handle._source_traceback
        if stack and stack[-1].filename == events.__file__:
            del stack[-1]  # a thread-safe handle (3.14+) leaves its constructor's frame to the loop
        hide_source(handle)
        self._ready.append(handle)
        self._write_to_self()
        return handle

    core.careful_call_soon = careful_call_soon
    return {"call_soon": call_soon, "call_at": call_at, "call_soon_threadsafe": call_soon_threadsafe}


def _making(core: PythonCore, original: dict[str, Method]) -> dict[str, Method]:
    recorder, tasks, futures_, jobs, state_of = core.recorder, core.tasks, core.futures, core.jobs, core.state_of
    clock, origin, makers, Future = recorder.clock, recorder.origin, MAKERS, futures.Future  # noqa: N806
    plain_create_future, plain_create_task = original["create_future"], original["create_task"]
    plain_run_in_executor = original["run_in_executor"]

    def create_future(self: Any) -> Any:
        loop = self._asyncio_trace or state_of(self)
        if loop is None or not recorder.active:
            return plain_create_future(self)
        frame = _getframe(1)
        loop.making = True
        try:
            future = plain_create_future(self) if self._debug else Future(loop=self)
        finally:
            loop.making = False
        if id(frame.f_code) in makers and loop.current is not None:
            loop.made = id(future)
            loop.made_ns = clock() - origin
            return future
        hide_source(future)
        try:
            futures_.created(loop, future, frame)
        except Exception as error:
            recorder.failed(error, lost=1)
        return future

    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        loop = self._asyncio_trace or state_of(self)
        if loop is None or not recorder.active:
            loop = None
            depth = 0
        else:
            loop.making = self._task_factory is None and not kwargs.get("eager_start")
            depth = len(loop.eager)
        try:
            task = plain_create_task(self, coro, **kwargs)
            hide_source(task)
            return task
        except BaseException as error:
            hide(error)
            raise
        finally:
            task = None  # the standard loop leaves no cycle through this frame either
            if loop is not None:
                loop.making = False
                while len(loop.eager) > depth:
                    tasks.eager_ends(loop)

    def get_debug(self: Any) -> Any:
        loop = self._asyncio_trace
        if loop and not loop.making and recorder.active:
            try:
                while loop.eager and asyncio.current_task(self) is not loop.eager[-1].task:
                    tasks.eager_ends(loop)  # made by a bare constructor, which tells nobody that the first step is over
                task = futures_.asked_for_debug(loop, _getframe(1))
                if task is not None:
                    loop.nascent = ref(task)
            except Exception as error:
                recorder.failed(error)
        return self._debug

    def is_running(self: Any) -> bool:
        loop = self._asyncio_trace
        running = self._thread_id is not None
        if loop and loop.nascent is not None:
            # an eager task asks this of its loop, last thing before its first step, which waits if the loop does not run
            try:
                task, loop.nascent = loop.nascent(), None
                if running and task is not None and id(task) not in tasks.by_address and task.get_coro() is not None:
                    tasks.eager_begins(loop, task, _getframe(1))
            except Exception as error:
                recorder.failed(error, lost=1)
        return running

    def run_in_executor(self: Any, executor: Any, func: Any, *args: Any) -> Any:
        loop = self._asyncio_trace or state_of(self)
        token: Any = None
        submit = func
        if loop is not None and recorder.active:
            try:
                submit, token = jobs.begins(loop, executor, func, args, _getframe(1))
            except Exception as error:
                recorder.failed(error, lost=1)
        try:
            future = plain_run_in_executor(self, executor, submit, *args)
        except BaseException as error:
            hide(error)
            raise
        hide_source(future)
        if token is not None:
            jobs.submitted(token, future)
        return future

    return {
        "create_future": create_future,
        "create_task": create_task,
        "get_debug": get_debug,
        "is_running": is_running,
        "run_in_executor": run_in_executor,
    }


def _running(core: PythonCore, original: dict[str, Method]) -> dict[str, Method]:
    recorder, state_of = core.recorder, core.state_of
    clock, origin, gathered = recorder.clock, recorder.origin, recorder.buffer
    plain_run_once, plain_close, plain_add_signalsafe = (
        original[name] for name in ("_run_once", "close", "_add_callback_signalsafe")
    )

    def _run_once(self: Any) -> None:
        loop = self._asyncio_trace or state_of(self)
        if loop is not None:
            loop.ident = self._thread_id
            loop.run_end = now = clock()
            if gathered:
                since = now - origin - recorder.flushed_ns
                if self._ready:
                    due = since > FLUSH_BUSY_NS or len(gathered) > FLUSH_BYTES
                elif since < FLUSH_SLEEP_NS:
                    due = False
                else:
                    timers = self._scheduled
                    due = since > FLUSH_IDLE_NS or not timers or timers[0]._when - self.time() > SHORT_SLEEP
                if due:
                    recorder.flush()
        try:
            plain_run_once(self)
        except BaseException as error:
            hide(error)
            raise

    def close(self: Any) -> None:
        loop = self._asyncio_trace
        already = self._closed
        try:
            plain_close(self)
        except BaseException as error:
            hide(error)
            raise
        if loop and not already and recorder.active:
            recorder.add(LoopClosed, loop.id, recorder.now())
            core.closed(loop)

    def _add_callback_signalsafe(self: Any, handle: Any) -> None:
        loop = self._asyncio_trace
        if loop:
            loop.signals[id(handle)] = (recorder.now(), WakerKind.SIGNAL, 0, 0)
        plain_add_signalsafe(self, handle)

    return {"_run_once": _run_once, "close": close, "_add_callback_signalsafe": _add_callback_signalsafe}


def build_process_events(recorder: Recorder, original: Method) -> Method:
    """Replacement for the method that a loop calls when its selector has returned."""
    clock, origin, add = recorder.clock, recorder.origin, recorder.add

    def _process_events(self: Any, event_list: Any) -> None:
        loop = self._asyncio_trace
        if loop:
            now = clock()
            loop.select_end = now - origin
            if now - loop.run_end > IDLE_NS:
                add(Idle, loop.id, loop.run_end - origin, now - origin)
        try:
            original(self, event_list)
        except BaseException as error:
            hide(error)
            raise

    return _process_events


def _accepts(loop: Any, callback: Any, method: str, *, thread: bool = True) -> bool:
    """Whether the loop would take this callback; if not, let its own code say so."""
    if loop._closed:
        return False
    if loop._debug:
        try:
            if thread:
                loop._check_thread()
            loop._check_callback(callback, method)
        except Exception:
            return False
    return True
