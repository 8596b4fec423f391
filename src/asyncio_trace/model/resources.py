"""Locks, semaphores, events, barriers and queues as tables: who held what from when to when, and how long queues were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncio_trace.events import records as r
from asyncio_trace.model.tables import Hold, Level, Resource, Site, Waker
from asyncio_trace.recording.tables import Tables

_Change = r.ResourceReleased | r.ResourceSet | r.QueueLength


class ResourceBook:
    """Takes in the records of resources, in order.

    Args:
        tables: The recording's.
        site: The site of that number.
        waker: Who made a change.
        waits_at: The program's own line at which a task waits.
        known: Whether a task is one of the trace's.
    """

    def __init__(
        self,
        tables: Tables,
        site: Callable[[int], Site | None],
        waker: Callable[[Any, int], Waker | None],
        waits_at: Callable[[int], Site | None],
        known: Callable[[int], bool],
    ) -> None:
        self._tables = tables
        self._site = site
        self._waker = waker
        self._waits_at = waits_at
        self._known = known
        self.resources: dict[int, Resource] = {}
        self.holds: list[Hold] = []
        self.levels: list[Level] = []
        self._held: dict[int, list[Hold]] = {}
        """Resource to the holds that are open, oldest first."""
        self.takers: dict[type, Callable[[Any], None]] = {
            r.ResourceSeen: self._seen,
            r.ResourceState: self._state,
            r.ResourceTaken: self._taken,
            r.ResourceReleased: self._released,
            r.ResourceSet: self._set,
            r.QueueLength: self._length,
        }

    def type_of(self, number: int) -> str:
        """Class name of a resource; empty if it is none."""
        known = self.resources.get(number)
        return "" if known is None else known.type

    def _seen(self, record: r.ResourceSeen) -> None:
        if record.resource not in self.resources:
            self.resources[record.resource] = Resource(record.resource, self._tables.string(record.type))

    def _state(self, record: r.ResourceState) -> None:
        resource = self.resources.get(record.resource)
        if resource is None or resource.role:
            return  # its name was lost, or it is told again
        names = r.ResourceRole.NAMES
        resource.role = names[record.role] if 0 <= record.role < len(names) else ""
        resource.most = max(0, record.most)
        resource.value = record.value
        if record.role == r.ResourceRole.LOCK and not record.value:
            self._open(Hold(record.resource, None, 0, None))

    def _open(self, hold: Hold) -> None:
        self.holds.append(hold)
        self._held.setdefault(hold.resource, []).append(hold)

    def _taken(self, record: r.ResourceTaken) -> None:
        number, ns, task, site, _ = record
        resource = self.resources.get(number)
        if resource is None or any(hold.from_ns == ns for hold in self._held.get(number, ())):
            return  # its name was lost, or it is told again
        if resource.role == "lock":
            for hold in self._held.pop(number, ()):
                hold.to_ns = ns  # that it was given back is lost
        at = self._site(site) if site else self._waits_at(task)
        self._open(Hold(number, task if self._known(task) else None, ns, None, at))

    def _released(self, record: r.ResourceReleased) -> None:
        held = self._held.get(record.resource)
        if not held:
            return  # a semaphore may be given more than was taken
        by = self._waker(record, record.ns)
        own = [hold for hold in held if by is not None and by.task is not None and hold.task == by.task]
        hold = own[-1] if own else held[0]
        # told by identity: two holds of one task may be equal
        del held[next(place for place, other in enumerate(held) if other is hold)]
        hold.to_ns, hold.released_by = record.ns, by

    def _set(self, record: r.ResourceSet) -> None:
        self._level(record, record.value)

    def _length(self, record: r.QueueLength) -> None:
        self._level(record, record.length)

    def _level(self, record: _Change, value: int) -> None:
        if record.resource in self.resources:
            self.levels.append(Level(record.resource, record.ns, value, self._waker(record, record.ns)))
