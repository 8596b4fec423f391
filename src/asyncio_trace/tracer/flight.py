"""The flight recorder: a trace of which only the last part is kept, in a ring on disk, until something happens that is worth
a file.

A file is written by a thread of its own, from the ring's files, so no loop waits for it. There is none while none is written,
and a fork waits until it is done.
"""

from __future__ import annotations

import _thread
import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from asyncio_trace.errors import OutputError, UsageError
from asyncio_trace.recording import ring as rings
from asyncio_trace.recording.dump import dump, numbered
from asyncio_trace.recording.limits import When
from asyncio_trace.tracer.recorder import Recorder

MOST_AUTOMATIC = 10
"""Files that one trigger may cause in a trace: a server that blocks a thousand times must not fill the disk."""

LEAST_DISTANCE = 1.0
"""Seconds between two files that one trigger causes: what comes sooner is in the ring still, or again."""

_FORK_WAITS = 30.0
"""Seconds that a fork waits for a file that is being written."""

_flying: set[FlightRecorder] = set()


class Dump:
    """A file that is on its way."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        """Where it goes; None until a name is found."""
        self.error: OSError | None = None
        self._done = threading.Event()

    def wait(self, timeout: float | None = None) -> Path:
        """Wait until it is written; its path.

        Raises:
            OutputError: It could not be written.
        """
        self._done.wait(timeout)
        if self.error is not None or self.path is None:
            reason = "it takes too long" if self.error is None else self.error.strerror or str(self.error)
            raise OutputError(f"{self.path or 'the ring'} could not be written: {reason}")
        return self.path

    def finish(self, path: Path | None, error: OSError | None) -> None:
        """It is written, or not."""
        self.path = path or self.path
        self.error = error
        self._done.set()


class FlightRecorder:
    """What makes files of a trace's ring.

    Args:
        recorder: The trace's.
        ring: Where it writes.
        path: The first file; those after it are numbered.
        when: What causes a file.
        force: Overwrite files that are there.
        tell: Tells the user one line.
    """

    def __init__(
        self,
        recorder: Recorder,
        ring: rings.RingWriter,
        path: Path,
        when: When,
        *,
        force: bool,
        tell: Callable[[str], None],
    ) -> None:
        self.when = when
        self.written: list[Path] = []
        """The files, in the order in which they were written."""
        self.failure: str | None = None
        """Why the last file is not there, in one line."""
        self._recorder = recorder
        self._ring = ring
        self._path = path
        self._force = force
        self._tell = tell
        self._number = 0
        self._pid = os.getpid()
        self._running: set[Dump] = set()
        self._idle = threading.Condition(threading.RLock())
        self._one = threading.Lock()
        """One file is written at a time."""
        self._caused: dict[str, list[float]] = {}
        self._previous_handler: Any = None
        _flying.add(self)

    @property
    def header(self) -> str:
        """A file that is in the ring as long as the ring is there."""
        return str(self._ring.folder / "header")

    def begin(self) -> None:
        """Watch for what causes a file."""
        if self.when.blocked_ns is not None:
            self._recorder.watch_runs(self.when.blocked_ns, lambda: self.caused("blocked"))
        in_main_thread = threading.current_thread() is threading.main_thread()
        if self.when.signal and in_main_thread and signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL:
            self._previous_handler = signal.signal(signal.SIGUSR2, self._signalled)

    def dump(self, path: Path | None = None) -> Dump:
        """Begin to write what the ring holds to `path`, or to the next numbered name.

        Raises:
            UsageError: The path is taken.
        """
        if path is not None and not self._force and os.path.lexists(path):
            raise UsageError(f"{path} exists; take another name, or pass force=True")
        request = Dump(path)
        ended_ns = self._recorder.now()
        self._running.add(request)  # in one step: a signal's handler may come in between
        try:
            _thread.start_new_thread(self._run, (request, ended_ns))
        except RuntimeError:  # no thread can be had
            self._run(request, ended_ns)
        return request

    def caused(self, trigger: str) -> None:
        """Something happened that may cause a file. Raises nothing."""
        times = self._caused.setdefault(trigger, [])
        now = time.monotonic()
        if os.getpid() != self._pid or (times and now - times[-1] < LEAST_DISTANCE) or len(times) >= MOST_AUTOMATIC:
            return
        times.append(now)
        self.dump()
        if len(times) == MOST_AUTOMATIC:
            self._tell(f"{trigger!r} has caused {MOST_AUTOMATIC} recordings; it causes no more")

    def finish(self, *, exception: bool = False) -> None:
        """The trace is over: write the last file, if it is wanted, and remove the ring; `failure` says what went wrong.

        Args:
            exception: An exception that nobody handled ended the program.
        """
        self.leave()
        self._wait(None)
        if self.when.exit or (exception and self.when.exception):
            request = Dump(None)
            self._write(request, None)
            if request.error is not None:
                self.failure = (
                    f"the last part could not be written: {request.error.strerror or request.error}; it stays in "
                    f"{self._ring.folder}, save it with `asyncio-trace repair {self._ring.folder} -o FILE`"
                )
        if self.failure is None:
            rings.remove(self._ring.folder)

    def leave(self) -> None:
        """Watch for nothing any more."""
        _flying.discard(self)
        if self._previous_handler is not None and threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGUSR2) == self._signalled:
                signal.signal(signal.SIGUSR2, self._previous_handler)
            self._previous_handler = None

    def exception_method(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What stands in for a loop's `call_exception_handler`."""

        def call_exception_handler(loop: Any, context: dict[str, Any]) -> Any:
            if self in _flying and isinstance(context, dict) and isinstance(context.get("exception"), BaseException):
                self.caused("exception")
            return original(loop, context)

        return call_exception_handler

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.caused("signal")

    def _run(self, request: Dump, ended_ns: int) -> None:
        try:
            if hasattr(signal, "pthread_sigmask") and _thread.get_ident() != threading.main_thread().ident:
                signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the program's threads
            self._recorder.flush()
            self._write(request, ended_ns)
            if request.error is not None:
                self._tell(f"{request.path or self._path} could not be written: {request.error.strerror or request.error}")
        finally:
            with self._idle:
                self._running.discard(request)
                self._idle.notify_all()

    def _write(self, request: Dump, ended_ns: int | None) -> None:
        path, error = request.path, None
        with self._one:
            try:
                names = iter((path,)) if path is not None else self._names()
                position = None if ended_ns is None else self._recorder.position()
                path = dump(self._ring.folder, names, force=self._force, position=position, ended_ns=ended_ns)
                self.written.append(path)
            except OSError as failure:
                error = failure
        request.finish(path, error)

    def _names(self) -> Iterator[Path]:
        for number in itertools.count(self._number + 1):
            self._number = number
            yield numbered(self._path, number)

    def _wait(self, timeout: float | None) -> None:
        """Until no thread of ours is there."""
        with self._idle:
            self._idle.wait_for(lambda: not self._running, timeout)


def tell(line: str) -> None:
    """Tell the user."""
    if sys.__stderr__ is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.__stderr__.write(f"asyncio-trace: {line}\n")


def _before_fork() -> None:
    for flight in list(_flying):
        flight._wait(_FORK_WAITS)


def _after_fork_in_child() -> None:
    for flight in list(_flying):
        flight.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
