"""What a core is, and the one place that selects it.

A core is the hot part of the tracer: what stands in for a loop's methods and handles. Everything else (installing, sessions,
files) is common. The native core is an extension, and makes the same events as the Python core, for far less.
"""

from __future__ import annotations

import importlib
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from asyncio_trace.errors import UsageError
from asyncio_trace.tracer.loop_state import LoopState
from asyncio_trace.tracer.recorder import Recorder

Method = Callable[..., Any]

CORES = ("auto", "python", "native")


class Core(Protocol):
    """Made for one trace; its replacements write to that trace's recorder."""

    name: str

    def attach(self, loop: AbstractEventLoop, *, foreign: bool) -> LoopState:
        """Begin to follow a loop; tasks that it already has are taken in."""

    def asyncio_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of `BaseEventLoop`, each falling back on its original for loops that are not followed."""

    def handle_run_method(self, original: Method) -> Method:
        """Replacement for `Handle._run`, for handles that are not the core's own."""

    def process_events_method(self, original: Method) -> Method:
        """Replacement for `_process_events` of a class of asyncio's."""

    def foreign_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of a loop class that is not built on `BaseEventLoop`."""

    def resource_attribute(self, name: str, role: int) -> Any:
        """What stands in front of an attribute of a lock or the like: see `resources.attributes`."""

    def resource_methods(self, original: dict[str, Method]) -> dict[str, Method]:
        """Replacements for methods of `asyncio.Queue` and `asyncio.Event`: see `resources.METHODS`."""

    def ending(self, loop: LoopState) -> None:
        """The trace ends now: record the step that is running on the loop."""

    def release(self) -> None:
        """Leave everything as if it had never been there."""


def resolve(name: str) -> str:
    """The core that `name` means here: "auto" is the fastest there is.

    Raises:
        UsageError: There is no such core, or it can't be had here.
    """
    if name not in CORES:
        raise UsageError(f"no core is called {name!r}; there are: {', '.join(CORES)}")
    if name == "python":
        return name
    missing = why_not_native()
    if missing is None:
        return "native"
    if name == "native":
        raise UsageError(f"the native core is not to be had here: {missing}; use --core python or --core auto")
    return "python"


@cache
def why_not_native() -> str | None:
    """Why the native core can't be used in this interpreter; None if it can."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "this Python runs without a GIL"
    try:
        importlib.import_module("asyncio_trace.tracer.native_core._native")
    except ImportError as error:
        return (
            "this build has none"
            if error.name == "asyncio_trace.tracer.native_core._native" and error.path is None
            else str(error)
        )
    if importlib.import_module("asyncio").Task.__module__ != "_asyncio":
        return "asyncio's tasks are in Python here"
    return None


def core_parts(
    name: str,
) -> tuple[type[Recorder], Callable[[Any, Callable[[AbstractEventLoop], LoopState | None], int], Core]]:
    """What makes the recorder and the core called `name`, for one trace. The recorder takes a sink and a clock; the core the
    recorder, a function that gives the state of a loop, attaching it if it is to be followed, and from which length on,
    in ns, a run blocks.

    Raises:
        UsageError: There is no such core, or it can't be had here.
    """
    if resolve(name) == "native":
        from asyncio_trace.tracer.native_core.core import NativeCore
        from asyncio_trace.tracer.native_core.recorder import NativeRecorder

        return NativeRecorder, NativeCore
    from asyncio_trace.tracer.python_core.core import PythonCore

    return Recorder, PythonCore
