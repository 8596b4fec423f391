"""Puts a core's methods in place of those of loop and handle classes, and takes them out again.

Classes are changed in place, because that is the one way that catches a loop however it is made: by `asyncio.run`, a policy, a
loop factory, a direct `SelectorEventLoop()`, or a subclass. Loop classes that are not asyncio's (uvloop's, a user's own) all
derive from `AbstractEventLoop`, and are met there: those that exist now, and those that are defined later.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import traceback
from asyncio import AbstractEventLoop, BaseEventLoop, constants, events, format_helpers
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from asyncio_trace.tracer import resources
from asyncio_trace.tracer.core import Core, Method
from asyncio_trace.tracer.loop_state import ATTRIBUTE

_ASYNCIO_METHODS = (
    "call_soon",
    "call_at",
    "call_soon_threadsafe",
    "create_future",
    "create_task",
    "get_debug",
    "is_running",
    "run_in_executor",
    "_run_once",
    "close",
    "_add_callback_signalsafe",
    "call_exception_handler",
)
_FOREIGN_METHODS = (
    "call_soon",
    "call_soon_threadsafe",
    "call_later",
    "call_at",
    "add_reader",
    "add_writer",
    "add_signal_handler",
    "create_future",
    "create_task",
    "get_debug",
    "is_running",
    "run_in_executor",
    "run_forever",
    "close",
    "call_exception_handler",
)


class Installation:
    """What a trace has changed, with how to undo it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._undo: list[tuple[Any, str, Any]] = []
        self._foreign: set[type] = set()
        self._more: dict[str, Callable[[Method], Method]] = {}

    def install(self) -> None:
        """Change asyncio's classes (loops, handles, locks, ...) and every other loop class that exists or will be defined."""
        core = self._core
        plain = {name: getattr(BaseEventLoop, name) for name in _ASYNCIO_METHODS}
        self._set(BaseEventLoop, ATTRIBUTE, None)
        for name, method in core.asyncio_methods(plain).items():
            self._set(BaseEventLoop, name, _dressed(method, plain[name]))
        for kind in _with_own(BaseEventLoop, "_process_events"):
            original = vars(kind)["_process_events"]
            self._set(kind, "_process_events", _dressed(core.process_events_method(original), original))
        original = events.Handle._run
        self._set(events.Handle, "_run", _dressed(core.handle_run_method(original), original))
        self._set(format_helpers, "extract_stack", _extract_stack)
        for kind, name, role in resources.ATTRIBUTES:
            self._set(kind, name, core.resource_attribute(name, role))
        methods = core.resource_methods({name: vars(kind)[name] for kind, name in resources.METHODS if name in vars(kind)})
        for kind, name in resources.METHODS:
            if name in methods:
                self._set(kind, name, _dressed(methods[name], vars(kind)[name]))
        for kind in subclasses(AbstractEventLoop):
            self.adopt(kind)
        self._watch_new_classes()

    def adopt(self, kind: type) -> None:
        """Change a loop class that is not asyncio's, if it is not changed yet."""
        if issubclass(kind, BaseEventLoop) or kind in self._foreign or kind is AbstractEventLoop:
            return
        self._foreign.add(kind)
        plain = {
            name: method
            for name in _FOREIGN_METHODS
            if (method := getattr(kind, name, None)) is not None
            and method is not getattr(AbstractEventLoop, name, None)
            and not self._is_ours(kind, name)
        }
        if not plain:
            return
        self._set(kind, ATTRIBUTE, None)
        for name, method in self._core.foreign_methods(plain).items():
            self._set(kind, name, _dressed(method, plain[name]))
        for name, make in self._more.items():
            self._replace(kind, name, make)

    def replace(self, name: str, make: Callable[[Method], Method]) -> None:
        """Put what `make` makes of a method in its place in every loop class, those to come included."""
        self._more[name] = make
        for kind in (BaseEventLoop, *self._foreign):
            self._replace(kind, name, make)

    def _replace(self, kind: type, name: str, make: Callable[[Method], Method]) -> None:
        original = getattr(kind, name, None)
        if original is not None:
            self._set(kind, name, _dressed(make(original), original))

    def uninstall(self) -> None:
        """Make every class as it was."""
        for kind, name, previous in reversed(self._undo):
            if previous is _ABSENT:
                delattr(kind, name)
            else:
                setattr(kind, name, previous)
        self._undo.clear()
        self._foreign.clear()
        self._more.clear()

    def _is_ours(self, kind: type, name: str) -> bool:
        owner = next((base for base in kind.__mro__ if name in vars(base)), None)
        return owner in self._foreign and owner is not kind

    def _set(self, kind: Any, name: str, value: Any) -> None:
        self._undo.append((kind, name, vars(kind).get(name, _ABSENT)))
        setattr(kind, name, value)

    def _watch_new_classes(self) -> None:
        installation = self

        def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:  # noqa: N807
            parent: Any = super(AbstractEventLoop, cls)
            parent.__init_subclass__(**kwargs)
            if installation._undo:
                installation.adopt(cls)

        hook: Any = classmethod(__init_subclass__)
        self._set(AbstractEventLoop, "__init_subclass__", hook)


_ABSENT: Any = object()
_EXTRA_FRAMES = frozenset(
    (
        "_run",
        "_run_once",
        "_process_events",
        "run_callback",
        "run_step",
        "run_forever",
        "__call__",
        "_wakeup_next",
        "shutdown",
        "set",
        "clear",
    )
)
_OUR_FOLDER = os.path.dirname(__file__) + os.sep


def _is_extra(code: CodeType) -> bool:
    return code.co_name in _EXTRA_FRAMES and code.co_filename.startswith(_OUR_FOLDER)


def _extract_stack(f: FrameType | None = None, limit: int | None = None) -> traceback.StackSummary:
    """Stands in for `asyncio.format_helpers.extract_stack`, by which a debug loop remembers where things were made: those
    frames of ours that the standard loop does not have neither show nor count against its limit. (Those in place of its own
    count, and whoever made the thing takes them off, as it does.)
    """
    if f is None:
        f = sys._getframe().f_back
    if limit is None:
        limit = constants.DEBUG_STACK_DEPTH
    frames = (pair for pair in traceback.walk_stack(f) if not _is_extra(pair[0].f_code))
    stack = traceback.StackSummary.extract(frames, limit=limit, lookup_lines=False)
    stack.reverse()
    return stack


def _dressed(method: Method, original: Any) -> Method:
    """Give a replacement the names and docstring of what it replaces."""
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        value = getattr(original, name, None)
        if isinstance(value, str):
            with contextlib.suppress(AttributeError):  # methods in C have their names from the start
                setattr(method, name, value)
    return method


def subclasses(kind: type) -> list[type]:
    """All subclasses of a class, and theirs."""
    found: list[type] = []
    sub: type
    for sub in kind.__subclasses__():
        found += [sub, *subclasses(sub)]
    return found


def _with_own(kind: type, name: str) -> list[type]:
    """Subclasses of `kind` in asyncio itself that define `name`."""
    return [
        sub
        for sub in dict.fromkeys(subclasses(kind))
        if name in vars(sub) and sub.__module__.startswith(asyncio.__name__ + ".")
    ]
