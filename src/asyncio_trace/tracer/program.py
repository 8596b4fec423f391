"""A whole traced program: begins when asyncio is imported, ends when the interpreter does.

Runs inside the traced program, from `asyncio_trace.tracer.startup`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from asyncio_trace.tracer import children, loops, session


def begin(settings: dict[str, Any]) -> None:
    """Trace this process as `settings` of `asyncio-trace run` say, until it ends.

    Raises:
        SystemExit: The loop that was asked for is not to be had; the program must not run on another.
    """
    if not settings["child"]:
        _trace(settings)
    if settings["children"]:
        beside = settings if settings["child"] else child_settings(settings)
        children.begin_in_forked_children(lambda: _begin_in_child(beside))
    if settings["child"]:
        children.begin_with_first_loop()
    name = settings["loop"]
    if name is not None:
        try:
            loops.make_default(_not_itself(loop_factory(name)))
        except Exception as error:
            sys.stderr.write(f"asyncio-trace: no loop is to be had from --loop {name}: {type(error).__name__}: {error}\n")
            raise SystemExit(2) from None


def child_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of children of this process, which is the first: their recordings are beside its own."""
    stem, suffix = os.path.splitext(settings["recording"].replace("{pid}", str(os.getpid())))
    return {**settings, "recording": f"{stem}.{{pid}}{suffix}", "argv": None, "child": True}


def _begin_in_child(settings: dict[str, Any]) -> None:
    """The same for a child process, once it has to do with a loop."""
    try:
        _trace(settings)
    except Exception as error:
        _tell(f"process {os.getpid()} runs untraced: {error}")


def _trace(settings: dict[str, Any]) -> None:
    notice = settings["notice"]
    try:
        running = _record(settings)
    except OSError:
        _leave_notice(notice)
        raise
    path = settings["recording"].replace("{pid}", str(os.getpid()))
    if running.flight is not None:
        path = running.flight.header  # what is there from the beginning
    end = _Ending(running, path, notice)
    # registered before the program registers anything, so it runs after all of that
    atexit.register(end)
    _end_before_hard_exit(end)


def _record(settings: dict[str, Any]) -> session.Session:
    when = None
    if settings["ring"] is not None:
        from asyncio_trace.recording.limits import parse_when

        when = parse_when(settings["when"])
    return session.record_to(
        settings["recording"],
        core=settings["core"],
        argv=settings["argv"],
        force=settings["force"],
        block_threshold_ns=settings["block_threshold_ns"],
        ring=settings["ring"],
        when=when,
        more={name: settings[name] for name in ("group", "children", "child")},
    )


def loop_factory(name: str) -> Any:
    """The callable behind a loop's name: an entry point of `asyncio_trace.loops`, or `module:factory`.

    Raises:
        ImportError, AttributeError: It is not to be had.
    """
    module, colon, attribute = name.partition(":")
    if colon:
        return getattr(import_module(module), attribute)
    for entry in entry_points(group="asyncio_trace.loops", name=name):
        return entry.load()
    if name == "uvloop":
        return loops.new_uvloop_loop
    return loops.new_asyncio_loop


def _not_itself(factory: Callable[[], Any]) -> Callable[[], Any]:
    """`factory`, which gets asyncio's own loop if it asks asyncio for a new one, as `asyncio:new_event_loop` does."""
    inside = threading.local()

    def new_loop() -> Any:
        if getattr(inside, "factory", False):
            return loops.new_asyncio_loop()
        inside.factory = True
        try:
            return factory()
        finally:
            inside.factory = False

    return new_loop


class _Ending:
    """Ends a trace; tells the user once, and `run`, if the file is not what was asked for."""

    def __init__(self, running: session.Session, path: str, notice: str) -> None:
        self.running = running
        self._path = path
        self._notice = notice
        self._file = _identity(path)

    def __call__(self) -> None:
        """End it."""
        if session.active() is not self.running:
            return
        gone = self._file is not None and _identity(self._path) != self._file
        failure = self.running.end(exception=session.died_of_exception())
        if self.running.flight is None:  # a ring is there no more
            gone = self._file is not None and _identity(self._path) != self._file
        flight = self.running.flight
        if flight is not None and flight.failure is not None:
            _tell(flight.failure)
        elif failure is not None:
            lost = self.running.recorder.lost_events
            _tell(f"the recording has a gap{f' of {lost} events or more' if lost else ''}: {failure}")
        elif gone and os.path.isdir(os.path.dirname(self._path)):
            _tell(f"the recording is lost: the program removed {self._path}")
        if self.running.recorder.refused or gone:
            _leave_notice(self._notice)


def _identity(path: str) -> tuple[int, int] | None:
    """What file a path leads to; None if to none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _leave_notice(path: str) -> None:
    """An empty file that says to `run` that we could not write; the disk being full, there may be room for no more."""
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _tell(line: str) -> None:
    if sys.__stderr__ is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.__stderr__.write(f"asyncio-trace: {line}\n")


def _end_before_hard_exit(end: _Ending) -> None:
    """`os._exit` skips `atexit`; what has gathered is written before it, in this process only."""
    hard_exit = os._exit

    def _exit(status: int) -> Any:
        if session.active() is end.running:
            os._exit = hard_exit
            end()
        hard_exit(status)

    os._exit = _exit
