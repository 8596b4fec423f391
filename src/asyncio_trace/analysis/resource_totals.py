"""Where the time went by lock, semaphore, queue and the like: who waited for it, who held it, and how long queues were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asyncio_trace.model import Site, Trace
from asyncio_trace.model.codes import NEVER
from asyncio_trace.model.columns import Int64


@dataclass(frozen=True, slots=True)
class ResourceTotal:
    """One lock, semaphore, event, condition, barrier or queue. Times are nanoseconds."""

    id: int
    type: str
    waits: int
    waiting_ns: int
    """Of all tasks that waited for it."""
    holds: int
    """How often it, or a unit of it, was taken."""
    held_ns: int
    """Of all holds; what was not given back is held until the end."""
    longest_hold_ns: int
    longest_holder: int | None
    """The task of that hold, if a task took it."""
    held_at: Site | None
    """The line that took it for the longest time in all."""
    most: int | None
    """Most items of a queue, or tasks at a barrier, at once; None for what has no such number."""
    mean: float | None
    """The same in the mean over time, from its first change on."""


def by_resource(trace: Trace, end_ns: int) -> list[ResourceTotal]:
    """What was waited for or held; what was waited for longest in all comes first.

    Args:
        trace: The trace.
        end_ns: Its last instant.
    """
    rows = list(trace.resources)
    ids = np.array([row.id for row in rows], np.int64)
    if not len(ids):
        return []
    order = np.argsort(ids)
    waits, waiting = _waits(trace, ids[order], end_ns)
    held = _Held(trace, ids[order], end_ns)
    levels = _levels(trace, end_ns)
    totals = []
    for place, row in enumerate(rows[number] for number in order.tolist()):
        number, ns = int(waits[place]), int(waiting[place])
        if not number and not held.count[place] and row.id not in levels:
            continue
        longest, holder, site = held.of(place)
        most, mean = levels.get(row.id, (None, None)) if row.role in ("queue", "barrier") else (None, None)
        totals.append(
            ResourceTotal(
                row.id, row.type, number, ns, int(held.count[place]), int(held.ns[place]), longest, holder, site, most, mean
            )
        )
    return sorted(totals, key=lambda total: (-total.waiting_ns, -total.held_ns, total.id))


def _places(ids: Int64, wanted: Int64) -> tuple[Int64, Int64]:
    """Which of the wanted ids are there, and at which place."""
    place = np.searchsorted(ids, wanted)
    there = np.flatnonzero((place < len(ids)) & (ids[np.minimum(place, len(ids) - 1)] == wanted))
    return there, place[there]


def _waits(trace: Trace, ids: Int64, end_ns: int) -> tuple[Int64, Int64]:
    waits = trace.waits.columns
    there, place = _places(ids, waits.awaited_id)
    until = np.where(waits.ready_ns[there] == NEVER, end_ns, waits.ready_ns[there])
    length = np.zeros(len(ids), np.int64)
    np.add.at(length, place, until - waits.start_ns[there])
    return np.bincount(place, minlength=len(ids)), length


class _Held:
    """The holds, by resource."""

    def __init__(self, trace: Trace, ids: Int64, end_ns: int) -> None:
        self._trace = trace
        self._holds = trace.holds.columns
        rows, place = _places(ids, self._holds.resource)
        lengths = (np.where(self._holds.to_ns == NEVER, end_ns, self._holds.to_ns) - self._holds.from_ns)[rows]
        self.count = np.bincount(place, minlength=len(ids))
        self.ns = np.zeros(len(ids), np.int64)
        np.add.at(self.ns, place, lengths)
        self._lengths, self._rows = lengths, rows
        self._longest = _largest(place, lengths, len(ids))
        at = self._holds.at[rows].astype(np.int64)
        lines, line = np.unique(place * (len(trace.sites) + 1) + at + 1, return_inverse=True)
        sums = np.zeros(len(lines), np.int64)
        np.add.at(sums, line, lengths)
        self._lines = lines % (len(trace.sites) + 1) - 1
        self._line = _largest(lines // (len(trace.sites) + 1), sums, len(ids))

    def of(self, place: int) -> tuple[int, int | None, Site | None]:
        """The longest hold, whose it was, and the line that held longest in all."""
        longest = int(self._longest[place])
        if longest < 0:
            return 0, None, None
        task, line = int(self._holds.task[self._rows[longest]]), int(self._lines[self._line[place]])
        return int(self._lengths[longest]), task or None, self._trace.sites[line] if line >= 0 else None


def _largest(groups: Int64, values: Int64, number: int) -> Int64:
    """For each group the place of its largest value; -1 for an empty one."""
    order = np.lexsort((values, groups))
    found = np.full(number, -1, np.int64)
    found[groups[order]] = order  # the last one stays
    return found


def _levels(trace: Trace, end_ns: int) -> dict[int, tuple[int, float]]:
    """By resource the highest level, and the mean over time."""
    levels = trace.levels.columns
    order = np.lexsort((levels.ns, levels.resource))
    resource, ns, value = levels.resource[order], levels.ns[order], levels.value[order]
    found = {}
    bounds = np.unique(resource, return_index=True)[1].tolist()
    for first, last in zip(bounds, [*bounds[1:], len(resource)][: len(bounds)], strict=True):
        lengths = np.diff(ns[first:last], append=end_ns)
        whole = int(lengths.sum())
        mean = float((lengths * value[first:last]).sum() / whole) if whole > 0 else float(value[last - 1])
        found[int(resource[first])] = int(value[first:last].max()), round(mean, 4)
    return found
