"""How busy each loop was over time, and how long tasks that were ready had to wait for it.

**Lag** is the time from when a task is ready to when it runs, once for each step that follows a wait and for each task's first
step; what a task's own eager first step inside its creator takes none of. A loop in good order has little of it, whatever the
program waits for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from asyncio_trace.model import Trace
from asyncio_trace.model.codes import NEVER
from asyncio_trace.model.columns import Int64

SPANS = 60
"""Stretches of equal length into which a loop's life is cut."""

_AT_ONCE = 1 << 19
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


def lag(trace: Trace) -> Lag:
    """The lag of all steps of all loops."""
    _, ready, ran = _queued(trace)
    return _lag(np.subtract(ran, ready, out=ran))


def loop_loads(trace: Trace, end_ns: int) -> list[LoopLoad]:
    """The load of each loop that ran something, in the order in which loops were made.

    Args:
        trace: The trace.
        end_ns: Its last instant.
    """
    (loop, ready, ran), runs = _queued(trace), trace.runs.columns
    begin = trace.program.recorded_from_ns
    lives = {loop.id: (max(begin, loop.created_ns), loop.closed_ns) for loop in trace.program.loops}
    for number in np.unique(runs.loop).tolist():
        lives.setdefault(number, (begin, None))
    loads = []
    for number, (first, closed) in lives.items():
        last = end_ns if closed is None else closed
        mine, queued = _of(number, runs.loop), _of(number, loop)
        starts, ends = runs.start_ns[mine], runs.end_ns[mine]
        if last > first and len(starts):
            loads.append(_load(number, first, last, (starts, ends), (ready[queued], ran[queued])))
    return loads


def _of(number: int, loops: Int64) -> Any:
    """What selects the rows of one loop; all of them without a copy, if there is no other."""
    mine = loops == number
    return slice(None) if mine.all() else mine


def _queued(trace: Trace) -> tuple[Int64, Int64, Int64]:
    """Stretches in which a task was ready and not running: its loop, from when, to when."""
    waits, tasks = trace.waits.columns, trace.tasks.columns
    ran = (waits.end_ns != NEVER) & (waits.ready_ns != NEVER) & (waits.task_row >= 0)
    began = (tasks.started_ns != NEVER) & ~tasks.eager
    loop = np.concatenate((tasks.loop[waits.task_row[ran]], tasks.loop[began]))
    ready = np.concatenate((waits.ready_ns[ran], tasks.created_ns[began]))
    end = np.concatenate((waits.end_ns[ran], tasks.started_ns[began]))
    return loop, ready, np.maximum(ready, end, out=end)


def _lag(lags: Int64) -> Lag:
    """Of ready times, which are put into another order."""
    if not len(lags):
        return NO_LAG
    ranks = [(len(lags) * percent + 99) // 100 - 1 for percent in (50, 99)]
    lags.partition(ranks)
    return Lag(len(lags), int(lags[ranks[0]]), int(lags[ranks[1]]), int(lags[ranks[1] :].max()))


def _load(number: int, first: int, last: int, ran: tuple[Int64, Int64], queued: tuple[Int64, Int64]) -> LoopLoad:
    """One loop's load; `ran` are begins and ends of its runs, `queued` those of the stretches in line."""
    edges = first + np.linspace(0, last - first, SPANS + 1)
    width = (last - first) / SPANS
    longest = np.zeros(SPANS, np.int64)
    for begins, ends in zip(*map(_pieces, queued), strict=True):
        _highest(longest, (ends - first) / width, ends - begins)
    lags = queued[1] - queued[0]
    of_all = _lag(lags)
    del lags
    begins, ends = _sorted(queued[0]), _sorted(queued[1])
    most = np.maximum(0, np.searchsorted(begins, edges[:-1], "right") - np.searchsorted(ends, edges[:-1], "right"))
    done = 0
    for some in _pieces(begins):
        level = np.arange(done + 1, done + len(some) + 1) - np.searchsorted(ends, some, "right")
        _highest(most, (some - first) / width, level)
        done += len(some)
    return LoopLoad(
        loop=number,
        from_ns=first,
        to_ns=last,
        busy=_rounded(np.diff(_until(edges, _sorted(ran[0])) - _until(edges, _sorted(ran[1]))) / width),
        lag_ns=longest.tolist(),
        ready=_rounded(np.diff(_until(edges, begins) - _until(edges, ends)) / width),
        most_ready=most.tolist(),
        lag=of_all,
    )


def _sorted(times: Int64) -> Int64:
    """In ascending order, as most of them are already: that is what this kind of sorting is quick at."""
    return np.sort(times, kind="stable")


def _pieces(column: Int64) -> Iterator[Int64]:
    """A long column in parts, so that what is made of each needs little memory."""
    for start in range(0, len(column), _AT_ONCE):
        yield column[start : start + _AT_ONCE]


def _highest(highest: Int64, places: _Numbers, values: Int64) -> None:
    """Raise the highest value of each stretch in which one of these lies."""
    np.maximum.at(highest, np.clip(places, 0, SPANS - 1).astype(np.int64), values)


def _until(edges: _Numbers, begins: Int64) -> _Numbers:
    """For each edge the sum of what has passed since each of the instants before it; `begins` ascends."""
    number = np.searchsorted(begins, edges, "right")
    bounds = [0, *number.tolist()]
    sums = np.cumsum([begins[low:high].sum(dtype=np.float64) for low, high in pairwise(bounds)])
    passed: _Numbers = number * edges - sums
    return passed


def _rounded(numbers: _Numbers) -> list[float]:
    rounded: list[float] = np.round(np.maximum(0, numbers), 4).tolist()
    return rounded
