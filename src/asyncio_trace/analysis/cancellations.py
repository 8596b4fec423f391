"""Who asked for cancellations: by the coroutine that was cancelled and the line that asked, with the way they came."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from asyncio_trace.model import NONE, Site, Trace
from asyncio_trace.model.cancellation import cancelled_through
from asyncio_trace.model.codes import WAKER_KINDS


@dataclass(slots=True)
class CancellationTotal:
    """All tasks of one coroutine whose cancellation was asked for at one place and came one way."""

    coroutine: str
    """Of the cancelled tasks."""
    by: str
    """Kind of waker: `task`, `callback`, `timer`, `io`, `thread`, `signal` or `loop`."""
    by_name: str | None
    """Coroutine of the task that asked, or name of the callback, timer or thread."""
    at: Site | None
    """The program's own line that asked, where one did."""
    through: tuple[str, ...]
    """Coroutines of the tasks through which it came, from the one that was asked first; empty if that is the task itself."""
    tasks: int = 0
    first_ns: int = 0
    """When it was asked for the first time."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Tasks by how they ended: one that caught its cancellation did not end as `cancelled`."""


def by_origin(trace: Trace) -> list[CancellationTotal]:
    """Tasks whose cancellation was asked for; the origin of most of them comes first. Of a task that was cancelled more than
    once the last time counts.
    """
    tasks = trace.tasks.columns
    rows = np.flatnonzero(tasks.cancelled_by.kind)
    if not len(rows):
        return []
    ways = cancelled_through(trace)
    coroutine_of = {int(tasks.id[row]): trace.strings[int(tasks.coroutine[row])] for row in _rows_of_ways(trace, ways)}
    sums: dict[tuple[object, ...], CancellationTotal] = {}
    for row in rows.tolist():
        origin = tasks.cancelled_by
        asker, label, site = int(origin.task_row[row]), int(origin.label[row]), int(origin.at[row])
        name = None if label == NONE else trace.strings[label]
        if asker != NONE:
            name = trace.strings[int(tasks.coroutine[asker])]
        through = tuple(coroutine_of[number] or "" for number in ways.get(int(tasks.id[row]), ()))
        coroutine = trace.strings[int(tasks.coroutine[row])] or ""
        key = (coroutine, int(origin.kind[row]), name, site, through)
        ns = int(origin.ns[row])
        total = sums.get(key)
        if total is None:
            at = None if site == NONE else trace.sites[site]
            total = sums[key] = CancellationTotal(coroutine, WAKER_KINDS[origin.kind[row]], name, at, through, first_ns=ns)
        total.tasks += 1
        total.first_ns = min(total.first_ns, ns)
        outcome = trace.tasks[row].outcome
        total.outcomes[outcome] = total.outcomes.get(outcome, 0) + 1
    return sorted(sums.values(), key=lambda total: (-total.tasks, total.first_ns))


def _rows_of_ways(trace: Trace, ways: dict[int, tuple[int, ...]]) -> list[int]:
    wanted = np.array(sorted({number for way in ways.values() for number in way}), np.int64)
    rows: list[int] = np.flatnonzero(np.isin(trace.tasks.columns.id, wanted)).tolist()
    return rows
