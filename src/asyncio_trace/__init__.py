"""See what an asyncio event loop does: who runs, who waits on whom, who woke whom, and where the time went.

The names here are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "TracingEventLoopPolicy",
    "__version__",
    "dump",
    "instrument",
    "load",
    "new_event_loop",
    "start",
    "stop",
    "trace",
]

if TYPE_CHECKING:
    from asyncio_trace.api import TracingEventLoopPolicy, dump, instrument, new_event_loop, start, stop, trace
    from asyncio_trace.model import load


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module("asyncio_trace.model" if name == "load" else "asyncio_trace.api")
    value = globals()[name] = getattr(module, name)
    return value
