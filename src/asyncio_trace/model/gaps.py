"""What of a trace its recording covers: all of it, a part, or all but what was damaged in the middle.

Where a recording has a gap nobody knows what a task did. Its life goes on, but its times cover only what is known; a wait from
before the gap ends where the gap begins, unless a `TaskAlive` behind it says that it is the same.
"""

from __future__ import annotations

from asyncio_trace.recording.format import Segment


class Gaps:
    """Where the recording has gaps, and how much of each task's life they took."""

    def __init__(self) -> None:
        self.from_ns = 0
        """Where the recording begins; 0 unless it is a part."""
        self.number = 0
        """Gaps so far."""
        self.uncovered: dict[int, int] = {}
        """Task to nanoseconds of its life of which nothing is known."""
        self._last: list[int] = []
        """Of each gap, the last instant before it of which something is known."""
        self._seen: dict[int, int] = {}
        """Task to the number of gaps there were when it was last heard of; 0 if it is not here."""
        self._segment: int | None = None

    def segment_begins(self, segment: Segment, now: int) -> None:
        """A segment follows what was read so far, the last instant of which was `now`."""
        if self._segment is None and not now:
            self.from_ns = segment.ns if segment.segment else 0
        elif segment.lost_bytes or (self._segment is not None and segment.segment != self._segment + 1):
            self._last.append(now)
            self.number += 1
        self._segment = segment.segment

    def met(self, task: int, created_ns: int, since_ns: int) -> None:
        """A task is heard of for the first time; what it did before `since_ns` is not known."""
        self._seen[task] = self.number
        if since_ns > created_ns:
            self.uncovered[task] = since_ns - created_ns

    def seen(self, task: int, since_ns: int) -> bool:
        """A known task is heard of again: what it does is known from `since_ns`. False if there was no gap meanwhile."""
        before = self._seen.get(task, 0)
        if before == self.number:
            return False
        self._seen[task] = self.number
        self.uncovered[task] = self.uncovered.get(task, 0) + max(0, since_ns - self._last[before])
        return True

    def known_until(self, task: int, end: int) -> int:
        """The last instant at which something is known of a task that has not ended, in a trace that ends at `end`."""
        return self.wait_known_until(self._seen.get(task, 0), end)

    def wait_known_until(self, number: int, end: int) -> int:
        """The same of a wait that began, or was heard of again, when there had been so many gaps."""
        return self._last[number] if number < self.number else end
