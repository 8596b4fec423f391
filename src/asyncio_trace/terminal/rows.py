"""The rows of the picture: a tree of tasks by parent, with the executor jobs that each handed over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from asyncio_trace.model import Job, Run, Task, Trace, Wait
from asyncio_trace.terminal.glyphs import Glyphs


@dataclass(slots=True, eq=False)
class Row:
    """One task or job, or many that are folded into one."""

    tasks: list[Task] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    mixed: bool = False
    """Folded from tasks of several coroutines."""
    tall: bool = False
    """A second line says how many of its tasks were alive when."""
    longest: bool = False
    """Kept out of a fold for having lasted much longer than the others."""
    beside: Row | None = None
    """The folded row that this one was kept out of; it stands below that one."""
    children: list[Row] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    guides: str = ""
    """The branches of the tree that lead to this row."""
    beneath: str = ""
    """Their continuation on a second line of this row."""

    @property
    def folded(self) -> bool:
        """Whether the row stands for several tasks or jobs."""
        return len(self.tasks) + len(self.jobs) > 1

    @property
    def since(self) -> int:
        """When the first of them came into being, in nanoseconds."""
        return self.tasks[0].created_ns if self.tasks else self.jobs[0].submitted_ns


def unfolded(trace: Trace) -> list[Row]:
    """A row for each task and job; returns those without a parent, the others are their children.

    A parent always stands before its children in a trace; a link that says otherwise is not followed, which
    would make a circle.
    """
    rows: dict[int, Row] = {}
    roots: list[Row] = []
    for task in trace.tasks:
        row = Row(tasks=[task])
        (rows[task.parent].children if task.parent in rows else roots).append(row)
        rows[task.id] = row
    for job in trace.jobs:
        (rows[job.task].children if job.task in rows else roots).append(Row(jobs=[job]))
    return roots


def in_order(roots: list[Row], glyphs: Glyphs, deepest: int) -> list[Row]:
    """All rows from top to bottom, with their guides; guides of more than `deepest` levels are shortened in the middle."""
    ordered: list[Row] = []
    pending = [(row, "", "", 0) for row in reversed(_siblings(roots))]
    while pending:
        row, guides, below, depth = pending.pop()
        row.guides = guides
        ordered.append(row)
        children = _siblings(row.children)
        if depth >= deepest:
            below = glyphs.ellipsis.ljust(len(glyphs.gap)) + below[2 * len(glyphs.gap) :]
        row.beneath = below + (glyphs.stem if children else glyphs.gap)
        for place, child in enumerate(reversed(children)):
            branch, stem = (glyphs.branch, glyphs.stem) if place else (glyphs.last_branch, glyphs.gap)
            pending.append((child, below + branch, below + stem, depth + 1))
    return ordered


def _siblings(rows: list[Row]) -> list[Row]:
    """By start, but the tasks singled out of a folded row right below it."""
    if not any(row.beside for row in rows):
        return sorted(rows, key=lambda row: row.since)
    here = set(rows)

    def key(row: Row) -> tuple[int, int, bool, int]:
        lead = row.beside if row.beside in here else row
        return lead.since, lead.tasks[0].id if lead in led else 0, lead is not row, row.since

    led = {row.beside for row in rows if row.beside in here}
    return sorted(rows, key=key)


def hand_out(rows: Iterable[Row], trace: Trace) -> None:
    """Give each row the runs and waits of its tasks."""
    rows_by_task = {task.id: row for row in rows for task in row.tasks}
    for run in trace.runs:
        if run.task is not None and run.task in rows_by_task:
            rows_by_task[run.task].runs.append(run)
    for wait in trace.waits:
        if wait.task in rows_by_task:
            rows_by_task[wait.task].waits.append(wait)
