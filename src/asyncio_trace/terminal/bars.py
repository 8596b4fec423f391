"""A row's time as a bar: which state each cell shows.

A cell shows the state that took most of its time, but a run is never hidden: a cell that was mostly spent waiting shows a tick
on the waiting line if the task ran in it, however briefly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncio_trace.model import Job
from asyncio_trace.terminal.cells import Line
from asyncio_trace.terminal.glyphs import Glyphs
from asyncio_trace.terminal.rows import Row
from asyncio_trace.terminal.window import Tally, Window

_LIGHT = "light_"
"""Begins the name of a folded row's state in a cell in which the row ran for a small part of the time only."""
_TICKS = frozenset({"tick", "blocked_tick", f"{_LIGHT}tick", f"{_LIGHT}blocked_tick"})
_LINES = frozenset({"waiting", *_TICKS})
"""States drawn as a horizontal line, that a tick beside them joins."""
_STYLE_OF = {**{tick: "blocked" if "blocked" in tick else "running" for tick in _TICKS}, "ready_ran": "ready"}


@dataclass(slots=True)
class Bars:
    """Draws bars over one stretch of time, and notes which states occurred, for the legend."""

    window: Window
    glyphs: Glyphs
    block_threshold_ns: int
    end: int
    """The trace's last instant: pending tasks last until then."""
    seen: set[str] = field(default_factory=set)
    _glyphs: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        glyphs = self.glyphs
        self._glyphs = {
            "": " ",
            "running": glyphs.running,
            "blocked": glyphs.running,
            "ready": glyphs.ready,
            "ready_ran": glyphs.ready_ran,
            "waiting": glyphs.waiting,
            "thread": glyphs.thread,
        }

    def bar(self, row: Row) -> Line:
        """The row's bar, exactly as wide as the window."""
        parts = self._job_parts(row.jobs) if row.jobs else self._task_parts(row)
        line: Line = []
        for place, (cell, state) in enumerate(parts):
            last = place + 1 == len(parts)
            size = (self.window.width if last else parts[place + 1][0]) - cell
            self.seen.add(state.removeprefix(_LIGHT))
            if state in _TICKS:
                left = place > 0 and parts[place - 1][1] in _LINES
                right = not last and parts[place + 1][1] in _LINES
                line.append((self._ticks(state, size, left, right), _STYLE_OF[state]))
            else:
                line.append((self._glyphs[state] * size, _STYLE_OF.get(state, state)))
        return line

    def _ticks(self, state: str, size: int, left: bool, right: bool) -> str:
        """Some ticks side by side; `left` and `right` say whether a line joins them there."""
        ticks = self.glyphs.light_ticks if state.startswith(_LIGHT) else self.glyphs.ticks
        if size == 1:
            return ticks[left + 2 * right]
        return ticks[left + 2] + ticks[3] * (size - 2) + ticks[1 + 2 * right]

    def heights(self, row: Row) -> tuple[str, int]:
        """A folded row's tasks alive over time, as a skyline; and the most that were alive at once."""
        alive = Tally(self.window)
        starts = [task.created_ns for task in row.tasks]
        ends = [self.end if task.ended_ns is None else task.ended_ns for task in row.tasks]
        alive.add(starts, ends)
        covered = list(alive.at(range(self.window.width)))
        levels = self.glyphs.heights
        self.seen.add("heights")
        top = max(*covered, 1)
        skyline = "".join(levels[(len(levels) * part - 1) // top] if part else " " for part in covered)
        most = level = 0
        for _, change in sorted([(start, 1) for start in starts] + [(end, -1) for end in ends]):
            level += change
            most = max(most, level)
        return skyline, most

    def _task_parts(self, row: Row) -> list[tuple[int, str]]:
        """The cells in which another state begins, and its name; it is empty where no task of the row is alive."""
        window = self.window
        running, ready, waiting = Tally(window), Tally(window), Tally(window)
        ends = {task.id: self.end if task.ended_ns is None else task.ended_ns for task in row.tasks}
        running.add([run.start_ns for run in row.runs], [run.end_ns for run in row.runs])
        queued = [ends[wait.task] if wait.ready_ns is None else wait.ready_ns for wait in row.waits]
        waiting.add([wait.start_ns for wait in row.waits], queued)
        ready.add(
            [task.created_ns for task in row.tasks] + queued,
            [ends[task.id] if task.started_ns is None else task.started_ns for task in row.tasks]
            + [ends[wait.task] if wait.end_ns is None else wait.end_ns for wait in row.waits],
        )
        blocked = Tally(window)
        if long := [run for run in row.runs if run.end_ns - run.start_ns >= self.block_threshold_ns]:
            blocked.add([run.start_ns for run in long], [run.end_ns for run in long])
        cells = self._changes(running, ready, waiting, blocked)
        parts: list[tuple[int, str]] = []
        before = None
        columns = (tally.at(cells) for tally in (running, ready, waiting, blocked))
        for cell, ran, queued, waited, held in zip(cells, *columns, strict=True):
            state = self._state(cell, ran, queued, waited, cell in running.parts, held > 0, row.folded)
            if state != before:
                parts.append((cell, state))
                before = state
        return parts

    def _state(self, cell: int, running: int, ready: int, waiting: int, ran: bool, blocked: bool, folded: bool) -> str:
        """What a cell shows. The times are nanoseconds; `ran` says whether a run, even one of no length, took place."""
        if not (running or ran):
            return "ready" if ready > waiting else "waiting" if waiting or ready else ""
        length = self.window.lengths[cell]
        if 2 * running >= length:
            return "blocked" if blocked else "running"
        if not blocked and ready > waiting and 2 * ready >= length:
            return "ready_ran"
        tick = "blocked_tick" if blocked else "tick"
        return _LIGHT + tick if folded and 10 * running < length else tick

    def _changes(self, *tallies: Tally) -> list[int]:
        width = self.window.width
        return sorted(cell for cell in {0}.union(*(tally.changes() for tally in tallies)) if cell < width)

    def _job_parts(self, jobs: list[Job]) -> list[tuple[int, str]]:
        queued, working = Tally(self.window), Tally(self.window)
        ends = [self.end if job.ended_ns is None else job.ended_ns for job in jobs]
        starts = [end if job.started_ns is None else job.started_ns for job, end in zip(jobs, ends, strict=True)]
        queued.add([job.submitted_ns for job in jobs], starts)
        begun = [place for place, job in enumerate(jobs) if job.started_ns is not None]
        working.add([starts[place] for place in begun], [ends[place] for place in begun])
        cells = self._changes(queued, working)
        return [
            (cell, "thread" if at_work or cell in working.parts else "ready" if waits else "")
            for cell, at_work, waits in zip(cells, working.at(cells), queued.at(cells), strict=True)
        ]
