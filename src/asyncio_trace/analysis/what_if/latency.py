"""How long I/O really took, where the loop was too busy to see it come.

A selector tells of I/O when it returns. If the loop waited in it, that is when the I/O came. If it returned at once, the I/O
may have come long before, while the loop ran something; a replay in which the loop is less busy must not make it wait for the
old time. Then it is taken to have come as late as I/O at the same place usually does, but not before the selector last returned
without it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from statistics import median_low

from asyncio_trace.model import Site, Trace, Wait

_NEAR_NS = 1_000_000
"""The loop saw I/O come if it left its selector so shortly before, and had waited there for longer than this."""


class Latencies:
    """Estimates for the waits of a trace that I/O ended."""

    def __init__(self, trace: Trace, waits: Iterable[tuple[int, Wait]]) -> None:
        self._idle: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        """By loop, when it left its selector, and when it had entered it."""
        for idle in trace.idle:
            self._idle[idle.loop].append((idle.end_ns, idle.start_ns))
        for idles in self._idle.values():
            idles.sort()
        seen: defaultdict[tuple[Site, ...], list[int]] = defaultdict(list)
        for loop, wait in waits:
            if wait.ready_ns is not None and self._came_before(loop, wait.ready_ns) is None:
                seen[wait.stack].append(wait.ready_ns - wait.start_ns)
        self._usual = {stack: median_low(lengths) for stack, lengths in seen.items()}

    def of(self, loop: int, wait: Wait) -> int:
        """How long after its begin a wait's I/O came, in nanoseconds."""
        ready = wait.start_ns if wait.ready_ns is None else wait.ready_ns
        recorded = ready - wait.start_ns
        usual = self._usual.get(wait.stack)
        earliest = self._came_before(loop, ready)
        if earliest is None or usual is None:
            return recorded
        return min(recorded, max(usual, earliest - wait.start_ns))

    def _came_before(self, loop: int, ready: int) -> int | None:
        """When the selector last returned without what made a wait ready; None if the loop was in its selector as it came."""
        idles = self._idle[loop]
        place = bisect_right(idles, ready, key=lambda idle: idle[0]) - 1
        if place >= 0 and ready - idles[place][0] <= _NEAR_NS:
            end, start = idles[place]
            if end - start > _NEAR_NS:
                return None
            place -= 1
        return idles[place][0] if place >= 0 else 0
