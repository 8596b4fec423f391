"""More tasks than rows: one row for those of one coroutine that came from one coroutine, except the few worth a look.

A reader of 11,000 tasks wants to know which kinds there are, how each kind fared, and which tasks stand out. So three or more
of a kind become a row, and a few get rows of their own below it, whose marks say why: they raised, they held the loop, or they
lasted much longer than the others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from asyncio_trace.model import Job, Task, Trace
from asyncio_trace.terminal.rows import Row

_OF_A_GROUP = 3
"""Tasks singled out of one group."""
_ALIKE = 3
"""Groups of so many are folded."""
_LINES_OF_THE_REST = 2
"""Lines for the kinds that get no row of their own: one for tasks, one for jobs."""
_MUCH_LONGER = 4
"""A task is singled out if it lasted this many times the mean of its group,"""
_TO_BE_SEEN = 20
"""and at least this part of all the time."""


@dataclass(slots=True, eq=False)
class _Group:
    """Tasks of one kind, or jobs of one function from one kind of task."""

    order: int
    parent: _Group | None
    tasks: list[Task] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    open: bool = False
    """Drawn member by member."""
    mixed: bool = False
    tall: bool = True
    """Many tasks may have a second line, which says how many were alive when."""

    @property
    def size(self) -> int:
        return len(self.tasks) + len(self.jobs)

    @property
    def lines(self) -> int:
        """Lines that the folded group takes."""
        return 2 if self.tall and len(self.tasks) > 1 else 1


def folded(trace: Trace, budget: int, blocking: Collection[int]) -> list[Row]:
    """The trace in about `budget` lines; returns those without a parent.

    `blocking` are the ids of the tasks that held a loop for too long, worst first.
    """
    groups = _grouped(trace)
    over = sum(group.lines for group in groups) - budget
    for group in sorted(groups, key=lambda group: group.size):
        if over > 0 and group.lines > 1:
            group.tall = False
            over -= 1
    if over > 0:
        _merge_the_smallest(groups, budget)
    _open_small(groups, budget)
    spare = budget - sum(group.size if group.open else group.lines for group in groups)
    return _rows(trace, groups, dict(_outstanding(groups, blocking)[: max(0, spare)]))


def _grouped(trace: Trace) -> list[_Group]:
    tasks = {task.id: task for task in trace.tasks}
    groups: dict[object, _Group] = {}
    group_of: dict[int, _Group] = {}
    for task in trace.tasks:
        parent = group_of.get(task.parent) if task.parent is not None else None
        key = (tasks[task.parent].coroutine if parent and task.parent is not None else None, task.coroutine)
        if key not in groups:
            groups[key] = _Group(len(groups), parent)
        groups[key].tasks.append(task)
        group_of[task.id] = groups[key]
    for job in trace.jobs:
        parent = group_of.get(job.task) if job.task is not None else None
        job_key = (id(parent), job.function, "job")
        if job_key not in groups:
            groups[job_key] = _Group(len(groups), parent)
        groups[job_key].jobs.append(job)
    return list(groups.values())


def _merge_the_smallest(groups: list[_Group], budget: int) -> None:
    """Where there are more kinds than lines, put the kinds that lived least into one, and the jobs into another."""
    end = max((task.ended_ns or task.created_ns for group in groups for task in group.tasks), default=0)
    lived = {group: sum((task.ended_ns or end) - task.created_ns for task in group.tasks) for group in groups}
    most_first = sorted(groups, key=lambda group: -lived[group])
    lines = list(accumulate(group.lines for group in most_first))
    kept = set(most_first[: max(1, bisect_right(lines, budget - _LINES_OF_THE_REST))])
    order = len(groups)
    rest = (_Group(order, None, mixed=True, tall=False), _Group(order + 1, None, mixed=True))
    for group in groups:
        while group.parent is not None and group.parent not in kept:
            group.parent = group.parent.parent
        if group not in kept:
            rest[0].tasks += group.tasks
            rest[1].jobs += group.jobs
    rest[0].tasks.sort(key=lambda task: task.created_ns)
    rest[1].jobs.sort(key=lambda job: job.submitted_ns)
    groups[:] = [group for group in groups if group in kept] + [group for group in rest if group.size]


def _open_small(groups: list[_Group], budget: int) -> None:
    """Draw groups of few alike member by member, as far as lines last; those beneath others first.

    A group with a folded group beneath it stays folded, since nobody could say beneath which member to draw that one.
    """
    spare = budget - sum(group.lines for group in groups)
    parents_of_folded = set()
    for group in reversed(groups):
        more = group.size - group.lines
        few = group.size < _ALIKE and group not in parents_of_folded and more <= spare
        if not group.mixed and (group.size == 1 or few):
            group.open = True
            spare -= more
        elif group.parent is not None:
            parents_of_folded.add(group.parent)


def _outstanding(groups: list[_Group], blocking: Collection[int]) -> list[tuple[int, str]]:
    """Tasks in folded groups that a reader would look for, a few of each group; by id, with the reason."""
    folded = [group for group in groups if not group.open and len(group.tasks) > 1]
    group_of = {task.id: group for group in folded for task in group.tasks}
    wanted = [(group_of[task], task, "blocked") for task in blocking if task in group_of]
    for group in folded:
        raised = [task for task in group.tasks if task.outcome == "raised"]
        one_of_each = {task.exception: task for task in reversed(raised)}.values()
        wanted += [(group, task.id, "raised") for task in [*one_of_each, *raised]]
    end = max((task.ended_ns or task.created_ns for group in groups for task in group.tasks), default=0)
    start = min((task.created_ns for group in groups for task in group.tasks), default=0)
    for group in folded:
        lives = [((task.ended_ns or end) - task.created_ns, task.id) for task in group.tasks]
        length, longest = max(lives)
        mean = sum(life for life, _ in lives) / len(lives)
        if not group.mixed and length >= mean * _MUCH_LONGER and length * _TO_BE_SEEN >= end - start:
            wanted.append((group, longest, "longest"))
    chosen: dict[int, str] = {}
    often: Counter[_Group] = Counter()
    for group, task_id, reason in wanted:
        if task_id not in chosen and often[group] < _OF_A_GROUP:
            chosen[task_id] = reason
            often[group] += 1
    return list(chosen.items())


def _rows(trace: Trace, groups: list[_Group], single: Mapping[int, str]) -> list[Row]:
    row_of_group = {group: Row(mixed=group.mixed, tall=group.tall) for group in groups if not group.open}
    row_of_task: dict[int, Row] = {}
    group_of_task = {task.id: group for group in groups for task in group.tasks}
    roots: list[Row] = []

    def attach(row: Row, parent: Row | None) -> None:
        (parent.children if parent else roots).append(row)

    def parent_row(group: _Group, parent_task: int | None, alone: bool) -> Row | None:
        if alone and parent_task in row_of_task:
            return row_of_task[parent_task]
        if group.parent is None:
            return None
        return row_of_task.get(group.parent.tasks[0].id) if group.parent.open else row_of_group[group.parent]

    for task in trace.tasks:
        group = group_of_task[task.id]
        if group.open or task.id in single:
            row = row_of_task[task.id] = Row(tasks=[task], longest=single.get(task.id) == "longest")
            row.beside = row_of_group.get(group)
            attach(row, parent_row(group, task.parent, True))
        else:
            row = row_of_group[group]
            if not row.tasks:
                attach(row, parent_row(group, task.parent, False))
            row.tasks.append(task)
    for group in groups:
        for job in group.jobs:
            if group.open:
                attach(Row(jobs=[job]), parent_row(group, job.task, True))
            else:
                row = row_of_group[group]
                if not row.jobs:
                    attach(row, parent_row(group, job.task, False))
                row.jobs.append(job)
    return roots
