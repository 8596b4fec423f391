"""The chain of frames through which a suspended task awaits, read from the coroutine objects; nothing is wrapped.

Reading costs some 150 ns a frame, so the result is interned by (code, instruction) pairs and what follows from it, such as
whether a frame belongs to a lock, is worked out once a stack.
"""

from __future__ import annotations

import asyncio
import gc
import opcode
import socket
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

from asyncio_trace.tracer.recorder import MOST_STACKED_SITES, Recorder
from asyncio_trace.tracer.resources import Resources


def future_iterator() -> type:
    """Type of what `await` asks of a future written in C: where nearly every chain ends."""

    class Loop:
        def get_debug(self) -> bool:
            return False

    return type(asyncio.Future(loop=Loop()).__await__())  # type: ignore[arg-type]


_YIELD_VALUE = opcode.opmap["YIELD_VALUE"]


def _suspension_points(code: CodeType) -> int:
    """In how many places a coroutine's code may be suspended; 0 if it is one of `_LEAVES`."""
    return 0 if id(code) in _LEAVES else code.co_code[::2].count(_YIELD_VALUE)


MAKERS = (
    asyncio.tasks.sleep,
    asyncio.StreamReader._wait_for_data,  # type: ignore[attr-defined]
    asyncio.Lock.acquire,
    asyncio.Semaphore.acquire,
    asyncio.Event.wait,
    asyncio.Condition.wait,
    asyncio.Queue.get,
    asyncio.Queue.put,
)
"""Coroutines of asyncio that make a future and await it at once."""

_LEAVES = frozenset(
    id(function.__code__)
    for function in MAKERS
    if function is asyncio.tasks.sleep or function.__code__.co_code[::2].count(_YIELD_VALUE) == 1
)
"""Addresses of code that awaits at one place, at a stack's inner end (`sleep` yields at another, which is known apart)."""

_RESOURCES = (
    asyncio.Lock, asyncio.Semaphore, asyncio.Event, asyncio.Condition, asyncio.Queue, asyncio.StreamReader,
    asyncio.StreamWriter, asyncio.subprocess.Process, socket.socket,
)  # fmt: skip
"""Classes of what a stack's innermost frame may wait on."""

NONE = -1
INNERMOST = -2

_FUTURE_ITERATOR = future_iterator()

MAX_DEPTH = 200
"""Frames; a chain this long is a runaway recursion, and its outer part tells enough."""

_SOCKET_METHODS = (
    "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto", "sock_connect",
    "sock_accept",
)  # fmt: skip
RESOURCE_ARGUMENTS = {
    ("asyncio.locks", "Lock.acquire"): 0,
    ("asyncio.locks", "Semaphore.acquire"): 0,
    ("asyncio.locks", "BoundedSemaphore.acquire"): 0,
    ("asyncio.locks", "Event.wait"): 0,
    ("asyncio.locks", "Condition.wait"): 0,
    ("asyncio.locks", "Barrier.wait"): 0,
    ("asyncio.queues", "Queue.get"): 0,
    ("asyncio.queues", "Queue.put"): 0,
    ("asyncio.queues", "Queue.join"): 0,
    ("asyncio.streams", "StreamReader._wait_for_data"): 0,
    ("asyncio.streams", "StreamWriter.drain"): 0,
    ("asyncio.streams", "StreamWriter.wait_closed"): 0,
    ("asyncio.subprocess", "Process.wait"): 0,
    ("asyncio.subprocess", "Process.communicate"): 0,
    **{("asyncio.selector_events", f"BaseSelectorEventLoop.{name}"): 1 for name in _SOCKET_METHODS},
}
"""Methods of asyncio's, each with the place of the argument that is the thing waited on."""


class AwaitStacks:
    """Reads and interns await stacks, and finds the locks, queues and events at their end."""

    def __init__(self, recorder: Recorder, resources: Resources) -> None:
        self._recorder = recorder
        self._resources = resources
        self._by_key: dict[tuple[int, ...], tuple[int, int]] = {}
        """Code addresses, each with its instruction if it may be at several, to stack number and depth (see `read`)."""
        self._places: dict[int, int] = {}
        """Code address to the number of places where it may be suspended; 0 for asyncio's own that end a stack."""
        self._kept_words = 0
        """Lengths of the keys of `_by_key` together."""
        recorder.forgetting.append(self._forget)
        self._is_resource: dict[type, bool] = {}

    def read(self, coro: Any, yields: bool = False) -> tuple[int, int, Any]:
        """Stack number, depth and innermost coroutine of a suspended coroutine, generator or the like.

        Depth is that of the frame whose `self` is the lock or the like that is waited on: `INNERMOST`, `NONE`, or counted from
        the outermost. `yields` says that it is suspended on nothing.
        """
        key: list[int] = []
        places = self._places
        awaiting = inner = coro
        while awaiting is not None:
            kind = type(awaiting)
            if kind is CoroutineType:
                inner = awaiting
                code = awaiting.cr_code
                address = id(code)
                points = places.get(address)
                if points is None:
                    points = places[address] = _suspension_points(code)
                if not points:
                    key.append(-address if yields else address)
                    break
                key.append(address)
                if points > 1:  # else where it awaits is known, and no frame object need be made to learn it
                    frame = awaiting.cr_frame
                    if frame is None:
                        break
                    key.append(frame.f_lasti)
                awaiting = awaiting.cr_await
                continue
            if kind is GeneratorType:
                frame = awaiting.gi_frame
                awaiting = awaiting.gi_yieldfrom
            elif kind is _FUTURE_ITERATOR:
                break
            else:
                frame, awaiting = _other(awaiting)
                if frame is None:
                    continue
            if frame is None:
                break
            key.append(id(frame.f_code))
            key.append(frame.f_lasti)
        stack = tuple(key)
        known = self._by_key.get(stack) or self._intern(stack, coro)
        return known[0], known[1], inner

    def resource(self, coro: Any, depth: int, inner: Any) -> int:
        """Id of the lock, queue or the like that this coroutine waits on; 0 if unknown. The arguments are what `read` said."""
        thing = self.thing(coro, depth, inner)
        return 0 if thing is None else self._resources.identify(thing)

    def thing(self, coro: Any, depth: int, inner: Any) -> Any:
        """The lock, queue or the like itself; None if unknown."""
        if depth == INNERMOST:
            # a coroutine refers to its locals: no need of f_locals, which would keep them all alive
            return self._find(inner)
        frames = _frames(coro)
        if depth >= len(frames):
            return None
        code = frames[depth].f_code
        return frames[depth].f_locals.get(code.co_varnames[_argument(code)])

    def _find(self, inner: Any) -> Any:
        known = self._is_resource
        for thing in gc.get_referents(inner):
            kind = type(thing)
            is_resource = known.get(kind)
            if is_resource is None:
                is_resource = known[kind] = issubclass(kind, _RESOURCES)
            if is_resource:
                return thing
        return None

    def _intern(self, key: tuple[int, ...], coro: Any) -> tuple[int, int]:
        by_key = self._by_key  # another, if the recorder forgets places meanwhile: the key is then not to be kept
        found, frames = self._look(coro)
        if frames >= MAX_DEPTH:
            self._places = {}  # the recorder has not seen the innermost code, and does not keep it
        elif by_key is self._by_key:
            self._kept_words += len(key)
            if self._kept_words > MOST_STACKED_SITES:
                by_key.clear()
                self._kept_words = len(key)
            by_key[key] = found
        return found

    def _forget(self) -> None:
        """The recorder keeps no code any more: addresses will come to mean other code."""
        self._by_key, self._places = {}, {}
        self._kept_words = 0

    def intern(self, coro: Any) -> tuple[int, int]:
        """Stack number and depth of a suspended coroutine, looked at frame by frame."""
        return self._look(coro)[0]

    def _look(self, coro: Any) -> tuple[tuple[int, int], int]:
        sites = []
        depth = NONE
        for index, frame in enumerate(_frames(coro)):
            code = frame.f_code
            module = frame.f_globals.get("__name__")
            if depth == NONE and (module, code.co_qualname) in RESOURCE_ARGUMENTS:
                depth = index
            sites.append(self._recorder.site(code, frame.f_lasti, module))
        if depth == len(sites) - 1 >= 0:
            depth = INNERMOST
        return (self._recorder.stack(tuple(sites)) if sites else 0, depth), len(sites)


def _argument(code: CodeType) -> int:
    """Place of the argument of one of `RESOURCE_ARGUMENTS` that is the thing waited on: a loop's methods wait on a socket."""
    return 1 if code.co_varnames[1:2] == ("sock",) else 0


def _frames(coro: Any) -> list[FrameType]:
    frames: list[FrameType] = []
    awaiting = coro
    while awaiting is not None and len(frames) < MAX_DEPTH:
        frame, awaiting = _other(awaiting)
        if frame is not None:
            frames.append(frame)
    return frames


def _other(awaiting: Any) -> tuple[FrameType | None, Any]:
    """Frame, and what it awaits, of anything that can be awaited in Python; (None, None) at the end of the chain."""
    kind = type(awaiting)
    if kind is CoroutineType:
        return awaiting.cr_frame, awaiting.cr_await
    if kind is GeneratorType:
        return awaiting.gi_frame, awaiting.gi_yieldfrom
    if kind is AsyncGeneratorType:
        return awaiting.ag_frame, awaiting.ag_await
    if kind.__name__ in _OPAQUE and kind.__module__ == "builtins":
        # these iterators hold a coroutine or an async generator and show it to nobody but the collector
        for inner in gc.get_referents(awaiting):
            if type(inner) in (CoroutineType, AsyncGeneratorType, GeneratorType):
                return None, inner
        return None, None
    frame = getattr(awaiting, "cr_frame", None)
    if type(frame) is FrameType:  # a compiled coroutine that keeps the protocol
        return frame, getattr(awaiting, "cr_await", None)
    return None, None


_OPAQUE = frozenset({"async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "anext_awaitable"})
