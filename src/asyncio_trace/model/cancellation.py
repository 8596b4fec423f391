"""The way of a cancellation: from the task that was asked first, through those that it awaits, to the one that waits itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asyncio_trace.model.codes import NEVER, NONE
from asyncio_trace.model.waiting import awaited_pairs

if TYPE_CHECKING:
    from asyncio_trace.model.trace import Trace


def cancelled_through(trace: Trace) -> dict[int, tuple[int, ...]]:
    """For each task whose cancellation came down through others: those, from the one that was asked first.

    `Task.cancelled_by` is the same for all of them: who asked that first one. Cancelling a task that waits cancels what it
    waits for (a task, the children of a gather), which ends; only then does it end itself.
    """
    tasks, waits = trace.tasks.columns, trace.waits.columns
    origin = tasks.cancelled_by
    cancelled = tasks.id[origin.kind != 0]
    row_of = {number: row for row, number in enumerate(tasks.id.tolist())}
    above: dict[int, int] = {}
    places, ids = awaited_pairs(trace)
    for place, number in zip(*_where(np.isin(ids, cancelled), places, ids), strict=True):
        upper, lower = int(waits.task_row[place]), row_of[number]
        if upper == NONE or not origin.kind[upper]:
            continue
        ns, ended = origin.ns[lower], waits.end_ns[place]
        same = all(getattr(origin, name)[upper] == getattr(origin, name)[lower] for name in ("kind", "task", "at", "label"))
        if same and waits.start_ns[place] <= ns and (ended == NEVER or ns <= ended) and origin.ns[upper] <= ns:
            above[lower] = upper
    return {int(tasks.id[row]): way for row in above if (way := tuple(int(tasks.id[upper]) for upper in _way(row, above)))}


def _where(which: np.ndarray, *columns: np.ndarray) -> tuple[list[int], ...]:
    return tuple(column[which].tolist() for column in columns)


def _way(row: int, above: dict[int, int]) -> list[int]:
    way = [row]
    while row in above and above[row] not in way:
        row = above[row]
        way.append(row)
    return way[:0:-1]
