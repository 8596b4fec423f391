"""Which tasks a recording tells of, and from when on."""

from __future__ import annotations

import numpy as np

from asyncio_trace.events import records as r
from asyncio_trace.model import kinds
from asyncio_trace.model.codes import NONE
from asyncio_trace.model.columns import Int32, Int64
from asyncio_trace.model.lookup import Lookup, first_places, last_places, order_by
from asyncio_trace.model.names import Names
from asyncio_trace.model.recorded import Fields
from asyncio_trace.recording.tables import Tables


class KnownTasks:
    """The program's tasks, each in its row, and those that are the loop's housekeeping.

    A task is known from the first record on that says that it was created, or that it is alive.
    """

    def __init__(self, created: Fields, alive: Fields, tables: Tables, names: Names) -> None:
        def both(field: str, of_alive: str) -> Int64:
            return np.concatenate((getattr(created, field), getattr(alive, of_alive)))

        seq = both("seq", "seq")
        order = np.argsort(seq, kind="stable")
        self.ids = both("task", "task")[order]
        coroutine, parent = both("coroutine", "coroutine")[order], both("parent", "parent")[order]
        housekeeping = [number for number, text in tables.strings.items() if text in kinds.HOUSEKEEPING]
        is_housekeeping = np.isin(coroutine, np.array(housekeeping, np.int64)) & (parent == 0)
        told = np.flatnonzero(~is_housekeeping)
        told = told[first_places(self.ids[told])]
        created_ns = both("ns", "created_ns")[order]
        told = told[order_by(created_ns[told], self.ids[told])]

        self.ids = self.ids[told]
        self.created_ns = created_ns[told]
        self.since_ns = both("ns", "since_ns")[order][told]
        """From when on it is known what a task does."""
        self.seq = seq[order][told]
        """The number of the record that made each known."""
        self.parents = parent[told]
        self.loops = both("loop", "loop")[order][told]
        self.coroutine = names.strings(coroutine[told])
        self.created_at = names.sites(both("site", "site")[order][told])
        self.eager = (both("flags", "flags")[order][told] & r.TaskFlag.EAGER) != 0
        self._rows = Lookup(self.ids)

        kept = np.flatnonzero(is_housekeeping)
        housekeepers = both("task", "task")[order][kept]
        first, last = kept[first_places(housekeepers)], kept[last_places(housekeepers)]
        self._housekeepers = Lookup(np.unique(housekeepers))
        self._housekeeper_seq = seq[order][first]
        self._housekeeper_names = names.strings(coroutine[last])

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Int64, seq: Int64 | None = None, *, itself: bool = False) -> Int32:
        """The rows of tasks; `NONE` for what is no task, or was not known to be one before the record `seq` was made.

        Args:
            ids: Ids of tasks, or of anything else.
            seq: The number of the record for each.
            itself: Also for the record that makes a task known.
        """
        rows = self._rows(ids)
        if seq is not None and len(self):
            made_known = self.seq[rows]
            rows[(made_known > seq) if itself else (made_known >= seq)] = NONE
        return rows

    def housekeeping(self, ids: Int64, seq: Int64 | None = None) -> Int32:
        """Names of the coroutines of housekeeping tasks; `NONE` for what is none, or was not yet."""
        rows = self._housekeepers(ids)
        if not len(self._housekeeper_seq):
            return rows
        names = np.where(rows == NONE, np.int32(NONE), self._housekeeper_names[rows])
        if seq is not None:
            names[self._housekeeper_seq[rows] >= seq] = NONE
        return names
