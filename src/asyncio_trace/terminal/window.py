"""The stretch of time that is drawn, cut into the cells of a bar, and its ruler."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from asyncio_trace.model import Trace

_SECOND = 1_000_000_000
_HARDLY = 20
"""Where the first task came this much sooner than the last one's end, the drawing starts at 0."""
_MANY = 4
"""From this many stretches a cell on, they are counted all at once."""
_UNITS = (("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", _SECOND))


class Window:
    """From `start` to `end` (nanoseconds since the trace began) in `width` cells."""

    def __init__(self, start: int, end: int, width: int) -> None:
        self.start = start
        self.width = width
        self.span = max(end - start, width)
        """Nanoseconds shown; at least one a cell."""
        self.end = start + self.span
        self.edges = [start - (-self.span * cell // width) for cell in range(width + 1)]
        """Where each cell starts, and where the last one ends."""
        self.lengths = [end - start for start, end in pairwise(self.edges)]
        """Nanoseconds in each cell."""

    def cell(self, ns: int) -> int:
        """The cell that the instant falls in."""
        return min(self.width - 1, max(0, (ns - self.start) * self.width // self.span))


class Tally:
    """How much of each cell some stretches of time cover. Constant time a stretch, however many cells it covers."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.parts: defaultdict[int, int] = defaultdict(int)
        """Nanoseconds by cell, of the stretches' ends; also 0, where a stretch of no length lies."""
        self._whole: defaultdict[int, int] = defaultdict(int)
        """By how many stretches that cover a whole cell it differs from the one before."""

    def add(self, starts: list[int], ends: list[int]) -> None:
        """Count stretches, by where each starts and where each ends, in nanoseconds."""
        window, parts = self._window, self.parts
        origin, limit, width, span = window.start, window.end, window.width, window.span
        if len(starts) > _MANY * width:
            self._add_many(starts, ends)
            return
        for start, end in zip(starts, ends, strict=True):
            if start < origin or end > limit:
                if start > limit or end < origin:
                    continue
                start, end = max(start, origin), min(end, limit)
            first = (start - origin) * width // span
            if end <= start:
                parts[min(first, width - 1)] += 0
                continue
            last = (end - 1 - origin) * width // span
            if first == last:
                parts[first] += end - start
            else:
                parts[first] += window.edges[first + 1] - start
                parts[last] += end - window.edges[last]
                self._whole[first + 1] += 1
                self._whole[last] -= 1

    def _add_many(self, starts: list[int], ends: list[int]) -> None:
        """As `add`, by what lies before each cell's edge: many stretches take little time each."""
        ends = sorted(map(max, starts, ends))
        starts = sorted(starts)
        sums = [0, *accumulate(starts)], [0, *accumulate(ends)]
        edges = self._window.edges
        begun = [bisect_left(starts, edge) for edge in edges[:-1]] + [bisect_right(starts, edges[-1])]
        over = [bisect_left(ends, edge) for edge in edges]
        covered = [edge * (on - off) - sums[0][on] + sums[1][off] for edge, on, off in zip(edges, begun, over, strict=True)]
        for cell in range(self._window.width):
            part = covered[cell + 1] - covered[cell]
            if part or begun[cell] < begun[cell + 1]:
                self.parts[cell] += part

    def changes(self) -> set[int]:
        """Every cell that may differ from the one before it."""
        return {*self.parts, *(cell + 1 for cell in self.parts), *self._whole}

    def at(self, cells: Iterable[int]) -> Iterator[int]:
        """Nanoseconds covered in some ascending cells, of which no change may be left out; more than a cell's length where
        stretches overlap.
        """
        layers = 0
        parts, whole, lengths = self.parts, self._whole, self._window.lengths
        for cell in cells:
            layers += whole.get(cell, 0)
            yield parts.get(cell, 0) + layers * lengths[cell]


def time_drawn(trace: Trace) -> tuple[int, int]:
    """From the first task's creation to the last one's end, or to the end of the trace if a task is pending then; no more than
    was recorded.
    """
    starts = [task.created_ns for task in trace.tasks]
    ends = [task.ended_ns for task in trace.tasks if task.ended_ns is not None]
    starts += [job.submitted_ns for job in trace.jobs]
    ends += [job.ended_ns for job in trace.jobs if job.ended_ns is not None]
    if any(task.ended_ns is None for task in trace.tasks):
        ends += [trace_end(trace), *starts]
    begin = trace.program.recorded_from_ns
    start = max(min(starts, default=0), begin)
    end = max(start, max(ends, default=start))
    return (begin if (start - begin) * _HARDLY < end - begin else start), end


def trace_end(trace: Trace) -> int:
    """The last instant that the trace tells of."""
    latest = trace.program.duration_ns
    for run in trace.runs:
        if run.end_ns > latest:
            latest = run.end_ns
    for wait in trace.waits:
        last = wait.end_ns if wait.end_ns is not None else wait.ready_ns if wait.ready_ns is not None else wait.start_ns
        if last > latest:
            latest = last
    for task in trace.tasks:
        latest = max(latest, task.created_ns, task.ended_ns or 0)
    return latest


def ruler(window: Window, micro: str) -> tuple[str, list[int]]:
    """Labels of round instants, each starting in the cell of its instant; and those cells."""
    for step in _steps():
        first = -(-window.start // step) * step
        instants = range(first, window.end, step)
        if len(instants) > window.width:
            continue
        labels = [(window.cell(instant), _instant(instant, step, window.end, micro)) for instant in instants]
        roomy = all(cell + len(text) + 2 <= labels[place + 1][0] for place, (cell, text) in enumerate(labels[:-1]))
        if roomy or len(labels) < 2:
            break
    line = ""
    shown = []
    for cell, text in labels:
        if cell + len(text) <= window.width:
            line = line.ljust(cell) + text
        shown.append(cell)
    return line.ljust(window.width), shown


def _steps() -> Iterator[int]:
    """Round distances between marks, in nanoseconds: 1, 2, 5, 10, ... then round minutes, hours and days."""
    size = 1
    while size < 10 * _SECOND:
        yield from (size, 2 * size, 5 * size)
        size *= 10
    minute = 60 * _SECOND
    yield from (10 * _SECOND, 20 * _SECOND, 30 * _SECOND)
    yield from (minute * factor for factor in (1, 2, 5, 10, 20, 30, 60, 120, 360, 720))
    size = 1440 * minute
    while True:
        yield size
        size *= 2


def _instant(ns: int, step: int, end: int, micro: str) -> str:
    """An instant in the unit that suits the window's end, with as many digits as `step` needs."""
    if ns == 0:
        return "0"
    if step >= 10 * _SECOND and end >= 120 * _SECOND:
        minutes, seconds = divmod(ns // _SECOND, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    unit, size = next((name, size) for name, size in reversed(_UNITS) if end >= size or size == 1)
    digits = 0
    while step % size and digits < 9:
        size //= 10
        digits += 1
    scale = 10**digits
    number = f"{ns // size // scale}" + (f".{ns // size % scale:0{digits}}" if digits else "")
    return f"{number}{unit.replace('u', micro)}"
