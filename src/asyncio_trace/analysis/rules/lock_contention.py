"""Rule `lock-contention`: waits on one lock, semaphore or queue that add up, because it is held across something slow.

Waiting for one's turn is what locks are for; what costs is a lock that is held while its holder waits for something else. A
semaphore, or a queue with a size, is there to make tasks wait: many tasks that are made at once and let in a few at a time are
as they should be. Those count only if tasks come as the program goes on, and find no room.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asyncio_trace.analysis.evidence import duration, function, listed, own_line, place, plural
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, Site, Trace
from asyncio_trace.model.columns import Int64

NAME = "lock-contention"
_KINDS = ("lock", "semaphore", "queue.put")
_ADDS_UP_NS = 100_000_000
"""Waits together, at least;"""
_SHARE = 0.3
"""and this part of the lives of the tasks that waited."""
_LOOP_LATE = 0.5
"""If those that waited were ready but not running for so much of it, the loop is what is late, and makes every hold long."""
_WAITERS = 2
_LATECOMERS = 0.5
"""For a semaphore or a queue: the part of the time of its use over which the tasks that waited were created."""
_HELD_NS = 1_000_000
"""Mean time that it was held; shorter holds are no matter of what is done meanwhile."""
_MOST = 20
"""Findings; the worst."""


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each lock, semaphore or queue, the one that cost most first."""
    waits = trace.waits.columns
    numbers = [trace.wait_kinds.number(kind) for kind in _KINDS]
    mine = np.flatnonzero(np.isin(waits.kind, numbers) & (waits.awaited_id != 0) & (waits.task_row != NONE))
    if not len(mine):
        return
    until = np.where(waits.ready_ns[mine] == NEVER, trace.program.duration_ns, waits.ready_ns[mine])
    lengths = until - waits.start_ns[mine]
    resources, of = np.unique(waits.awaited_id[mine], return_inverse=True)
    totals = np.bincount(of, lengths)
    order = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[order], np.arange(len(resources) + 1))
    found = 0
    for number in np.argsort(-totals).tolist():
        if totals[number] < _ADDS_UP_NS or found == _MOST:
            return
        rows = order[bounds[number] : bounds[number + 1]]
        for finding in _contention(trace, int(resources[number]), mine[rows], lengths[rows]):
            found += 1
            yield finding


def _contention(trace: Trace, resource: int, mine: Int64, lengths: Int64) -> Iterator[Finding]:
    tasks, waits, holds = trace.tasks.columns, trace.waits.columns, trace.holds.columns
    rows = np.unique(waits.task_row[mine])
    ends = np.where(tasks.ended_ns[rows] == NEVER, trace.program.duration_ns, tasks.ended_ns[rows])
    lives = int((ends - tasks.created_ns[rows]).sum())
    total = int(lengths.sum())
    if len(rows) < _WAITERS or total < _SHARE * lives or tasks.ready_ns[rows].sum() > _LOOP_LATE * total:
        return
    kind = trace.wait_kinds[int(waits.kind[mine[0]])]
    created = tasks.created_ns[rows]
    used = int(ends.max() - waits.start_ns[mine].min())
    if kind != "lock" and created.max() - created.min() < _LATECOMERS * used:
        return
    held = np.flatnonzero(holds.resource == resource)
    held_for = np.where(holds.to_ns[held] == NEVER, trace.program.duration_ns, holds.to_ns[held]) - holds.from_ns[held]
    if kind != "queue.put" and (not len(held) or held_for.mean() < _HELD_NS):
        return
    at = _line(trace, mine, lengths)
    worst = int(mine[lengths.argmax()])
    name = f"{trace.waits[worst].awaited.type or kind} #{resource}"
    message = f"{plural(len(rows), 'task')} waited {duration(total)} in all for {name}"
    message += f" ({100 * total // max(1, lives)} % of their lives), {duration(int(lengths.max()))} at most"
    yield Finding(
        rule=NAME,
        severity="warning" if kind == "lock" else "info",
        task=int(tasks.id[waits.task_row[worst]]),
        start_ns=int(waits.start_ns[mine].min()),
        end_ns=int((waits.start_ns[mine] + lengths).max()),
        at=_taken_at(trace, held, held_for) or at,
        message=message + _holders(trace, held, held_for),
        advice=_advice(kind),
    )


def _line(trace: Trace, mine: Int64, lengths: Int64) -> Site | None:
    """The line that waited longest in all."""
    return own_line(trace.stacks[int(np.bincount(trace.waits.columns.stack[mine], lengths).argmax())])


def _taken_at(trace: Trace, held: Int64, held_for: Int64) -> Site | None:
    """The line that took it and kept it longest in all."""
    at = trace.holds.columns.at[held]
    known = at != NONE
    if not known.any():
        return None
    return trace.sites[int(np.bincount(at[known], held_for[known]).argmax())]


def _holders(trace: Trace, held: Int64, held_for: Int64) -> str:
    """Who held it, from which lines, for how long."""
    if not len(held):
        return ""
    holds, tasks = trace.holds.columns, trace.tasks.columns
    names = []
    for hold in held[np.argsort(-held_for, kind="stable")].tolist():
        row, site = int(holds.task_row[hold]), int(holds.at[hold])
        who = function(trace.strings[int(tasks.coroutine[row])]) if row != NONE else "somebody"
        names.append(who if site == NONE else f"{who} ({place(trace.sites[site])})")
        if len(names) > 1000:
            break
    return f"; held by {listed(names)}, {duration(int(held_for.mean()))} at a time"


def _advice(kind: str) -> str:
    if kind == "queue.put":
        return "more consumers, or quicker ones; a larger queue only hides it"
    if kind == "semaphore":
        return "let more in at a time if what it guards can take it, or hold it for less"
    return "do what is slow before or after, outside of `async with`; or use one lock for each thing that is guarded"
