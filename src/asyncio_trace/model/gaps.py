"""What of a trace its recording covers: all of it, a part, or all but what was damaged in the middle.

Where a recording has a gap nobody knows what a task did. Its life goes on, but its times cover only what is known; a wait from
before the gap ends where the gap begins, unless a `TaskAlive` behind it says that it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from asyncio_trace.model.columns import Int64
from asyncio_trace.recording.format import Segment


class Gaps:
    """Where the recording has gaps, and the last instant that it tells of.

    Args:
        segments: Each with the number of records before it.
        instants: Pairs of columns: numbers of records, and the last instant that each tells of.
        seen_ns: The last instant that the tracer saw anything at, beside those.
    """

    def __init__(self, segments: list[tuple[int, Segment]], instants: Iterable[tuple[Int64, Int64]], seen_ns: int = 0) -> None:
        begins = np.array([before for before, _ in segments], np.int64)
        last = np.zeros(len(begins) + 1, np.int64)
        for seq, ns in instants:
            if len(begins) > 1 or begins.any():
                np.maximum.at(last, np.searchsorted(begins, seq, "right"), ns)
            elif len(ns):
                last[-1] = max(last[-1], ns.max())
        known = np.maximum.accumulate(last)
        self.end_ns = max(int(known[-1]), seen_ns)
        """The last instant."""
        self.from_ns = 0
        """Where the recording begins; 0 unless it is a part."""
        gaps: list[int] = []
        before: Segment | None = None
        for place, (_, segment) in enumerate(segments):
            if before is None and not known[place]:
                self.from_ns = segment.ns if segment.segment else 0
            elif segment.lost_bytes or (before is not None and segment.segment != before.segment + 1):
                gaps.append(place)
            before = segment
        self.number = len(gaps)
        self._begins = begins[gaps]
        self._known = np.append(known[gaps], self.end_ns)

    def before(self, seq: Int64) -> Int64:
        """How many gaps there were before each record."""
        return np.searchsorted(self._begins, seq, "right")

    def known_until(self, gaps: Any) -> Int64:
        """The last instant at which something is known of what was last heard of when there had been so many gaps."""
        known: Int64 = self._known[gaps]
        return known
