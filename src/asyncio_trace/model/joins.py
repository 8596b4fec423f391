"""Tables that follow from others: which run woke which wait, and what a loop did between its waits in the selector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asyncio_trace.model.codes import NONE, WAKER_KINDS
from asyncio_trace.model.columns import Int32, Int64, IterationColumns, RunColumns, WakeColumns

if TYPE_CHECKING:
    from asyncio_trace.model.trace import Trace

_TASK, _CALLBACK = WAKER_KINDS.index("task"), WAKER_KINDS.index("callback")


def wakes(trace: Trace) -> WakeColumns:
    """A row for each wait that has a waker."""
    waker = trace.waits.columns.waker
    rows = np.flatnonzero(waker.kind)
    kind, ns = waker.kind[rows], waker.ns[rows]
    runs = trace.runs.columns
    run = np.full(len(rows), NONE, np.int32)
    by_task = kind == _TASK
    run[by_task] = runs_at(runs, runs.task_row, waker.task_row[rows][by_task], ns[by_task])
    by_callback = kind == _CALLBACK
    name = np.where(runs.task_row == NONE, runs.callback, NONE).astype(np.int32)
    run[by_callback] = runs_at(runs, name, waker.label[rows][by_callback], ns[by_callback])
    return WakeColumns(wait=rows.astype(np.int32), run=run, kind=kind, ns=ns)


def runs_at(runs: RunColumns, keys: Int32, wanted: Int32, ns: Int64) -> Int32:
    """Of the runs that have the wanted key, the number of the one that was going on at an instant; `NONE` where none was.

    Args:
        runs: Ordered by start.
        keys: One for each run; rows of tasks, or numbers of texts.
        wanted: One for each question; `NONE` finds nothing.
        ns: The instants.
    """
    order = np.argsort(keys, kind="stable")
    sorted_keys, starts = keys[order], runs.start_ns[order]
    low = np.searchsorted(sorted_keys, wanted, "left")
    high = np.searchsorted(sorted_keys, wanted, "right")
    found = last_at_or_before(starts, low, high, ns)
    here = (found >= low) & (wanted != NONE)
    result = np.full(len(wanted), NONE, np.int32)
    result[here] = order[found[here]]
    ended = runs.end_ns[result] < ns
    result[here & ended] = NONE
    return result


def last_at_or_before(values: Int64, low: Int64, high: Int64, wanted: Int64) -> Int64:
    """For each question the place of the last value, of those at `low` to `high` (excluded), that is not above the wanted one;
    `low - 1` if all are. The values of each such stretch ascend. A binary search over all questions at once.
    """
    low, high = low.astype(np.int64), high.astype(np.int64)
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        below = open_.copy()
        below[open_] = values[middle[open_]] <= wanted[open_]
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low - 1


def iterations(trace: Trace) -> IterationColumns:
    """The stretches between the idle ones of each loop, from its begin to its end."""
    idle, runs, program = trace.idle.columns, trace.runs.columns, trace.program
    last = int(runs.end_ns.max(initial=program.duration_ns))
    parts = []
    for loop in program.loops:
        mine = idle.loop == loop.id
        order = np.argsort(idle.start_ns[mine], kind="stable")
        idle_start, idle_end = idle.start_ns[mine][order], idle.end_ns[mine][order]
        begin = max(loop.created_ns, program.recorded_from_ns)
        start = np.concatenate(([begin], idle_end))
        end = np.concatenate((idle_start, [last if loop.closed_ns is None else loop.closed_ns]))
        end = np.maximum(start, end)
        ours = runs.loop == loop.id
        run_start = runs.start_ns[ours]
        ran = np.concatenate(([0], np.cumsum(runs.end_ns[ours] - run_start)))
        place = np.concatenate((np.searchsorted(run_start, start, "left"), [len(run_start)]))
        place[0] = 0
        waited = np.concatenate(([0], idle_end - idle_start))
        loops = np.full(len(start), loop.id, np.int64)
        parts.append((loops, start, end, waited, np.diff(place), np.diff(ran[place])))
    columns = [np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True)] or [np.empty(0, np.int64)] * 6
    return IterationColumns(*columns)
