"""Rule `task-leak`: tasks that nobody will ever end.

Two things show it: tasks that are pending when their loop closes, and tasks of one creation site that only grow in number
over the run. Growth alone is no fault (clients that stay connected), so those must have been idle from their beginnings, and
must not wait for the network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from asyncio_trace.analysis.evidence import duration, function, is_whole, plural, task_name
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, OUTCOMES, WAKER_KINDS, Loop, Trace
from asyncio_trace.model.columns import Int64

NAME = "task-leak"
_GREW_TO = 20
"""Tasks of a site that live at the end."""
_SURVIVE = 0.9
"""Part of those ever created there."""
_SPREAD = 0.5
"""Part of the loop's life over which they were created: a pool that is made at once only looks like growth."""
_IDLE = 0.9
"""Part of their lives that they spent in their last wait."""
_FEW_STEPS = 3
"""Steps of a task that was created only just now, and can't have waited for long."""
_LOOKS = 8
"""Instants at which they are counted; at each there must be more."""
_PENDING = OUTCOMES.index("pending")
_LOOP = WAKER_KINDS.index("loop")
_OUTSIDE = ("stream.read", "stream.write", "socket", "process", "executor", "other")
"""Kinds of waits that end when somebody outside of the program wants it."""


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each creation site."""
    if not is_whole(trace):
        return
    told: set[tuple[int, int]] = set()
    for loop in trace.program.loops:
        if loop.closed_ns is not None:
            for site, rows in _by_site(trace, _pending(trace, loop)):
                told.add((loop.id, site))
                yield _pending_at_close(trace, site, rows, loop.closed_ns)
    for loop in trace.program.loops:
        end = trace.program.duration_ns if loop.closed_ns is None else loop.closed_ns
        for site, rows in _by_site(trace, np.flatnonzero(trace.tasks.columns.loop == loop.id)):
            if site != NONE and (loop.id, site) not in told and len(rows) >= _GREW_TO:
                yield from _growing(trace, site, rows, loop.created_ns, end)


def _pending(trace: Trace, loop: Loop) -> Int64:
    tasks = trace.tasks.columns
    closed = trace.program.duration_ns if loop.closed_ns is None else loop.closed_ns
    # what is thrown away with a closed loop may look like a new task in its last moment
    return np.flatnonzero((tasks.loop == loop.id) & (tasks.outcome == _PENDING) & (tasks.created_ns < closed))


def _by_site(trace: Trace, rows: Int64) -> list[tuple[int, Int64]]:
    """Rows of tasks by the number of the site that created them, in the order of their first."""
    sites = trace.tasks.columns.created_at[rows]
    distinct, first = np.unique(sites, return_index=True)
    order = np.argsort(first)
    by_site = np.argsort(sites, kind="stable")
    bounds = np.searchsorted(sites[by_site], [distinct, distinct + 1])
    return [(int(distinct[at]), rows[by_site[bounds[0][at] : bounds[1][at]]]) for at in order]


def _who(trace: Trace, rows: Int64) -> str:
    if len(rows) == 1:
        return task_name(trace, int(rows[0]))
    coroutines = np.bincount(trace.tasks.columns.coroutine[rows])
    return f"{plural(len(rows), 'task')} of {function(trace.strings[int(coroutines.argmax())])}"


def _pending_at_close(trace: Trace, site: int, rows: Int64, closed: int) -> Finding:
    tasks = trace.tasks.columns
    are = "was" if len(rows) == 1 else "were"
    return Finding(
        rule=NAME,
        severity="warning",
        task=int(tasks.id[rows[0]]) if len(rows) == 1 else None,
        start_ns=int(tasks.created_ns[rows].min()),
        end_ns=closed,
        at=trace.sites[site] if site != NONE else None,
        message=f"{_who(trace, rows)} {are} still pending when the loop closed: they never ended, nor will"
        if len(rows) > 1
        else f"{_who(trace, rows)} was still pending when the loop closed: it never ended, nor will it",
        advice="keep the tasks and await them, or cancel them before the loop closes; a TaskGroup does both",
    )


def _growing(trace: Trace, site: int, rows: Int64, begin: int, end: int) -> Iterator[Finding]:
    tasks = trace.tasks.columns
    ended = tasks.ended_ns[rows]
    at_the_end = (ended == NEVER) | (tasks.cancelled_by.kind[rows] == _LOOP)
    created = tasks.created_ns[rows]
    if at_the_end.sum() < max(_GREW_TO, _SURVIVE * len(rows)) or created.max() - created.min() < _SPREAD * (end - begin):
        return
    over = np.where(at_the_end, end, ended)
    looks = np.linspace(created.min(), created.max(), _LOOKS)
    alive = [int(((created <= look) & (over > look)).sum()) for look in looks]
    survivors = rows[at_the_end]
    if any(later <= earlier for earlier, later in pairwise(alive)) or not _are_idle(trace, survivors, end):
        return
    every = (int(created.max()) - int(created.min())) // max(1, len(rows) - 1)
    yield Finding(
        rule=NAME,
        severity="warning",
        task=None,
        start_ns=int(created.min()),
        end_ns=end,
        at=trace.sites[site],
        message=f"{_who(trace, survivors)} were alive at the end, one more every {duration(every)}: "
        f"of {len(rows):,} created here {len(rows) - len(survivors):,} ended",
        advice="see to it that each ends: give its wait a timeout, cancel it when its owner is done, or use a TaskGroup",
    )


def _are_idle(trace: Trace, rows: Int64, end: int) -> bool:
    """Whether tasks have hardly done anything but wait for one thing of the program's own."""
    tasks, waits = trace.tasks.columns, trace.waits.columns
    last: defaultdict[int, int] = defaultdict(lambda: NONE)
    chosen = np.flatnonzero(np.isin(waits.task_row, rows))
    last.update(zip(waits.task_row[chosen].tolist(), chosen.tolist(), strict=True))
    outside = {trace.wait_kinds.number(kind) for kind in _OUTSIDE}
    for row in rows.tolist():
        wait = last[row]
        if wait == NONE or int(waits.kind[wait]) in outside:
            return False
        since, created = int(waits.start_ns[wait]), int(tasks.created_ns[row])
        if end - since < _IDLE * (end - created) and tasks.steps[row] > _FEW_STEPS:
            return False
    return True
