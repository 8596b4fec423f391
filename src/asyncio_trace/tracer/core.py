"""What a core is, and the one place that selects it.

A core is the hot part of the tracer: what stands in for a loop's methods and handles. Everything else (installing, sessions,
files) is common. The Python core is here; a native core offers the same and makes the same events.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
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

    def ending(self, loop: LoopState) -> None:
        """The trace ends now: record the step that is running on the loop."""

    def release(self) -> None:
        """Leave everything as if it had never been there."""


def resolve(name: str) -> str:
    """The core that `name` means here: "auto" is the fastest there is.

    Raises:
        UsageError: There is no such core, or it is not built here.
    """
    if name not in CORES:
        raise UsageError(f"no core is called {name!r}; there are: {', '.join(CORES)}")
    if name == "native":
        raise UsageError("the native core is not part of this build; use --core python or --core auto")
    return "python"


def core_class(name: str) -> Callable[[Recorder, Callable[[AbstractEventLoop], LoopState | None]], Core]:
    """What makes the core called `name`, for one trace: call it with the trace's recorder and a function that gives the state
    of a loop, attaching it if it is to be followed.

    Raises:
        UsageError: There is no such core, or it is not built here.
    """
    resolve(name)
    from asyncio_trace.tracer.python_core.core import PythonCore

    return PythonCore
