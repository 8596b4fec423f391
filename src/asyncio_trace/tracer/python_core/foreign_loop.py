"""What stands in for methods of a loop class that is not built on `BaseEventLoop`, such as uvloop's.

Such a loop keeps its queue to itself, so each callback is wrapped in a callable that records, and the loop's own method takes
that. What the loop does in C (I/O, its own callbacks) shows only through what it makes ready.
"""

from __future__ import annotations

import asyncio
import inspect
import operator
import sys
from threading import get_ident
from types import BuiltinFunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import ref

from asyncio_trace.events.records import LoopClosed, WakerKind
from asyncio_trace.tracer import sites
from asyncio_trace.tracer.causes import callback_name, current_cause
from asyncio_trace.tracer.core import Method
from asyncio_trace.tracer.futures import MAKERS, SENTINELS
from asyncio_trace.tracer.loop_state import ATTRIBUTE, LoopState
from asyncio_trace.tracer.python_core.runs import hide, hide_source
from asyncio_trace.tracer.recorder import FAR

if TYPE_CHECKING:
    from asyncio_trace.tracer.python_core.core import PythonCore

_getframe = sys._getframe
_here = SimpleNamespace(run=operator.call)
"""Stands in for a handle's context: a foreign loop has entered it already."""


def build(core: PythonCore, original: dict[str, Method]) -> dict[str, Method]:
    """The replacements, by name, for those methods that `original` has."""
    methods = {**_scheduling(core, original), **_making(core, original), **_running(core, original)}
    return {name: method for name, method in methods.items() if name in original}


class Wrapped:
    """A callback that records when it runs. To whoever looks, it is the callback that it wraps."""

    __slots__ = ("__weakref__", "__wrapped__", "_trace_loop", "_trace_what")

    def __init__(self, callback: Any, loop: LoopState, what: Any) -> None:
        self.__wrapped__ = callback
        self._trace_loop = loop
        self._trace_what = what

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


def wrapped_types(core: PythonCore) -> SimpleNamespace:
    """The callables that a foreign loop gets in place of callbacks."""
    recorder, parts = core.recorder, core.runs
    clock, origin = recorder.clock, recorder.origin

    class Step(Wrapped):
        """A task's step; `_trace_what` is the task's state."""

        __slots__ = ("_args", "_callback", "_context")

        def __call__(self, *args: Any) -> None:
            try:
                if not recorder.active:
                    self.__wrapped__(*args)
                    return
                self._callback, self._args, self._context = self.__wrapped__, args, _here
                parts.run_step(self, self._trace_loop, self._trace_what)
            except BaseException as error:
                hide(error)
                raise
            finally:
                del self, args

    class Callback(Wrapped):
        """A callback; `_trace_what` is its cause."""

        __slots__ = ()

        def __call__(self, *args: Any) -> None:
            try:
                parts.run_callback(self._trace_loop, self._trace_what, self.__wrapped__, self.__wrapped__, args)
            except BaseException as error:
                hide(error)
                raise
            finally:
                del self, args

    class Timer(Wrapped):
        """A callback at its time; `_trace_what` is (due, site)."""

        __slots__ = ()

        def __call__(self, *args: Any) -> None:
            due, site = self._trace_what
            callback = self.__wrapped__
            try:
                name = recorder.string(callback_name(callback))
                cause = (min(due, clock() - origin), WakerKind.TIMER, name, site)
                parts.run_callback(self._trace_loop, cause, callback, callback, args)
            except BaseException as error:
                hide(error)
                raise
            finally:
                del self, args, callback

    class Event(Wrapped):
        """A callback for I/O or a signal, which may run many times; `_trace_what` is a `WakerKind`."""

        __slots__ = ()

        def __call__(self, *args: Any) -> None:
            try:
                cause = (clock() - origin, self._trace_what, 0, 0)
                parts.run_callback(self._trace_loop, cause, self.__wrapped__, self.__wrapped__, args)
            except BaseException as error:
                hide(error)
                raise
            finally:
                del self, args

    return SimpleNamespace(Wrapped=Wrapped, Step=Step, Callback=Callback, Timer=Timer, Event=Event)


def _scheduling(core: PythonCore, original: dict[str, Method]) -> dict[str, Method]:
    recorder, tasks, steps, state_of = core.recorder, core.tasks, core.steps, core.state_of
    types = core.wrapped
    clock, origin = recorder.clock, recorder.origin
    step_type, task_state = steps.step_type, tasks.by_address.get

    def follow(loop: LoopState, callback: Any, args: Any) -> Any:
        """The callable to queue for `callback`; None if it must not be queued. Call it from the loop's method directly."""
        kind = type(callback)
        frame = _getframe(2)
        if kind in SENTINELS:
            core.futures.resolved(loop, callback, args[0], frame)
            return None
        if isinstance(callback, types.Wrapped):
            return callback
        if (
            kind is step_type
            or (kind is BuiltinFunctionType and callback.__name__ == "task_wakeup")
            or (steps.is_python_step(callback))
        ):
            task = callback.__self__
            state = task_state(id(task))
            if state is None:
                state = steps.first_seen(loop, task, callback, frame)
            elif args and args[0] is not None:
                tasks.woken(loop, task, state, args[0], frame)
            elif state is not loop.current:
                state.wake = current_cause(loop, frame)
            return types.Step(callback, loop, state)
        return types.Callback(callback, loop, current_cause(loop, frame))

    def scheduler(name: str) -> Method:
        """A replacement for `call_soon` or `call_soon_threadsafe`."""
        plain = original.get(name)

        def call_soon(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
            assert plain is not None
            loop = getattr(self, ATTRIBUTE, None) or state_of(self)
            target = callback
            if loop is not None and recorder.active and callable(callback):
                try:
                    target = follow(loop, callback, args)
                    if target is None:
                        return None
                except Exception as error:
                    recorder.failed(error, lost=1)
                    target = callback
            try:
                handle = plain(self, target, *args, context=context)
            except BaseException as error:
                hide(error)
                raise
            hide_source(handle)
            return handle

        call_soon.__name__ = name
        return call_soon

    def timer(name: str, delay_of: Any) -> Method:
        """A replacement for `call_later` or `call_at`."""
        plain = original.get(name)

        def call_later(self: Any, delay: Any, callback: Any, *args: Any, context: Any = None) -> Any:
            assert plain is not None
            loop = getattr(self, ATTRIBUTE, None) or state_of(self)
            target = callback
            if loop is not None and recorder.active and callable(callback) and not isinstance(callback, types.Wrapped):
                try:
                    due = clock() - origin + int(min(max(0, delay_of(self, delay)), FAR) * 1_000_000_000)
                    target = types.Timer(callback, loop, (due, max(sites.find(recorder, _getframe(1)), 0)))
                except Exception as error:
                    recorder.failed(error)
                    target = callback
            try:
                handle = plain(self, delay, target, *args, context=context)
            except BaseException as error:
                hide(error)
                raise
            hide_source(handle)
            return handle

        call_later.__name__ = name
        return call_later

    def listener(name: str, kind: int) -> Method:
        """A replacement for `add_reader`, `add_writer` or `add_signal_handler`."""
        plain = original.get(name)

        def add(self: Any, what: Any, callback: Any, *args: Any) -> Any:
            assert plain is not None
            loop = getattr(self, ATTRIBUTE, None) or state_of(self)
            if loop is not None and recorder.active and callable(callback) and not inspect.iscoroutinefunction(callback):
                callback = types.Event(callback, loop, kind)
            try:
                return plain(self, what, callback, *args)
            except BaseException as error:
                hide(error)
                raise

        add.__name__ = name
        return add

    return {
        "call_soon": scheduler("call_soon"),
        "call_soon_threadsafe": scheduler("call_soon_threadsafe"),
        "call_later": timer("call_later", lambda loop, delay: delay),
        "call_at": timer("call_at", lambda loop, when: when - loop.time()),
        "add_reader": listener("add_reader", WakerKind.IO),
        "add_writer": listener("add_writer", WakerKind.IO),
        "add_signal_handler": listener("add_signal_handler", WakerKind.SIGNAL),
    }


def _making(core: PythonCore, original: dict[str, Method]) -> dict[str, Method]:
    recorder, tasks, futures_, jobs, state_of = core.recorder, core.tasks, core.futures, core.jobs, core.state_of
    plain = original.get

    def create_future(self: Any) -> Any:
        loop = getattr(self, ATTRIBUTE, None) or state_of(self)
        make: Any = plain("create_future")
        if loop is None or not recorder.active:
            return make(self)
        loop.making = True
        try:
            future = make(self)
        finally:
            loop.making = False
        hide_source(future)
        frame = _getframe(1)
        if id(frame.f_code) in MAKERS and loop.current is not None:
            loop.made, loop.made_ns = id(future), recorder.now()
            return future
        try:
            if id(future) not in futures_.by_address:
                futures_.created(loop, future, frame)
        except Exception as error:
            recorder.failed(error, lost=1)
        return future

    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        loop = getattr(self, ATTRIBUTE, None) or state_of(self)
        make: Any = plain("create_task")
        depth = 0
        if loop is not None and recorder.active:
            loop.making = self.get_task_factory() is None and not kwargs.get("eager_start")
            depth = len(loop.eager)
        else:
            loop = None
        try:
            task = make(self, coro, **kwargs)
            hide_source(task)
            return task
        except BaseException as error:
            hide(error)
            raise
        finally:
            task = None  # a traceback may keep this frame alive, and it nothing else
            if loop is not None:
                loop.making = False
                while len(loop.eager) > depth:
                    tasks.eager_ends(loop)

    def get_debug(self: Any) -> Any:
        loop = getattr(self, ATTRIBUTE, None)
        if loop and not loop.making and recorder.active:
            try:
                while loop.eager and asyncio.current_task(self) is not loop.eager[-1].task:
                    tasks.eager_ends(loop)
                task = futures_.asked_for_debug(loop, _getframe(1))
                if task is not None:
                    loop.nascent = ref(task)
            except Exception as error:
                recorder.failed(error)
        return plain("get_debug")(self)  # type: ignore[misc]

    def is_running(self: Any) -> Any:
        loop = getattr(self, ATTRIBUTE, None)
        running = plain("is_running")(self)  # type: ignore[misc]
        if loop and loop.nascent is not None:
            try:
                task, loop.nascent = loop.nascent(), None
                if running and task is not None and id(task) not in tasks.by_address and task.get_coro() is not None:
                    tasks.eager_begins(loop, task, _getframe(1))
            except Exception as error:
                recorder.failed(error, lost=1)
        return running

    def run_in_executor(self: Any, executor: Any, func: Any, *args: Any) -> Any:
        loop = getattr(self, ATTRIBUTE, None) or state_of(self)
        token: Any = None
        submit = func
        if loop is not None and recorder.active:
            try:
                submit, token = jobs.begins(loop, executor, func, args, _getframe(1))
            except Exception as error:
                recorder.failed(error, lost=1)
        try:
            future = plain("run_in_executor")(self, executor, submit, *args)  # type: ignore[misc]
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

    def run_forever(self: Any) -> Any:
        loop = getattr(self, ATTRIBUTE, None) or state_of(self)
        if loop is not None:
            loop.ident = get_ident()
        try:
            return original["run_forever"](self)
        except BaseException as error:
            hide(error)
            raise

    def close(self: Any) -> None:
        loop = getattr(self, ATTRIBUTE, None)
        already = self.is_closed()
        try:
            original["close"](self)
        except BaseException as error:
            hide(error)
            raise
        if loop and not already and recorder.active:
            recorder.add(LoopClosed, loop.id, recorder.now())
            core.closed(loop)

    return {"run_forever": run_forever, "close": close}
