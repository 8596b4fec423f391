"""Futures that are not tasks: who made each, who resolved it, even if nobody awaits it.

A future says nothing of itself to its loop until it has a done-callback, so each gets a sentinel as its first one. When the
future resolves, `call_soon` meets the sentinel, records, and queues nothing: the schedule stays as it was. The sentinel is
hidden from the program, and dies with the future, which it does not keep alive. A future in Python has it as an attribute.

`loop.create_future()` is a method that we can stand in for. `asyncio.Future()` is a constructor of an immutable type; but every
future asks its loop `get_debug()` while it is made, and it is then the youngest object that the collector knows.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import base_futures
from collections.abc import Mapping
from contextvars import Context
from types import CodeType, FrameType, GetSetDescriptorType
from typing import Any

from asyncio_trace.events.records import FutureCreated, FutureResolved, Outcome, WakerKind
from asyncio_trace.tracer import await_stack
from asyncio_trace.tracer.causes import current_cause
from asyncio_trace.tracer.loop_state import ATTRIBUTE, Cause, LoopState
from asyncio_trace.tracer.recorder import Recorder

_EMPTY = Context()

MAKERS: dict[int, CodeType] = {id(function.__code__): function.__code__ for function in await_stack.MAKERS}
"""Coroutines of asyncio that make a future and await it at once, by address of their code. Such a future needs no sentinel: the
wait tells who made it and who resolved it.
"""
_PY_FUTURE: Any = asyncio.futures._PyFuture  # type: ignore[attr-defined]
_GATHERING: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]
_PY_INIT: CodeType = _PY_FUTURE.__init__.__code__
_SCHEDULE = "_Future__schedule_callbacks"
_YOUNGEST_LOOKED_AT = 48
_YOUNGEST_MOVED_LOOKED_AT = 20_000
_MOST_YOUNG_OBJECTS = 50_000
"""Beyond this many young objects (the collector is off), looking for the youngest would cost too much."""


class Sentinel:
    """A done-callback that marks a future as ours to follow. Called only if the tracer has left the loop meanwhile."""

    __slots__ = ("_table", "address", "future")

    def __init__(self, future: int, address: int, table: dict[int, int]) -> None:
        self.future = future
        self.address = address
        self._table = table

    def __call__(self, future: Any) -> None:
        """Do nothing."""

    def __del__(self) -> None:
        self._table.pop(self.address, None)


SENTINELS: set[type] = {Sentinel}
"""Types of sentinels; a core adds its own."""


def _without_sentinels(callbacks: list[Any] | None) -> list[Any] | None:
    """A future's callbacks but for ours; None for none, as the future itself says it."""
    return [pair for pair in callbacks if type(pair[0]) not in SENTINELS] or None if callbacks else callbacks


class Futures:
    """All futures that are followed, by address."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.by_address = self._new_table()
        """Address to id, while the future is unresolved."""
        self.tasks: Mapping[int, object] = {}
        """Addresses of the tasks that are followed."""
        self._asks: dict[int, CodeType] = {}
        """Code that calls `get_debug` itself, by address of the code."""
        self._hidden_repr: Any = None
        self._py_schedule: Any = None

    def created(self, loop: LoopState, future: Any, frame: FrameType | None) -> int:
        """Take in a future in the moment of its creation, by the code at `frame`; its id."""
        cause = current_cause(loop, frame)
        creator = loop.current.id if loop.current is not None and cause[1] == WakerKind.TASK else 0
        return self._follow(loop, future, creator, cause[3])

    def found(self, loop: LoopState, future: Any) -> int:
        """Take in a future that something already waits on; its id."""
        return self._follow(loop, future, 0, 0)

    def resolved(self, loop: LoopState, sentinel: Sentinel, future: Any, frame: FrameType | None) -> None:
        """A future was resolved by the code at `frame`."""
        cause = current_cause(loop, frame)
        loop.resolved = sentinel.address
        loop.resolved_cause = cause
        outcome = Outcome.RETURNED
        if future.cancelled():
            outcome = Outcome.CANCELLED
        elif future._exception is not None:
            outcome = Outcome.RAISED
        ns, kind, waker, site = cause
        self._recorder.add(FutureResolved, sentinel.future, ns, outcome, kind, waker, site)

    def made_resolved(self, number: int, future: Any, cause: Cause) -> None:
        """A future that asyncio made for a wait of its own is resolved; say so only if it got no plain result."""
        if future.cancelled():
            outcome = Outcome.CANCELLED
        elif future._exception is not None:
            outcome = Outcome.RAISED
        else:
            return
        ns, kind, waker, site = cause
        self._recorder.add(FutureResolved, number, ns, outcome, kind, waker, site)

    def asked_for_debug(self, loop: LoopState, frame: FrameType) -> Any:
        """The loop's `get_debug` was called from `frame`: by its own will, or inside a constructor of a future.

        Returns a task if one is being made; a future is taken in at once.
        """
        code = frame.f_code
        if id(code) in self._asks:
            return None
        if code is _PY_INIT:
            made = frame.f_locals.get("self")
            frame = frame.f_back or frame
            if made is None:
                return None
        else:
            if "get_debug" in code.co_names:
                self._asks[id(code)] = code
                return None
            made = self._youngest(loop)
            if made is None:
                return None
        if asyncio.isfuture(made) and isinstance(made, asyncio.Task):
            return made
        self.created(loop, made, frame)
        return None

    def hide(self) -> None:
        """Hide sentinels from the program: from a future's `repr`, and from `_callbacks` of those that `gather` makes.

        The class of other futures takes no property. Futures in Python, whose class is open, have no such callback: they tell
        before they queue theirs.
        """
        schedule = vars(_PY_FUTURE)[_SCHEDULE]

        def tell_and_schedule(self: Any) -> None:
            sentinel = vars(self).pop(ATTRIBUTE, None)
            if sentinel is not None:
                self._loop.call_soon(sentinel, self, context=_EMPTY)
            schedule(self)

        self._py_schedule = schedule
        setattr(_PY_FUTURE, _SCHEDULE, tell_and_schedule)
        if isinstance(vars(asyncio.Future).get("_callbacks"), GetSetDescriptorType):
            read = asyncio.Future._callbacks.__get__
            _GATHERING._callbacks = property(lambda future: _without_sentinels(read(future)))
        original = base_futures._future_repr_info

        def future_repr_info(future: Any) -> list[str]:
            info: list[str] = original(future)
            callbacks = future._callbacks
            if callbacks and any(type(callback) in SENTINELS for callback, _ in callbacks):
                shown = base_futures._format_callbacks(callbacks)
                others = _without_sentinels(callbacks)
                if shown in info:
                    at = info.index(shown)
                    info[at : at + 1] = [base_futures._format_callbacks(others)] if others else []
            return info

        self._hidden_repr = original
        base_futures._future_repr_info = future_repr_info

    def release(self) -> None:
        """Leave every future as if we had never been there."""
        if self._hidden_repr is not None:
            base_futures._future_repr_info = self._hidden_repr
            self._hidden_repr = None
            setattr(_PY_FUTURE, _SCHEDULE, self._py_schedule)
        if "_callbacks" in vars(_GATHERING):
            del _GATHERING._callbacks
        if self.by_address:
            for thing in gc.get_objects():
                kind = type(thing)
                if issubclass(kind, asyncio.Future) and id(thing) in self.by_address:
                    for callback, _ in thing._callbacks or ():
                        if type(callback) in SENTINELS:
                            thing.remove_done_callback(callback)
                elif issubclass(kind, _PY_FUTURE):
                    vars(thing).pop(ATTRIBUTE, None)

    def _follow(self, loop: LoopState, future: Any, creator: int, site: int) -> int:
        recorder = self._recorder
        number = recorder.next_id()
        kind = type(future)
        recorder.add(FutureCreated, number, recorder.now(), loop.id, creator, site, recorder.string(kind.__name__))
        self.follow(future, number)
        return number

    def follow(self, future: Any, number: int) -> None:
        """Put a sentinel on a future."""
        kind, address = type(future), id(future)
        if not issubclass(kind, (asyncio.Future, _PY_FUTURE)) or future.done():
            return
        self.by_address[address] = number
        sentinel = self._new_sentinel(number, address)
        if issubclass(kind, asyncio.Future):
            asyncio.Future.add_done_callback(future, sentinel, context=_EMPTY)
        else:
            vars(future)[ATTRIBUTE] = sentinel

    def _new_sentinel(self, number: int, address: int) -> Any:
        return Sentinel(number, address, self.by_address)

    def _new_table(self) -> dict[int, int]:
        return {}

    def _youngest(self, loop: LoopState) -> Any:
        if gc.get_count()[0] > _MOST_YOUNG_OBJECTS or _FREE_THREADED:
            return None
        target = loop.reference()
        for generation in (0, 1, 2):
            # a collection leaves what it moves in an order of its own
            depth = _YOUNGEST_MOVED_LOOKED_AT if generation else _YOUNGEST_LOOKED_AT
            for thing in reversed(gc.get_objects(generation=generation)[-depth:]):
                kind = type(thing)
                if (
                    issubclass(kind, asyncio.Future)
                    and thing._loop is target
                    and thing._state == "PENDING"
                    and id(thing) not in self.by_address
                    and id(thing) not in self.tasks
                ):
                    return thing
            younger = gc.get_count()[generation] if generation < 2 else 1
            if younger > (0 if generation else _YOUNGEST_LOOKED_AT):
                break  # else a collection has just come between, and moved it on
        return None


_FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
