"""A recording as tables: what happened, independent of how it was captured or will be shown."""

from asyncio_trace.model.load import load
from asyncio_trace.model.tables import (
    Awaited,
    Future,
    Idle,
    Job,
    Loop,
    Program,
    Run,
    Site,
    Task,
    Trace,
    Wait,
    Waker,
)

__all__ = [
    "Awaited",
    "Future",
    "Idle",
    "Job",
    "Loop",
    "Program",
    "Run",
    "Site",
    "Task",
    "Trace",
    "Wait",
    "Waker",
    "load",
]
