"""What is making something happen right now: the nearest cause that means something to a person.

asyncio wakes tasks through callbacks of its own (the done-callbacks of `gather`, `wait` and task groups, a timer's or a
socket's handler). These are relays: where no line of the program is involved, the cause is what queued the relay, at its
instant. So a task that awaits `gather` is woken by the last child, `sleep` by its timer at the due time, a stream by I/O when
the selector returned.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from threading import get_ident
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, WrapperDescriptorType
from typing import Any

from asyncio_trace.events.records import WakerKind
from asyncio_trace.tracer import sites
from asyncio_trace.tracer.loop_state import Cause, LoopState

_TASK, _CALLBACK, _TIMER, _IO, _THREAD, _SIGNAL, _LOOP = (
    WakerKind.TASK,
    WakerKind.CALLBACK,
    WakerKind.TIMER,
    WakerKind.IO,
    WakerKind.THREAD,
    WakerKind.SIGNAL,
    WakerKind.LOOP,
)
_WAKES_READER = asyncio.StreamReader._wakeup_waiter.__code__  # type: ignore[attr-defined]
_OUTSIDE = frozenset((_TIMER, _IO, _THREAD, _SIGNAL))


def current_cause(loop: LoopState, frame: FrameType | None) -> Cause:
    """The cause of what the hook's caller `frame` is doing to something that belongs to `loop`."""
    recorder = loop.recorder
    cause = loop.cause
    if (
        cause is not None
        and cause[1] == _IO
        and frame is not None
        and frame.f_code is _WAKES_READER
        and type(loop.callback) is MethodType
        and type(getattr(loop.callback.__self__, "_protocol", None)) is asyncio.StreamReaderProtocol
        and get_ident() == loop.ident
    ):
        return (
            cause  # the commonest relay, told without a walk: bytes came in for a stream, and no line of the program is between
        )
    now = recorder.clock() - recorder.origin
    site = sites.find(recorder, frame)
    if site < 0:
        return now, _SIGNAL, 0, 0
    if get_ident() != loop.ident:
        return now, _THREAD, recorder.thread(), site
    task = loop.current
    if task is not None:
        return now, _TASK, task.id, site
    if cause is not None:
        if not site:
            return cause
        kind = cause[1]
        if kind in _OUTSIDE:
            return now, kind, cause[2], site
        return now, _CALLBACK, recorder.string(callback_name(loop.callback)), site
    running = is_running(loop)
    if running:
        # nothing but a signal's handler runs on the thread of an asyncio loop outside its handles; other loops run I/O in C
        return now, _IO if loop.foreign else _SIGNAL, 0, site
    return now, _LOOP, 0, site


_WAIT_FOR = asyncio.wait_for.__code__
_CANCELS_AND_WAITS: CodeType | None = (
    asyncio.tasks._cancel_and_wait.__code__ if "_cancel_and_wait" in _WAIT_FOR.co_names else None  # type: ignore[attr-defined]
)
"""Before 3.12 `wait_for` cancels in the task that called it, when its time limit has woken that."""


def time_limit(loop: LoopState, frame: FrameType | None) -> Cause | None:
    """The timer that had `wait_for` cancel, which the code at `frame` does; None if that is not so."""
    while frame is not None and sites.role_of(frame.f_code) == sites.PLUMBING:
        if frame.f_code is _CANCELS_AND_WAITS:
            cause = loop.step_wake
            return cause if cause is not None and cause[1] == _TIMER else None
        frame = frame.f_back
    return None


def is_running(loop: LoopState) -> bool:
    """Whether the loop is running."""
    target: Any = loop.reference()
    if target is None:
        return False
    if not loop.foreign:
        return target._thread_id is not None
    return type(target).is_running is not None and running_loop() is target


def running_loop() -> Any:
    """The loop that runs in this thread, if one does."""
    events = sys.modules["asyncio.events"]
    return events._get_running_loop()


_PLAIN = frozenset((FunctionType, BuiltinFunctionType))
_type_name: Callable[[type], str] = vars(type)["__qualname__"].__get__


def callback_name(callback: Any) -> str:
    """Qualified name of a callback, through `functools.partial`; its type's name where it has none."""
    for _ in range(10):
        if type(callback) is not partial:
            break
        callback = callback.func
    if type(callback) is MethodType:
        callback = callback.__func__
    kind = type(callback)
    name: Any = None
    if kind in _PLAIN:
        return str(callback.__qualname__)
    try:  # not through `__getattr__` and the like where they are the program's
        if type(kind.__getattribute__) is WrapperDescriptorType and not hasattr(kind, "__getattr__"):
            name = getattr(callback, "__qualname__", None)
    except Exception:
        name = None
    return name if type(name) is str else _type_name(kind)
