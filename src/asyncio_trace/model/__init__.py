"""A recording as tables: what happened, independent of how it was captured or will be shown."""

from asyncio_trace.model.codes import NEVER, NONE, OUTCOMES, WAKER_KINDS
from asyncio_trace.model.load import load
from asyncio_trace.model.table import Table
from asyncio_trace.model.tables import (
    Awaited,
    Callback,
    Future,
    Hold,
    Idle,
    Iteration,
    Job,
    Level,
    Loop,
    Member,
    Program,
    Resource,
    Run,
    Site,
    Task,
    Wait,
    Wake,
    Waker,
)
from asyncio_trace.model.trace import Trace
from asyncio_trace.model.witnesses import LostCoroutine, LostException, Sample, Witnesses

__all__ = [
    "NEVER",
    "NONE",
    "OUTCOMES",
    "WAKER_KINDS",
    "Awaited",
    "Callback",
    "Future",
    "Hold",
    "Idle",
    "Iteration",
    "Job",
    "Level",
    "Loop",
    "LostCoroutine",
    "LostException",
    "Member",
    "Program",
    "Resource",
    "Run",
    "Sample",
    "Site",
    "Table",
    "Task",
    "Trace",
    "Wait",
    "Wake",
    "Waker",
    "Witnesses",
    "load",
]
