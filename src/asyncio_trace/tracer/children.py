"""Child processes that trace themselves: each begins a trace of its own when it first has to do with an event loop. One that
never does is as it would be, but for the methods that wait for that moment.
"""

from __future__ import annotations

import functools
from asyncio import AbstractEventLoop, BaseEventLoop
from collections.abc import Callable
from typing import Any

from asyncio_trace.tracer import session
from asyncio_trace.tracer.install import subclasses

_METHODS = ("__init__", "call_soon")
"""One of these comes first, whether the child makes a loop or goes on with its parent's."""

_ABSENT: Any = object()

_begin: Callable[[], None] | None = None
_armed: list[tuple[type, str, Any]] = []
"""Class, name, and what stood in the class itself."""


def begin_in_forked_children(begin: Callable[[], None]) -> None:
    """Call `begin` in each child that is forked from now on, when it first has to do with a loop; it raises nothing."""
    global _begin
    _begin = begin
    if begin_with_first_loop not in session.in_forked_child:
        session.in_forked_child.append(begin_with_first_loop)


def begin_with_first_loop() -> None:
    """The same in this process."""
    _arm(BaseEventLoop)
    for kind in subclasses(AbstractEventLoop):
        _arm_if_foreign(kind)

    def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:  # noqa: N807
        parent: Any = super(AbstractEventLoop, cls)
        parent.__init_subclass__(**kwargs)
        if _armed:
            _arm_if_foreign(cls)

    _set(AbstractEventLoop, "__init_subclass__", classmethod(__init_subclass__))


def _arm_if_foreign(kind: type) -> None:
    if not issubclass(kind, BaseEventLoop):
        _arm(kind)


def _arm(kind: type) -> None:
    for name in _METHODS:
        original = getattr(kind, name, None)
        if original is not None and original is not getattr(AbstractEventLoop, name, None):
            _set(kind, name, _first(kind, name, original))


def _set(kind: type, name: str, value: Any) -> None:
    _armed.append((kind, name, vars(kind).get(name, _ABSENT)))
    setattr(kind, name, value)


def _first(kind: type, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def first(*args: Any, **kwargs: Any) -> Any:
        if _armed:
            _disarm()
            if _begin is not None:
                _begin()
        return getattr(kind, name)(*args, **kwargs)

    return first


def _disarm() -> None:
    while _armed:
        kind, name, own = _armed.pop()
        if own is _ABSENT:
            delattr(kind, name)
        else:
            setattr(kind, name, own)
