"""How busy each loop was over time, and how long tasks that were ready had to wait for it.

**Lag** is the time from when a task is ready to when it runs, once for each step that follows a wait and for each task's first
step; what a task's own eager first step inside its creator takes none of. A loop in good order has little of it, whatever the
program waits for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asyncio_trace.model import Trace
from asyncio_trace.model.codes import NEVER
from asyncio_trace.model.columns import Int64

SPANS = 60
"""Stretches of equal length into which a loop's life is cut."""

_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lag:
    """Ready times of steps, in nanoseconds; percentiles are of the steps (the nearest rank), 0 if there is no step."""

    steps: int
    p50_ns: int
    p99_ns: int
    max_ns: int


NO_LAG = Lag(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class LoopLoad:
    """One loop's life in `SPANS` stretches."""

    loop: int
    from_ns: int
    to_ns: int
    busy: list[float]
    """Share of each stretch that it ran steps and callbacks, from 0 to 1."""
    lag_ns: list[int]
    """The longest lag of the steps that began in each stretch."""
    ready: list[float]
    """How many tasks were ready and not running, in the mean of each stretch,"""
    most_ready: list[int]
    """and at most."""
    lag: Lag
    """Of all its steps."""


@dataclass(frozen=True, slots=True)
class _Queued:
    """Stretches in which a task was ready and not running."""

    loop: Int64
    ready: Int64
    ran: Int64


def lag(trace: Trace) -> Lag:
    """The lag of all steps of all loops."""
    queued = _queued(trace)
    return _lag(queued.ran - queued.ready)


def loop_loads(trace: Trace, end_ns: int) -> list[LoopLoad]:
    """The load of each loop that ran something, in the order in which loops were made.

    Args:
        trace: The trace.
        end_ns: Its last instant.
    """
    queued, runs = _queued(trace), trace.runs.columns
    begin = trace.program.recorded_from_ns
    lives = {loop.id: (max(begin, loop.created_ns), loop.closed_ns) for loop in trace.program.loops}
    for number in np.unique(runs.loop).tolist():
        lives.setdefault(number, (begin, None))
    loads = []
    for number, (first, closed) in lives.items():
        mine = runs.loop == number
        last = end_ns if closed is None else closed
        if last > first and mine.any():
            of_loop = queued.loop == number
            own = _Queued(queued.loop[of_loop], queued.ready[of_loop], queued.ran[of_loop])
            loads.append(_load(number, first, last, runs.start_ns[mine], runs.end_ns[mine], own))
    return loads


def _queued(trace: Trace) -> _Queued:
    waits, tasks = trace.waits.columns, trace.tasks.columns
    ran = (waits.end_ns != NEVER) & (waits.ready_ns != NEVER) & (waits.task_row >= 0)
    began = (tasks.started_ns != NEVER) & ~tasks.eager
    loop = np.concatenate((tasks.loop[waits.task_row[ran]], tasks.loop[began]))
    ready = np.concatenate((waits.ready_ns[ran], tasks.created_ns[began]))
    end = np.concatenate((waits.end_ns[ran], tasks.started_ns[began]))
    return _Queued(loop, ready, np.maximum(ready, end))


def _lag(lags: Int64) -> Lag:
    if not len(lags):
        return NO_LAG
    ranks = [(len(lags) * percent + 99) // 100 - 1 for percent in (50, 99)]
    parted = np.partition(lags, ranks)
    return Lag(len(lags), int(parted[ranks[0]]), int(parted[ranks[1]]), int(lags.max()))


def _load(number: int, first: int, last: int, starts: Int64, ends: Int64, queued: _Queued) -> LoopLoad:
    edges = np.linspace(0, last - first, SPANS + 1)
    width = (last - first) / SPANS
    ready, ran = np.sort(queued.ready) - first, np.sort(queued.ran) - first
    lags = queued.ran - queued.ready
    span = np.clip(((queued.ran - first) / width).astype(np.int64), 0, SPANS - 1)
    longest = np.zeros(SPANS, np.int64)
    np.maximum.at(longest, span, lags)
    level = np.arange(1, len(ready) + 1) - np.searchsorted(ran, ready, "right")
    most = np.maximum(0, np.searchsorted(ready, edges[:-1], "right") - np.searchsorted(ran, edges[:-1], "right"))
    np.maximum.at(most, np.clip((ready / width).astype(np.int64), 0, SPANS - 1), level)
    return LoopLoad(
        loop=number,
        from_ns=first,
        to_ns=last,
        busy=_rounded(np.diff(_until(edges, np.sort(starts) - first) - _until(edges, np.sort(ends) - first)) / width),
        lag_ns=longest.tolist(),
        ready=_rounded(np.diff(_until(edges, ready) - _until(edges, ran)) / width),
        most_ready=most.tolist(),
        lag=_lag(lags),
    )


def _until(edges: _Numbers, begins: Int64) -> _Numbers:
    """For each edge the sum of what has passed since each of the instants before it; `begins` ascends."""
    number = np.searchsorted(begins, edges, "right")
    sums = np.concatenate(([0.0], np.cumsum(begins, dtype=np.float64)))
    passed: _Numbers = number * edges - sums[number]
    return passed


def _rounded(numbers: _Numbers) -> list[float]:
    rounded: list[float] = np.round(np.maximum(0, numbers), 4).tolist()
    return rounded
