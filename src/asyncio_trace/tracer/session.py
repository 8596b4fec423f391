"""One trace from begin to end: recorder, core, installation, and the loops that belong to it. There is one at a time.

Importing this module imports asyncio; a program that never does must not meet it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from asyncio import AbstractEventLoop, BaseEventLoop
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from asyncio_trace.errors import UsageError
from asyncio_trace.recording.writer import RecordingWriter
from asyncio_trace.tracer.core import core_parts, resolve
from asyncio_trace.tracer.install import Installation
from asyncio_trace.tracer.loop_state import ATTRIBUTE, LoopState
from asyncio_trace.tracer.recorder import Sink
from asyncio_trace.tracer.watchdog import DEFAULT_THRESHOLD_NS

if TYPE_CHECKING:
    from asyncio_trace.recording.limits import When
    from asyncio_trace.tracer.flight import FlightRecorder

_active: Session | None = None

in_forked_child: list[Callable[[], None]] = []
"""Called in a forked child of a process that is traced, once the parent's trace is out of its way; they raise nothing."""


class Session:
    """A trace that is running.

    Args:
        sink: Where the records go.
        core: "auto", "python" or "native".
        every_loop: Follow each loop that is made or runs; else only those given to `follow`.
        clock: Monotonic clock in nanoseconds.
        block_threshold_ns: How long a run may be; those that are longer are sampled while they run (on the system's clock).
        origin: What it read at instant 0; default: now.

    Raises:
        UsageError: A trace is running already, or there is no such core.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        core: str = "auto",
        every_loop: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
        block_threshold_ns: int = DEFAULT_THRESHOLD_NS,
        origin: int | None = None,
    ) -> None:
        global _active
        if _active is not None:
            raise UsageError("a trace is running already; stop it first")
        make_recorder, make_core = core_parts(core)  # their import is not part of the trace
        self.recorder = make_recorder(sink, clock)
        if origin is not None:
            self.recorder.origin = origin
        self.every_loop = every_loop
        self._pid = os.getpid()
        self._loops: list[tuple[ReferenceType[AbstractEventLoop], LoopState]] = []
        self._wanted: set[int] = set()
        self._refused: set[int] = set()
        self.core = make_core(self.recorder, self._state_of, block_threshold_ns)
        self._installation = Installation(self.core)
        self._installation.install()
        self.flight: FlightRecorder | None = None
        """What writes files of the trace's ring, if it has one."""
        _active = self
        if every_loop:
            running = _running_loop()
            if running is not None:
                self.follow(running)

    def follow(self, loop: AbstractEventLoop) -> None:
        """Trace this loop from now on."""
        if getattr(loop, ATTRIBUTE, None):
            return
        self._installation.adopt(type(loop))
        self._wanted.add(id(loop))
        if self._state_of(loop) is None:
            raise UsageError(f"a loop of type {type(loop).__qualname__} can't be traced: it takes no attributes")

    def fly(self, flight: FlightRecorder) -> None:
        """The trace has a ring; `flight` writes files of it."""
        self.flight = flight
        if flight.when.exception:
            self._installation.replace("call_exception_handler", flight.exception_method)
        flight.begin()

    def end(self, *, exception: bool = False) -> str | None:
        """End the trace and leave every class, loop and future as it was.

        Args:
            exception: An exception that nobody handled has ended the program, or the traced part of it.

        Returns the first failure of the tracer's own in one line, if there was one.
        """
        global _active
        if _active is self:
            _active = None
            if os.getpid() == self._pid:
                for _, state in self._loops:
                    self.core.ending(state)
            self._leave()
            if os.getpid() == self._pid:
                self.recorder.close()
                if self.flight is not None:
                    self.flight.finish(exception=exception)
                    self.recorder.refused = self.recorder.refused or self.flight.failure is not None
        return self.recorder.failure

    def abandon(self) -> None:
        """In a forked child: leave everything alone that is the parent's."""
        global _active
        _active = None
        self.recorder.abandon()
        self._leave()

    def _leave(self) -> None:
        self._installation.uninstall()
        for reference, _ in self._loops:
            loop = reference()
            if loop is not None:
                with contextlib.suppress(AttributeError):
                    delattr(loop, ATTRIBUTE)
        self.core.release()

    def _state_of(self, loop: AbstractEventLoop) -> LoopState | None:
        """State of a loop that has none yet; None if it is not to be followed."""
        address = id(loop)
        if not (self.every_loop or address in self._wanted) or address in self._refused:
            return None
        try:
            state = self.core.attach(loop, foreign=not isinstance(loop, BaseEventLoop))
        except Exception as error:
            self._refused.add(address)
            self.recorder.failed(error)
            return None
        self._wanted.discard(address)
        self._loops.append((ref(loop), state))
        return state


def active() -> Session | None:
    """The trace that is running, if any."""
    return _active


def record_to(
    path: str,
    *,
    core: str = "auto",
    every_loop: bool = True,
    argv: list[str] | None = None,
    force: bool = False,
    block_threshold_ns: int = DEFAULT_THRESHOLD_NS,
    ring: int | None = None,
    when: When | None = None,
    more: dict[str, Any] | None = None,
) -> Session:
    """Begin a trace that is written to the file `path`, which may hold `{pid}`.

    Args:
        path: The file.
        core: "auto", "python" or "native".
        every_loop: As of `Session`.
        argv: What the trace says was run; default `sys.argv`.
        force: Overwrite the file if it exists.
        ring: Keep only the last part of the trace, at most so many bytes; it is written to `path` when something happens that
            `when` names, and at the end unless that leaves it out.
        when: What makes a ring be written.
        more: Further keys of the recording's header.

    Raises:
        UsageError: A trace is running, there is no such core, or the file exists and `force` is not given.
        OSError: The file can't be made.
    """
    if _active is not None:
        raise UsageError("a trace is running already; stop it first")
    path = path.replace("{pid}", str(os.getpid()))
    origin = time.monotonic_ns()
    header: dict[str, Any] = {
        "argv": list(sys.argv) if argv is None else argv,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": sys.platform,
        "core": resolve(core),
        "pid": os.getpid(),
        "started_unix_ns": time.time_ns(),
        "started_monotonic_ns": origin,
        "block_threshold_ns": block_threshold_ns,
        **(more or {}),
    }
    how: Any = {"core": core, "every_loop": every_loop, "block_threshold_ns": block_threshold_ns, "origin": origin}
    if ring is not None:
        return _fly(path, header, ring, when, force=force, **how)
    try:
        descriptor = _open(path, os.O_TRUNC if force else os.O_EXCL)
    except FileExistsError:
        raise UsageError(f"{path} exists; take another name, or overwrite it with --force") from None
    file = open(descriptor, "r+b", buffering=0)  # noqa: SIM115
    try:
        session = Session(RecordingWriter(file, header), **how)
    except BaseException:
        file.close()
        os.unlink(path)
        raise
    return session


def _open(path: str, how: int) -> int:
    """Open a file for writing and, if that is allowed, for reading: the native core looks back at the first segment."""
    flags = how | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    if not os.path.exists(path) or os.path.isfile(path):
        with contextlib.suppress(PermissionError):
            return os.open(path, flags | os.O_RDWR, 0o644)
    return os.open(path, flags | os.O_WRONLY, 0o644)


def _fly(name: str, header: dict[str, Any], ring: int, when: When | None, *, force: bool, **how: Any) -> Session:
    """Begin a trace that is kept in a ring."""
    from pathlib import Path

    from asyncio_trace.recording import ring as rings
    from asyncio_trace.recording.limits import When
    from asyncio_trace.tracer import flight

    path = Path(name)
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path} exists; take another name, or overwrite it with --force")
    if force:
        rings.remove(rings.folder_of(path))
    sink = rings.RingWriter(rings.folder_of(path), header, ring)
    try:
        session = Session(sink, **how)
    except BaseException:
        rings.remove(sink.folder)
        raise
    session.fly(flight.FlightRecorder(session.recorder, sink, path, when or When(), force=force, tell=flight.tell))
    return session


def died_of_exception() -> bool:
    """Whether the interpreter ends because of an exception that nobody caught."""
    error = getattr(sys, "last_value", None)
    return error is not None and not isinstance(error, KeyboardInterrupt)


def _running_loop() -> AbstractEventLoop | None:
    import asyncio

    return asyncio._get_running_loop()


def _after_fork_in_child() -> None:
    if _active is not None:
        _active.abandon()
        for call in in_forked_child:
            call()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
