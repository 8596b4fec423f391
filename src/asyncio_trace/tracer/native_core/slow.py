"""What the extension leaves to Python because it is rare: whatever is seen for the first time, debug mode, eager tasks, tasks
and futures in Python, failures. The extension calls these by name.
"""

from __future__ import annotations

import sys
from asyncio import format_helpers
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any

from asyncio_trace.tracer import causes, sites
from asyncio_trace.tracer.await_stack import NONE
from asyncio_trace.tracer.crowds import crowd_of
from asyncio_trace.tracer.loop_state import ATTRIBUTE
from asyncio_trace.tracer.watchdog import Samples

if TYPE_CHECKING:
    from asyncio_trace.tracer.native_core.core import NativeCore

_ROLES = {sites.PROGRAM: 1, sites.PLUMBING: 2, sites.HANDLE_RUN: 3}
_RUN_FOREVER, _SIGINT = 4, 5


class Slow:
    """Functions for the extension, for one trace."""

    def fill(self, core: NativeCore) -> None:
        """Take the functions of the parts of a core."""
        recorder, tasks, stacks = core.recorder, core.tasks, core.stacks
        self._core = core
        self._read, self._resource = stacks.read, stacks.resource
        self.site = recorder.site
        self.string = recorder.string
        self.thread = recorder.thread
        self.identify = core.resources.identify
        self.intern_stack = lambda coro, yields: (*stacks.intern(coro), None, None)
        self.loop_runs = causes.is_running
        self.check_fresh = tasks.check_fresh
        self.state_of = core.state_of
        self.record_parent_span = tasks.record_parent_span
        self.blocked = Samples(recorder).blocked

    # filled in when the methods are put in place
    handle_run: Callable[..., Any]
    untraced_call_soon: Callable[..., Any]
    careful_call_soon: Callable[..., Any]
    call_at: Callable[..., Any]
    create_future: Callable[..., Any]
    create_task: Callable[..., Any]
    get_debug: Callable[..., Any]
    is_running: Callable[..., Any]

    @staticmethod
    def long_run() -> None:
        """A run took longer than somebody asked to be told of."""

    @staticmethod
    def role(code: Any) -> int:
        """What a frame of this code means to a walk for a site."""
        role = sites.role_of(code)
        return _ROLES.get(role, role)

    def name(self, callback: Any) -> int:
        """String of a callback's qualified name."""
        return self.string(causes.callback_name(callback))

    def name_string(self, name: str) -> int:
        """String of a task's name."""
        return self.string(name)

    def coroutine_name(self, coro: Any) -> int:
        """String of the qualified name of what a task runs."""
        return self.string(causes.callback_name(coro))

    def exception_name(self, kind: type) -> int:
        """String of an exception type's name, with its module unless that is builtins."""
        prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        return self.string(prefix + kind.__qualname__)

    def read_stack(self, coro: Any, yields: bool) -> tuple[int, int, Any, Any]:
        """Number of a stack that goes through something the extension does not know; depth; the resource, and the set or group,
        at its end."""
        number, depth, inner = self._read(coro, yields)
        thing = self._core.stacks.thing(coro, depth, inner) if depth != NONE else None
        return number, depth, thing, crowd_of(inner)

    def end_eager(self, loop: Any) -> None:
        """A run is over: so are the eager steps in it."""
        while loop.eager:
            self._core.tasks.eager_ends(loop)

    def end_eager_inside(self, loop: Any, state: Any) -> None:
        """The eager step of `state` is over: so are those that began inside it."""
        while loop.eager and loop.current is not state:
            self._core.tasks.eager_ends(loop)

    def woken_by_cancel(self, task: Any, state: Any, future: Any) -> None:
        """A task that is being woken has been asked to cancel."""
        tasks, loop = self._core.tasks, getattr(task.get_loop(), ATTRIBUTE)
        cause = tasks.inherited_cancel(future) or causes.time_limit(loop, sys._getframe(1)) or state.wake
        tasks.cancel_requested(task, state, cause)

    def follow_in_python(self, future: Any, number: int) -> None:
        """Follow a future that does not tell the extension when it is resolved: one in Python, or a task not known."""
        self._core.futures.follow(future, number)

    def first_seen(self, loop: Any, task: Any, callback: Any) -> Any:
        """Take in a task that was there before the tracer."""
        return self._core.tasks.found(loop, task)

    def python_step(self, loop: Any, callback: MethodType, argument: Any) -> Any:
        """State of the task in Python whose step or wake-up a bound method is; None if it is none."""
        core = self._core
        if not core.steps.is_python_step(callback):
            return None
        task, frame = callback.__self__, sys._getframe(1)
        state = core.tasks.by_address.get(id(task))
        if state is None:
            return core.steps.first_seen(loop, task, callback, frame)
        if argument is not None:
            core.tasks.woken(loop, task, state, argument, frame)
        elif state is not loop.current:
            state.wake = causes.current_cause(loop, frame)
        return state

    @staticmethod
    def handle_failed(handle: Any, error: BaseException) -> None:
        """Report a callback's error as `Handle._run` would."""
        source = format_helpers._format_callback_source(handle._callback, handle._args)
        context = {"message": f"Exception in callback {source}", "exception": error, "handle": handle}
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        handle._loop.call_exception_handler(context)
