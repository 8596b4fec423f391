"""Wakes that are flows: those that a run of a task did."""

from __future__ import annotations

from typing import NamedTuple

from asyncio_trace.exporters.perfetto import wire
from asyncio_trace.model import NEVER, Trace


class Flows(NamedTuple):
    """Fields of events: of flows that start in a run, by its row, and of the flow that ends a wait, by that row."""

    starts: dict[int, bytes]
    ends: dict[int, bytes]


def flows(trace: Trace) -> Flows:
    """A flow for each wait that a run of a task ended."""
    wakes, waits, runs = trace.wakes.columns, trace.waits.columns, trace.runs.columns
    known = wakes.run >= 0
    wait, run = wakes.wait[known], wakes.run[known]
    bound = (runs.task_row[run] >= 0) & (waits.task_row[wait] >= 0)
    bound &= (waits.ready_ns[wait] != NEVER) & (runs.start_ns[run] <= waits.ready_ns[wait])
    starts: dict[int, bytes] = {}
    ends: dict[int, bytes] = {}
    for at, source in zip(wait[bound].tolist(), run[bound].tolist(), strict=True):
        starts[source] = starts.get(source, b"") + wire.fixed(47, at + 1)
        ends[at] = wire.fixed(48, at + 1)
    return Flows(starts, ends)
