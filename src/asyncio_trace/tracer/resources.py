"""Locks, semaphores, events, barriers and queues: which is which, and who changes them.

Who waits is told by await stacks; who holds a lock that was free is told by nobody, since `acquire` then asks nothing of the
loop. But each of these keeps its state in an attribute of its instance. While a trace runs, the class has a data descriptor of
that name, which stands in front of the attribute: the value stays where it was, in the instance's `__dict__`, and each change
is seen. A queue has no attribute for its length; but whoever has put or taken an item then calls `_wakeup_next`. That method,
and those that set and clear an event, are replaced while a trace runs.

What is not seen: a subclass that keeps its state under other names, and locks that are not asyncio's.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any
from weakref import ReferenceType, ref

from asyncio_trace.events.records import (
    QueueLength,
    ResourceReleased,
    ResourceRole,
    ResourceSet,
    ResourceState,
    ResourceTaken,
    WakerKind,
)
from asyncio_trace.tracer import sites
from asyncio_trace.tracer.causes import current_cause
from asyncio_trace.tracer.loop_state import ATTRIBUTE, Cause, LoopState, TaskState
from asyncio_trace.tracer.recorder import Recorder

_LOCK, _SEMAPHORE, _EVENT, _BARRIER, _QUEUE = (
    ResourceRole.LOCK,
    ResourceRole.SEMAPHORE,
    ResourceRole.EVENT,
    ResourceRole.BARRIER,
    ResourceRole.QUEUE,
)
_LIMITS = {_SEMAPHORE: "_bound_value", _BARRIER: "_parties", _QUEUE: "_maxsize"}
_SEMAPHORE_CLASS: Any = asyncio.Semaphore
WAKES_NEXT: CodeType = _SEMAPHORE_CLASS._wake_up_next.__code__
"""Takes a unit for the first in line."""
PUTS: CodeType = asyncio.Queue.put_nowait.__code__
GETS: CodeType = asyncio.Queue.get_nowait.__code__
_QUEUES_FILE = PUTS.co_filename
_HEAP_TYPE = 1 << 9
_getframe = sys._getframe
ATTRIBUTES: tuple[tuple[type, str, int], ...] = (
    (asyncio.Lock, "_locked", _LOCK),
    (asyncio.Semaphore, "_value", _SEMAPHORE),
    (asyncio.Barrier, "_count", _BARRIER),
)
"""Class, attribute and `ResourceRole` of each attribute that is looked after."""

METHODS: tuple[tuple[type, str], ...] = (
    (asyncio.Queue, "_wakeup_next"),
    (asyncio.Queue, "shutdown"),  # from 3.13 on
    (asyncio.Event, "set"),
    (asyncio.Event, "clear"),
)
"""Class and name of each method that is replaced."""


class Resources:
    """Identity and changes of the locks, queues and the like of one trace."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.tasks: dict[int, TaskState] = {}
        """Tasks that are followed, by address."""
        self._known: dict[int, tuple[int, ReferenceType[Any] | None]] = {}
        self._told: set[int] = set()
        """Ids of those whose state is recorded."""

    def identify(self, thing: Any) -> int:
        """Id of a lock, queue or the like."""
        address = id(thing)
        known = self._known.get(address)
        if known is not None and (known[1] is None or known[1]() is thing):
            return known[0]
        number = self.recorder.resource(type(thing).__name__)
        try:
            reference = ref(thing, lambda _: self._forget(address))
        except TypeError:
            reference = None
        self._known[address] = (number, reference)
        return number

    def _forget(self, address: int) -> None:
        known = self._known.pop(address, None)
        if known is not None:
            self._told.discard(known[0])

    def changed(self, role: int, thing: Any, before: int, after: int, frame: FrameType) -> None:
        """The state of a lock, semaphore, event or barrier is changed by the code at `frame`."""
        cause = self._cause(thing, frame)
        if cause is None:
            return
        is_lock = role == _LOCK
        number = self._tell(thing, cause, role, not before if is_lock else before)
        ns, kind, who, site = cause
        if is_lock or role == _SEMAPHORE:
            change, free = (before - after, not after) if is_lock else (after - before, after)
            if change == -1:
                task = who if kind == WakerKind.TASK else 0
                if frame.f_code is WAKES_NEXT:
                    task, site = self._first_in_line(thing), 0
                self.recorder.add(ResourceTaken, number, ns, task, site, free)
                return
            if change == 1:
                self.recorder.add(ResourceReleased, number, ns, kind, who, site, free)
                return
        self.recorder.add(ResourceSet, number, ns, kind, who, site, after)

    def length_changed(self, queue: Any, frame: FrameType, change: int) -> None:
        """The code at `frame` has made a queue longer by `change`."""
        length = length_of(queue)
        cause = None if length < 0 else self._cause(queue, frame)
        if cause is not None:
            number = self._tell(queue, cause, _QUEUE, length - change)
            self.recorder.add(QueueLength, number, *cause, length)

    def _cause(self, thing: Any, frame: FrameType) -> Cause | None:
        """What is changing a resource; None if nothing is to be recorded of that. A loop that is not followed is none of ours;
        without a loop it is its thread.
        """
        recorder = self.recorder
        running = asyncio._get_running_loop()
        if running is None:
            if id(thing) not in self._known:
                return None
            now = recorder.now()
            return now, WakerKind.THREAD, recorder.thread(), max(0, sites.find(recorder, frame))
        loop = getattr(running, ATTRIBUTE, None)
        return current_cause(loop, frame) if type(loop) is LoopState and loop.recorder is recorder else None

    def _tell(self, thing: Any, cause: Cause, role: int, value: int) -> int:
        """The id of a resource that is changing, having told how it stood."""
        number = self.identify(thing)
        if number not in self._told:
            self._told.add(number)
            most = getattr(thing, _LIMITS[role], 0) if role in _LIMITS else 0
            self.recorder.add(ResourceState, number, cause[0], role, value, most if isinstance(most, int) else 0)
        return number

    def _first_in_line(self, semaphore: Any) -> int:
        """Id of the task that a semaphore is about to wake with a unit of its own; 0 if unknown."""
        future = next((future for future in semaphore._waiters or () if not future.done()), None)
        for callback, _ in getattr(future, "_callbacks", None) or ():
            state = self.tasks.get(id(getattr(callback, "__self__", None)))
            if state is not None:
                return state.id
        return 0


class Attribute:
    """Stands in front of an attribute of that name in the instances of a class."""

    def __init__(self, resources: Resources, name: str, role: int) -> None:
        self._resources = resources
        self._recorder = resources.recorder
        self._name = name
        self._role = role

    def __get__(self, thing: Any, kind: Any = None) -> Any:
        """The instance's value."""
        if thing is None:
            raise AttributeError(f"type object '{kind.__name__}' has no attribute '{self._name}'")
        try:
            return thing.__dict__[self._name]
        except KeyError:
            raise AttributeError(f"'{type(thing).__name__}' object has no attribute '{self._name}'") from None

    def __set__(self, thing: Any, value: Any) -> None:
        """Keep it in the instance."""
        values = thing.__dict__
        before = values.get(self._name)
        values[self._name] = value
        if (
            before is not value
            and isinstance(before, int)
            and isinstance(value, int)
            and before != value
            and self._recorder.active
        ):
            try:
                self._resources.changed(self._role, thing, before, value, _getframe(1))
            except Exception as error:
                self._recorder.failed(error, lost=1)

    def __delete__(self, thing: Any) -> None:
        """Take it out of the instance."""
        try:
            del thing.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None


def length_of(queue: Any) -> int:
    """Items of a queue; -1 where counting them would run code of the program's."""
    items = getattr(queue, "_queue", None)
    kind = type(items)
    if items is None or (kind is not deque and kind.__flags__ & _HEAP_TYPE):
        return -1
    try:
        return len(items)
    except TypeError:
        return -1


def build_methods(resources: Resources, original: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Replacements for `METHODS`, by name; `original` holds those that there are."""
    recorder, plain_wakeup_next, plain_shutdown = resources.recorder, original["_wakeup_next"], original.get("shutdown")
    plain_set, plain_clear = original["set"], original["clear"]

    def length_changed(queue: Any, frame: FrameType, change: int) -> None:
        try:
            resources.length_changed(queue, frame, change)
        except Exception as error:
            recorder.failed(error, lost=1)

    def flag_changed(event: Any, frame: FrameType, flag: bool) -> None:
        if recorder.active and frame.f_code.co_filename != _QUEUES_FILE:  # a queue's own is for `join`
            try:
                resources.changed(_EVENT, event, not flag, flag, frame)
            except Exception as error:
                recorder.failed(error, lost=1)

    def _wakeup_next(self: Any, waiters: Any) -> Any:
        code = _getframe(1).f_code
        if recorder.active and (code is PUTS or code is GETS):
            length_changed(self, _getframe(1), 1 if code is PUTS else -1)
        return plain_wakeup_next(self, waiters)

    def set(self: Any) -> Any:  # noqa: A001
        if self.__dict__.get("_value") is False:
            flag_changed(self, _getframe(1), True)
        return plain_set(self)

    def clear(self: Any) -> Any:
        before = self.__dict__.get("_value")
        plain_clear(self)
        if before is True:
            flag_changed(self, _getframe(1), False)

    methods: dict[str, Callable[..., Any]] = {"_wakeup_next": _wakeup_next, "set": set, "clear": clear}
    if plain_shutdown is not None:

        def shutdown(self: Any, immediate: bool = False) -> Any:
            before = length_of(self)
            result = plain_shutdown(self, immediate=immediate)
            change = length_of(self) - before
            if recorder.active and before >= 0 and change:
                length_changed(self, _getframe(1), change)
            return result

        methods["shutdown"] = shutdown
    return methods
