"""What made something happen, from the three words that records have for it: kind, who, and site."""

from __future__ import annotations

from typing import Any

import numpy as np

from asyncio_trace.events.records import WakerKind
from asyncio_trace.model.codes import NEVER, NONE
from asyncio_trace.model.columns import Int32, Int64, WakerColumns
from asyncio_trace.model.known import KnownTasks
from asyncio_trace.model.names import Names


class Wakers:
    """Makes columns of wakers."""

    def __init__(self, tasks: KnownTasks, names: Names, threads: dict[int, tuple[int, int]]) -> None:
        self._tasks = tasks
        self._names = names
        self._threads = threads
        """Number of a thread to number of its name and the system's id."""

    def columns(
        self, kind: Int64, who: Int64, site: Int64, ns: Int64, seq: Int64 | None, *, instant: Int64 | None = None
    ) -> WakerColumns:
        """The wakers of many records.

        Args:
            kind: Each one's `WakerKind`.
            who: Each one's id.
            site: Each one's site, by the recording's number.
            ns: When it happened.
            seq: The number of each record, if it is to be told by what was known then; else by all that is known.
            instant: When a task did it, where that may be earlier; 0 where it is not.
        """
        known = (kind > WakerKind.NONE) & (kind < len(WakerKind.NAMES))
        kinds = np.where(known, kind, WakerKind.NONE).astype(np.int8)
        rows = np.full(len(kind), NONE, np.int32)
        label = np.full(len(kind), NONE, np.int32)
        ns = ns.copy()
        by_task = np.flatnonzero(kinds == WakerKind.TASK)
        if len(by_task):
            then = None if seq is None else seq[by_task]
            rows[by_task] = self._tasks.rows(who[by_task], then)
            if instant is not None:
                earlier = instant[by_task]
                told = (earlier != 0) & (rows[by_task] != NONE)
                ns[by_task] = np.where(told, np.minimum(ns[by_task], earlier), ns[by_task])
            strangers = by_task[rows[by_task] == NONE]
            kinds[strangers] = WakerKind.LOOP
            label[strangers] = self._tasks.housekeeping(who[strangers], None if seq is None else seq[strangers])
        named = np.flatnonzero((kinds == WakerKind.CALLBACK) | (kinds == WakerKind.TIMER))
        label[named] = self._names.strings_or_none(who[named])
        by_thread = np.flatnonzero(kinds == WakerKind.THREAD)
        label[by_thread] = self.threads(who[by_thread])[0]
        return self._made(kinds, rows, ns, np.where(known, self._names.sites(site), np.int32(NONE)), label)

    def threads(self, numbers: Int64) -> tuple[Int32, Int64]:
        """Names and system's ids of threads; `NONE` and 0 for those that are not known."""
        used, place = np.unique(numbers, return_inverse=True)
        found = [self._threads.get(number, (NONE, 0)) for number in used.tolist()]
        return np.array([name for name, _ in found], np.int32)[place], np.array([native for _, native in found], np.int64)[
            place
        ]

    def nobody(self, length: int) -> WakerColumns:
        """No waker in any row."""
        none = np.full(length, NONE, np.int32)
        return self._made(np.zeros(length, np.int8), none, np.full(length, NEVER), none.copy(), none.copy())

    def _made(self, kinds: Any, rows: Int32, ns: Int64, site: Int32, label: Int32) -> WakerColumns:
        ns[kinds == WakerKind.NONE] = NEVER
        return WakerColumns(kind=kinds, task=taken(self._tasks.ids, rows), task_row=rows, ns=ns, at=site, label=label)


def put(into: WakerColumns, places: Any, wakers: WakerColumns, chosen: Any = slice(None)) -> None:
    """Write the chosen rows of `wakers` to places of another's columns."""
    for name in into.meanings():
        getattr(into, name)[places] = getattr(wakers, name)[chosen]


def taken(ids: Int64, rows: Int32) -> Int64:
    """The ids that stand in these rows; 0 where there is none."""
    found = np.zeros(len(rows), np.int64)
    there = rows != NONE
    found[there] = ids[rows[there]]
    return found
