"""A whole traced program: begins when asyncio is imported, ends when the interpreter does.

Runs inside the traced program, from `asyncio_trace.tracer.startup`.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from asyncio_trace.tracer import loops, session


def begin(settings: dict[str, Any]) -> None:
    """Trace this process as `settings` of `asyncio-trace run` say, until it ends.

    Raises:
        SystemExit: The loop that was asked for is not to be had; the program must not run on another.
    """
    running = session.record_to(settings["recording"], core=settings["core"], argv=settings["argv"], force=settings["force"])
    # registered before the program registers anything, so it runs after all of that
    atexit.register(_end, running)
    _end_before_hard_exit(running)
    name = settings["loop"]
    if name is not None:
        try:
            loops.make_default(_not_itself(loop_factory(name)))
        except Exception as error:
            sys.stderr.write(f"asyncio-trace: no loop is to be had from --loop {name}: {type(error).__name__}: {error}\n")
            raise SystemExit(2) from None


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


def _end(running: session.Session) -> None:
    failure = running.end()
    if failure is not None and sys.__stderr__ is not None:
        sys.__stderr__.write(f"asyncio-trace: the recording has a gap: {failure}\n")


def _end_before_hard_exit(running: session.Session) -> None:
    """`os._exit` skips `atexit`; what has gathered is written before it, in this process only."""
    hard_exit = os._exit

    def _exit(status: int) -> Any:
        if session.active() is running:
            os._exit = hard_exit
            _end(running)
        hard_exit(status)

    os._exit = _exit
