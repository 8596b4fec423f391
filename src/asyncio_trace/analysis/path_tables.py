"""A trace's columns as the walk along the critical path asks for them: the waits and runs of one task, the runs of one loop.

Nothing is made for each row, so that a path through millions of waits costs what is on it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from asyncio_trace.analysis.callback_origins import CallbackOrigins, Queued
from asyncio_trace.analysis.totals import last_instant, own_site
from asyncio_trace.model import Site, Trace
from asyncio_trace.model.codes import NEVER, NONE, WAKER_KINDS

NOBODY = -1
"""Row of a task that there is not."""

_Who = tuple[int | None, str | None]
"""A task's id or a callback's name."""


class _Grouped:
    """Rows of a table, those of one key side by side and ordered by time."""

    def __init__(self, keys: npt.NDArray[Any], times: npt.NDArray[np.int64]) -> None:
        self.order = np.lexsort((times, keys))
        self.times = times[self.order]
        self._keys = keys[self.order]
        self._bounds: dict[int, tuple[int, int]] = {}

    def bounds(self, key: int) -> tuple[int, int]:
        """First and behind the last place of a key."""
        found = self._bounds.get(key)
        if found is None:
            first = int(np.searchsorted(self._keys, key, "left"))
            found = self._bounds[key] = first, int(np.searchsorted(self._keys, key, "right"))
        return found

    def before(self, key: int, ns: int, side: str = "left") -> int:
        """The place behind the last row of a key that lies before an instant; with `right` also one at that instant."""
        first, last = self.bounds(key)
        return first + int(self.times[first:last].searchsorted(ns, side))  # type: ignore[call-overload]


class PathTables:
    """Finds rows by task, loop and instant. Tasks go by their rows, waits and jobs too; times are nanoseconds."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._last = last_instant(trace)
        self._tasks, self._all_waits, self._runs = trace.tasks.columns, trace.waits.columns, trace.runs.columns
        self._jobs = trace.jobs.columns
        self._waits = _Grouped(self._all_waits.task_row, self._all_waits.start_ns)
        self._by_task = _Grouped(self._runs.task_row, self._runs.start_ns)
        self._by_loop = _Grouped(self._runs.loop, self._runs.start_ns)
        self._job_of = {future: row for row, future in enumerate(self._jobs.future.tolist()) if future}
        self._jobs_by_end = np.argsort(self._jobs.ended_ns, kind="stable")
        self._job_ends = self._jobs.ended_ns[self._jobs_by_end]
        self._origins = CallbackOrigins(trace)
        self._sites: dict[int, Site | None] = {}

    # -- tasks ------------------------------------------------------------------------------------------------------------

    def row_of(self, task: int) -> int | None:
        """Row of the task of an id."""
        found = np.flatnonzero(self._tasks.id == task)
        return int(found[0]) if len(found) else None

    def main_row(self) -> int | None:
        """Of the parentless tasks the one that lived longest."""
        tasks = self._tasks
        roots = np.flatnonzero(tasks.parent == 0)
        if not len(roots):
            return None
        ended = np.where(tasks.ended_ns[roots] == NEVER, self._last, tasks.ended_ns[roots])
        return int(roots[np.argmax(ended - tasks.created_ns[roots])])

    def id(self, task: int) -> int:
        """Its id."""
        return int(self._tasks.id[task])

    def parent(self, task: int) -> int:
        """Who created it."""
        return int(self._tasks.parent_row[task])

    def loop(self, task: int) -> int:
        """Id of its loop."""
        return int(self._tasks.loop[task])

    def created(self, task: int) -> int:
        """When it was created."""
        return int(self._tasks.created_ns[task])

    def started(self, task: int) -> int:
        """When its first step began; its creation if none did."""
        started = int(self._tasks.started_ns[task])
        return self.created(task) if started == NEVER else started

    def ended(self, task: int) -> int:
        """When it ended; the last instant if it has not."""
        ended = int(self._tasks.ended_ns[task])
        return self._last if ended == NEVER else ended

    def created_at(self, task: int) -> Site | None:
        """The line that created it."""
        return self._site(int(self._tasks.created_at[task]))

    # -- waits ------------------------------------------------------------------------------------------------------------

    def waits_before(self, task: int, ns: int) -> int:
        """How many waits of a task began before an instant."""
        return self._waits.before(task, ns) - self._waits.bounds(task)[0]

    def wait(self, task: int, place: int) -> int:
        """Row of the wait of a task that has so many before it."""
        return int(self._waits.order[self._waits.bounds(task)[0] + place])

    def start(self, wait: int) -> int:
        """When it began."""
        return int(self._all_waits.start_ns[wait])

    def ready(self, wait: int) -> int:
        """When it resolved, or `NEVER`."""
        return int(self._all_waits.ready_ns[wait])

    def end(self, wait: int) -> int:
        """When its task ran again, or `NEVER`."""
        return int(self._all_waits.end_ns[wait])

    def label(self, wait: int) -> str:
        """What it was on."""
        return self._text(int(self._all_waits.awaited_label[wait]))

    def own_site(self, wait: int) -> Site | None:
        """The program's own line that waited."""
        stack = int(self._all_waits.stack[wait])
        if stack not in self._sites:
            self._sites[stack] = own_site(self._trace.stacks[stack]) if stack >= 0 else None
        return self._sites[stack]

    def waker_kind(self, wait: int) -> str:
        """What resolved it; `none` if nothing did."""
        return WAKER_KINDS[int(self._all_waits.waker.kind[wait])]

    def waker_task(self, wait: int) -> int:
        """The task that resolved it."""
        return int(self._all_waits.waker.task_row[wait])

    def waker_ns(self, wait: int) -> int:
        """When it did."""
        return int(self._all_waits.waker.ns[wait])

    def waker_at(self, wait: int) -> Site | None:
        """Where it did."""
        return self._site(int(self._all_waits.waker.at[wait]))

    # -- jobs -------------------------------------------------------------------------------------------------------------

    def job(self, wait: int) -> int | None:
        """The job whose end made a wait resolve: the one waited on, else the last one of the thread that woke it."""
        job = self._job_of.get(int(self._all_waits.awaited_id[wait]))
        if job is not None:
            return job
        thread, start = int(self._all_waits.waker.label[wait]), self.start(wait)
        place = int(np.searchsorted(self._job_ends, self.waker_ns(wait), "right")) - 1
        while place >= 0 and self._job_ends[place] >= start:
            row = int(self._jobs_by_end[place])
            if int(self._jobs.thread_name[row]) == thread:
                return row
            place -= 1
        return None

    def job_facts(self, job: int) -> tuple[int, int, int, Site | None, str]:
        """Who submitted it, when, when a thread took it (or `NEVER`), where it was submitted, and its function."""
        jobs = self._jobs
        return (
            int(jobs.task_row[job]),
            int(jobs.submitted_ns[job]),
            int(jobs.started_ns[job]),
            self._site(int(jobs.at[job])),
            self._text(int(jobs.function[job])),
        )

    # -- runs -------------------------------------------------------------------------------------------------------------

    def own_runs(self, task: int, start: int, end: int) -> list[tuple[int, int]]:
        """Begins and ends of a task's runs that overlap a stretch, the last one first."""
        return [(begin, over) for _, begin, over in reversed(self._overlapping(self._by_task, task, start, end))]

    def callbacks(self, loop: int, ns: int) -> list[Queued]:
        """The callback that a loop ran at an instant, the one that queued it, and so on."""
        return self._origins.chain(loop, ns)

    def in_the_way(self, task: int, loop: int, start: int, end: int) -> list[tuple[_Who, int]]:
        """What a loop ran during a stretch but for one task, most time first."""
        sums: defaultdict[_Who, int] = defaultdict(int)
        for row, begin, over in self._overlapping(self._by_loop, loop, start, end):
            runner = int(self._runs.task_row[row])
            if runner == NOBODY or runner != task:
                callback = self._text(int(self._runs.callback[row])) if runner == NONE else None
                sums[int(self._runs.task[row]) if runner != NONE else None, callback] += min(over, end) - max(begin, start)
        return sorted(((who, ns) for who, ns in sums.items() if ns > 0), key=lambda item: -item[1])

    def _overlapping(self, grouped: _Grouped, key: int, start: int, end: int) -> list[tuple[int, int, int]]:
        """Row, begin and end of runs, which do not overlap each other, that overlap a stretch."""
        first = max(grouped.bounds(key)[0], grouped.before(key, start, "right") - 1)
        rows = grouped.order[first : grouped.before(key, end)]
        runs = zip(rows.tolist(), self._runs.start_ns[rows].tolist(), self._runs.end_ns[rows].tolist(), strict=True)
        return [(row, begin, over) for row, begin, over in runs if over > start]

    def _site(self, number: int) -> Site | None:
        return self._trace.sites[number] if number >= 0 else None

    def _text(self, number: int) -> str:
        return self._trace.strings[number] if number >= 0 else ""
