"""Locks, semaphores, events, barriers and queues as tables: who held what from when to when, and how long queues were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from asyncio_trace.events import records as r
from asyncio_trace.model.codes import NEVER, NONE
from asyncio_trace.model.columns import HoldColumns, Int32, Int64, LevelColumns, ResourceColumns
from asyncio_trace.model.interned import Strings
from asyncio_trace.model.known import KnownTasks
from asyncio_trace.model.lookup import Lookup, first_places
from asyncio_trace.model.names import Names
from asyncio_trace.model.recorded import Fields
from asyncio_trace.model.wakers import Wakers, put, taken

_LOCK = r.ResourceRole.LOCK


class ResourceBook:
    """The resources that a recording names, in the order in which they were met."""

    def __init__(self, seen: Fields, states: Fields, names: Names, strings: Strings) -> None:
        first = np.sort(first_places(seen.resource))
        self._ids, self._seq = seen.resource[first], seen.seq[first]
        self.lookup = Lookup(self._ids)
        """From ids to rows."""
        self.types = names.strings(seen.type[first])
        self._role = np.zeros(len(first), np.int32)
        self._most, self._value = np.zeros(len(first), np.int64), np.full(len(first), -1, np.int64)
        self._states: list[tuple[int, int, int, bool]] = []
        """(record, row, role, whether a lock is held) of each record that says how a resource stands."""
        roles = [strings.add(name) for name in r.ResourceRole.NAMES]
        rows = self.rows(states.resource, states.seq)
        words = zip(
            states.seq.tolist(),
            rows.tolist(),
            *(words.tolist() for words in (states.role, states.most, states.value)),
            strict=True,
        )
        for seq, row, role, most, value in words:
            if row == NONE or self._role[row]:
                continue  # its name was lost, or it is told again
            self._role[row] = roles[role] if 0 <= role < len(roles) else 0
            self._most[row], self._value[row] = max(0, most), value
            self._states.append((seq, row, role, role == _LOCK and not value))

    def rows(self, ids: Int64, seq: Int64) -> Int32:
        """The rows of resources; `NONE` for those that were not met before the record `seq` was made."""
        rows = self.lookup(ids)
        if len(self._ids):
            rows[self._seq[rows] >= seq] = NONE
        return rows

    def columns(self) -> ResourceColumns:
        """The table of resources."""
        return ResourceColumns(id=self._ids, type=self.types, role=self._role, most=self._most, value=self._value)

    def levels(self, were_set: Fields, lengths: Fields, wakers: Wakers) -> LevelColumns:
        """The table of levels."""

        def both(of_set: str, of_length: str) -> Int64:
            return np.concatenate((getattr(were_set, of_set), getattr(lengths, of_length)))

        seq, resource = both("seq", "seq"), both("resource", "resource")
        order = np.argsort(seq, kind="stable")
        order = order[self.rows(resource, seq)[order] != NONE]
        ns = both("ns", "ns")[order]
        words = [both(name, name)[order] for name in ("waker", "waker_id", "waker_site")]
        by = wakers.columns(words[0], words[1], words[2], ns, seq[order])
        return LevelColumns(resource=resource[order], ns=ns, value=both("value", "length")[order], by=by)

    def holds(self, took: Fields, released: Fields, at: Int32, tasks: KnownTasks, wakers: Wakers) -> HoldColumns:
        """The table of holds; `at` are the places where they were taken."""
        task_rows = tasks.rows(took.task, took.seq)
        by = wakers.columns(released.waker, released.waker_id, released.waker_site, released.ns, released.seq)
        pairs = _Pairs()
        for change in self._changes(took, task_rows, released, by.task_row):
            pairs.take_in(*change[1:])
        columns = [np.array(column, np.int64) for column in pairs.columns()]
        order = np.argsort(columns[2], kind="stable")
        record, resource, from_ns, to_ns, given = (column[order] for column in columns)
        by_task = record != NONE
        rows, sites = np.full(len(order), NONE, np.int32), np.full(len(order), NONE, np.int32)
        rows[by_task], sites[by_task] = task_rows[record[by_task]], at[record[by_task]]
        released_by = wakers.nobody(len(order))
        given_back = np.flatnonzero(given != NONE)
        put(released_by, given_back, by, given[given_back])
        return HoldColumns(
            resource=self._ids[resource],
            task=taken(tasks.ids, rows),
            task_row=rows,
            from_ns=from_ns,
            to_ns=to_ns,
            at=sites,
            released_by=released_by,
        )

    def _changes(self, took: Fields, task_rows: Int32, released: Fields, by_rows: Int32) -> Iterator[tuple[int, ...]]:
        """All that changes who holds what, in order: (record, what, resource's row, ns, task's row, number of the record)."""

        def rows_of(fields: Fields, what: int, of_tasks: Int32) -> Iterator[tuple[int, ...]]:
            rows = self.rows(fields.resource, fields.seq)
            known = np.flatnonzero(rows != NONE)
            columns = (fields.seq[known], rows[known], fields.ns[known], of_tasks[known], known)
            for seq, row, ns, task, record in zip(*(column.tolist() for column in columns), strict=True):
                yield seq, what, row, ns, task, record

        states = ((seq, _HELD if held else _STANDS, row, 0, role, NONE) for seq, row, role, held in self._states)
        changes = [*states, *rows_of(took, _TAKEN, task_rows), *rows_of(released, _RELEASED, by_rows)]
        changes.sort()
        yield from changes


_STANDS, _HELD, _TAKEN, _RELEASED = range(4)


class _Pairs:
    """Finds for each hold where it ends: pairs records that a resource was taken with records that it was given back."""

    def __init__(self) -> None:
        self._holds: list[list[int]] = []
        """[record, resource's row, from, to, record that gave it back]."""
        self._held: dict[int, list[tuple[list[int], int]]] = {}
        """Of each resource the holds that are open, oldest first, with the rows of their tasks."""
        self._locks: set[int] = set()

    def take_in(self, what: int, row: int, ns: int, task: int, record: int) -> None:
        """One change after the other."""
        if what == _RELEASED:
            self._give_back(row, ns, task, record)
            return
        if what == _TAKEN and any(hold[2] == ns for hold, _ in self._held.get(row, ())):
            return  # it is told again
        if what == _TAKEN and row in self._locks:
            for hold, _ in self._held.pop(row, ()):
                hold[3] = ns  # that it was given back is lost
        if what in (_STANDS, _HELD):
            if task == _LOCK:
                self._locks.add(row)
            if what == _STANDS:
                return
            task = NONE
        hold = [record, row, ns, NEVER, NONE]
        self._holds.append(hold)
        self._held.setdefault(row, []).append((hold, task))

    def columns(self) -> tuple[Any, ...]:
        """The columns of all holds."""
        return tuple(zip(*self._holds, strict=True)) or ((),) * 5

    def _give_back(self, row: int, ns: int, task: int, record: int) -> None:
        held = self._held.get(row)
        if not held:
            return  # a semaphore may be given more than was taken
        own = 0
        if task != NONE:
            own = max((place for place, (_, holder) in enumerate(held) if holder == task), default=0)
        hold, _ = held.pop(own)
        hold[3], hold[4] = ns, record
