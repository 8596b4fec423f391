"""Rule `deadlock`: tasks that wait on each other, or on a lock, in a circle.

A wait is stuck if all that could end it are tasks that are stuck at the same time: the holders of a lock or of a semaphore's
units, the task that is awaited, or what is not done yet of a gather, a task group or `asyncio.wait`. What is left when all that
is not so is taken away is a deadlock, however many take part, and even if a timeout ended it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from asyncio_trace.analysis.evidence import is_whole, own_line, place, task_name
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, Site, Trace
from asyncio_trace.model.columns import Int64

NAME = "deadlock"
_MOST = 20_000
"""Waits that are looked at: those that lasted longest."""
_LEAST_NS = 1_000_000
"""How long they must have been stuck together."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """Somebody who could end a wait, and from when to when."""

    task_row: int
    start: int
    end: int
    at: Site | None
    """Where a lock was taken."""


@dataclass(slots=True, eq=False)
class _Stuck:
    """A wait that may be part of a deadlock."""

    task_row: int
    start: int
    end: int
    at: Site | None
    resource: int
    """The lock or semaphore; 0 if it waits on tasks."""
    by: list[_Hold]
    """The tasks that could have ended it in its last moment."""
    on: list[tuple[_Stuck, _Hold]] = field(default_factory=list)
    """Waits of those tasks at the same time."""


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each set of tasks that wait on each other."""
    if not is_whole(trace):
        return
    stuck = _only_on_each_other(_candidates(trace))
    for circle in _circles(stuck):
        yield _finding(trace, circle)


def _candidates(trace: Trace) -> list[_Stuck]:
    waits = trace.waits.columns
    number = trace.wait_kinds.number
    on_lock = np.isin(waits.kind, [number("lock"), number("semaphore")]) & (waits.awaited_id != 0)
    on_several = np.zeros(len(waits), np.bool_)
    on_several[trace.members.columns.wait] = True
    on_something = on_lock | on_several | (waits.awaited_task_row != NONE)
    if not on_something.any():
        return []
    chosen = np.flatnonzero(on_something & (waits.task_row != NONE))
    ends = np.where(waits.ready_ns[chosen] == NEVER, trace.program.duration_ns, waits.ready_ns[chosen])
    lengths = ends - waits.start_ns[chosen]
    order = np.argsort(-lengths, kind="stable")[:_MOST]
    order = order[lengths[order] >= _LEAST_NS]
    holds, members = _Holds(trace), _Members(trace)
    found = []
    for wait, end in zip(chosen[order].tolist(), ends[order].tolist(), strict=True):
        on = int(waits.awaited_task_row[wait])
        resource = int(waits.awaited_id[wait]) if on_lock[wait] else 0
        if on != NONE:
            by = [_Hold(on, 0, end, None)]
        else:
            by = holds.of(resource, end - _LEAST_NS) if on_lock[wait] else members.of(wait, end)
        if by:
            at = own_line(trace.stacks[int(waits.stack[wait])])
            found.append(_Stuck(int(waits.task_row[wait]), int(waits.start_ns[wait]), end, at, resource, by))
    return found


class _Holds:
    """Who holds what, looked up by the lock or semaphore."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._holds = trace.holds.columns
        self._order: Int64 = np.argsort(self._holds.resource, kind="stable")
        self._resources = self._holds.resource[self._order]

    def of(self, resource: int, ns: int) -> list[_Hold]:
        """The holders at an instant; none if anybody unknown holds it, too."""
        holds = self._holds
        low, high = np.searchsorted(self._resources, [resource, resource + 1]).tolist()
        mine = self._order[low:high]
        ends = np.where(holds.to_ns[mine] == NEVER, self._trace.program.duration_ns, holds.to_ns[mine])
        found = []
        for hold, end in zip(mine.tolist(), ends.tolist(), strict=True):
            if holds.from_ns[hold] <= ns < end:
                row, site = int(holds.task_row[hold]), int(holds.at[hold])
                if row == NONE:
                    return []
                found.append(_Hold(row, int(holds.from_ns[hold]), end, None if site == NONE else self._trace.sites[site]))
        return found


class _Members:
    """What waits for several are for, looked up by the wait."""

    def __init__(self, trace: Trace) -> None:
        self._members, self._tasks = trace.members.columns, trace.tasks.columns
        self._order: Int64 = np.argsort(self._tasks.id, kind="stable")
        self._ids = self._tasks.id[self._order]

    def of(self, wait: int, ns: int) -> list[_Hold]:
        """The tasks among them that are not done before an instant; none if there are futures that are not tasks."""
        low, high = np.searchsorted(self._members.wait, [wait, wait + 1]).tolist()
        ids = self._members.id[low:high]
        place = np.searchsorted(self._ids, ids)
        if not (self._ids[np.minimum(place, len(self._ids) - 1)] == ids).all():
            return []
        rows = self._order[place]
        ended = self._tasks.ended_ns[rows]
        return [_Hold(row, 0, ns, None) for row in rows[(ended == NEVER) | (ended >= ns)].tolist()]


def _only_on_each_other(candidates: list[_Stuck]) -> list[_Stuck]:
    """Those that nobody else could have ended."""
    of_task: defaultdict[int, list[_Stuck]] = defaultdict(list)
    for stuck in candidates:
        of_task[stuck.task_row].append(stuck)
    left = set(candidates)
    while True:
        gone = set()
        for stuck in left:
            stuck.on = []
            for hold in stuck.by:
                meanwhile = [
                    (other, hold) for other in of_task[hold.task_row] if other in left and _is_stuck(stuck, other, hold)
                ]
                if not meanwhile:
                    gone.add(stuck)
                    break
                stuck.on += meanwhile
        if not gone:
            return [stuck for stuck in candidates if stuck in left]
        left -= gone


def _is_stuck(stuck: _Stuck, other: _Stuck, hold: _Hold) -> bool:
    """Whether the holder was in its other wait while it held what this one waits for."""
    return min(stuck.end, other.end, hold.end) - max(stuck.start, other.start, hold.start) >= _LEAST_NS


def _circles(stuck: list[_Stuck]) -> Iterator[list[_Stuck]]:
    """The circles in what is left, one for each set of tasks; who only waits for a circle is not in it."""
    seen: set[_Stuck] = set()
    for first in stuck:
        path: list[_Stuck] = []
        at: _Stuck | None = first
        while at is not None and at not in seen and at not in path:
            path.append(at)
            at = at.on[0][0] if at.on else None
        if at is not None and at in path:
            circle = path[path.index(at) :]
            if min(one.end for one in circle) - max(one.start for one in circle) >= _LEAST_NS:
                yield circle
        seen.update(path)


def _finding(trace: Trace, circle: list[_Stuck]) -> Finding:
    first = min(circle, key=lambda stuck: (stuck.start, stuck.task_row))
    begin = circle.index(first)
    circle = [*circle[begin:], *circle[:begin]]
    last = max(circle, key=lambda stuck: (stuck.start, stuck.task_row))
    said = []
    for stuck, other in zip(circle, [*circle[1:], first], strict=True):
        name, by = task_name(trace, stuck.task_row), task_name(trace, other.task_row)
        where = f" at {place(stuck.at)}" if stuck.at is not None else ""
        if stuck.resource:
            taken = next((hold.at for hold in stuck.by if hold.task_row == other.task_row), None)
            what = f"lock #{stuck.resource}, which {by} holds" + (f" (taken at {place(taken)})" if taken is not None else "")
        else:
            what = by
        said.append(f"{name} waits{where} for {what}")
    itself = len(circle) == 1
    locks = any(stuck.resource for stuck in circle)
    advice = "take locks in one fixed order everywhere, or hold only one at a time"
    if itself:
        advice = "an asyncio lock can't be taken twice by one task: release it first, or pass on that it is held"
    elif not locks:
        advice = "let one of them not await the other: tasks that await each other never end"
    return Finding(
        rule=NAME,
        severity="error",
        task=int(trace.tasks.columns.id[last.task_row]),
        start_ns=last.start,
        end_ns=min(stuck.end for stuck in circle),
        at=last.at,
        message="; ".join(said),
        advice=advice,
    )
