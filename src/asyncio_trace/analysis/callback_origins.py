"""What queued the callback that ran at an instant, and what queued that in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asyncio_trace.model import Site, Trace
from asyncio_trace.model.codes import WAKER_KINDS


@dataclass(frozen=True, slots=True)
class Queued:
    """A callback, and its origin."""

    name: str
    ready_ns: int
    start_ns: int
    kind: str
    """What queued it: a kind of waker, `none` if that is not known."""
    task_row: int
    """Row of the task that did, or -1."""
    ns: int
    """When it did."""
    at: Site | None


class CallbackOrigins:
    """Looks callbacks up by loop and instant."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._columns = trace.callbacks.columns
        self._order = np.lexsort((self._columns.start_ns, self._columns.loop))
        self._loops = self._columns.loop[self._order]
        self._starts = self._columns.start_ns[self._order]
        self._ends = self._columns.end_ns[self._order]

    def chain(self, loop: int, ns: int) -> list[Queued]:
        """The callback that a loop ran at an instant, the one that queued it, and so on back to one that no callback queued."""
        chain: list[Queued] = []
        last = len(self._order)
        while True:
            place = self._at(loop, ns, last)
            if place is None:
                return chain
            found = self._queued(int(self._order[place]))
            chain.append(found)
            if found.kind != "callback":
                return chain
            ns, last = found.ns, place

    def _at(self, loop: int, ns: int, last: int) -> int | None:
        """Place of the callback that ran at an instant, before the place `last`."""
        first = int(np.searchsorted(self._loops, loop, "left"))
        over = min(last, int(np.searchsorted(self._loops, loop, "right")))
        place = first + int(np.searchsorted(self._starts[first:over], ns, "right")) - 1 if over > first else -1
        if place < first or self._ends[place] < ns:
            return None
        while place > first and self._ends[place - 1] >= ns:
            place -= 1  # of those that touch the instant the first, which has run by then
        return place

    def _queued(self, row: int) -> Queued:
        columns = self._columns
        origin = columns.origin
        name, at = int(columns.name[row]), int(origin.at[row])
        return Queued(
            name=self._trace.strings[name] if name >= 0 else "",
            ready_ns=int(columns.ready_ns[row]),
            start_ns=int(columns.start_ns[row]),
            kind=WAKER_KINDS[int(origin.kind[row])],
            task_row=int(origin.task_row[row]),
            ns=int(origin.ns[row]),
            at=self._trace.sites[at] if at >= 0 else None,
        )
