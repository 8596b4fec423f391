"""Where the time went: sums by coroutine, by what was waited on, by callback, loop and executor job; and the longest steps.

Every function takes the whole trace, and reads its columns. Times are integer nanoseconds. What is pending lasts until the
trace's last instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from asyncio_trace.analysis.groups import Groups
from asyncio_trace.analysis.labels import wait_labels
from asyncio_trace.model import NEVER, NONE, OUTCOMES, Loop, Run, Site, Trace
from asyncio_trace.model.columns import Int64
from asyncio_trace.model.kinds import is_asyncio

_HAVE_AN_IDENTITY = frozenset({"lock", "semaphore", "event", "condition", "barrier", "queue.get", "queue.put"})
_APART = 5
"""So many locks, queues, ... of one kind are told apart; if there are more, they are summed up."""
_STEPS = 10


@dataclass(slots=True)
class CoroutineTotal:
    """All tasks of one coroutine."""

    coroutine: str
    """Qualified name."""
    tasks: int = 0
    steps: int = 0
    lifetime_ns: int = 0
    """From creation to end, summed over the tasks."""
    running_ns: int = 0
    ready_ns: int = 0
    waiting_ns: int = 0
    longest_step_ns: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    """Tasks by outcome."""


@dataclass(slots=True)
class WaitTotal:
    """All waits on one thing, or on things of one kind that go by one label."""

    kind: str
    label: str
    """What a person calls it; a task goes by its coroutine."""
    id: int | None
    """Id of the lock, queue, ..., if all waits were on this one."""
    count: int = 0
    waiting_ns: int = 0
    ready_ns: int = 0
    longest_ns: int = 0
    """From suspension to resumption."""
    longest_task: int | None = None
    longest_at: Site | None = None
    """The program's own line that waited longest."""
    longest_start_ns: int = 0


@dataclass(slots=True)
class CallbackTotal:
    """All runs of callbacks of one name."""

    callback: str
    count: int = 0
    running_ns: int = 0
    longest_ns: int = 0


@dataclass(slots=True)
class LoopTotal:
    """One loop's life."""

    id: int
    type: str
    thread_name: str
    lifetime_ns: int
    """Until it closed, or until the end of the trace."""
    runs: int = 0
    running_ns: int = 0
    """In steps and callbacks."""
    idle_ns: int | None = None
    """In its selector; None if the trace does not tell."""


@dataclass(slots=True)
class JobTotal:
    """All executor jobs of one function."""

    function: str
    count: int = 0
    queued_ns: int = 0
    """From submission until a thread took them."""
    ran_ns: int = 0
    longest_ns: int = 0
    """The longest that one of them ran."""
    threads: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    at: Site | None = None
    """Where the first of them was handed over."""


@dataclass(frozen=True, slots=True)
class Await:
    """An await at one end of a step."""

    kind: str
    label: str
    at: Site | None
    """The innermost frame outside asyncio."""


@dataclass(frozen=True, slots=True)
class Step:
    """A run, and the awaits between which its code stands."""

    run: Run
    after: Await | None
    """The wait that it came after; None for a task's first step and for callbacks."""
    before: Await | None
    """The wait that it came before; None for a task's last step and for callbacks."""

    @property
    def length_ns(self) -> int:
        """How long it held its loop."""
        return self.run.end_ns - self.run.start_ns


@dataclass(frozen=True, slots=True)
class Totals:
    """Where the time of a trace went. Each list has the most costly first."""

    end_ns: int
    """The trace's last instant."""
    coroutines: list[CoroutineTotal]
    waits: list[WaitTotal]
    callbacks: list[CallbackTotal]
    loops: list[LoopTotal]
    steps: list[Step]
    """The longest ones."""
    jobs: list[JobTotal]


def totals(trace: Trace) -> Totals:
    """Sum up the trace."""
    end = last_instant(trace)
    return Totals(
        end,
        by_coroutine(trace, end),
        by_wait(trace, end),
        by_callback(trace),
        by_loop(trace, end),
        longest_steps(trace),
        by_job(trace, end),
    )


def last_instant(trace: Trace) -> int:
    """The last instant that the trace tells of."""
    runs, waits, tasks, jobs = trace.runs.columns, trace.waits.columns, trace.tasks.columns, trace.jobs.columns
    end = trace.program.duration_ns
    for column in (
        runs.end_ns,
        np.where(waits.end_ns != NEVER, waits.end_ns, np.where(waits.ready_ns != NEVER, waits.ready_ns, waits.start_ns)),
        *(tasks.created_ns, tasks.ended_ns),
        *(jobs.submitted_ns, jobs.started_ns, jobs.ended_ns),
    ):
        end = max(end, int(column.max(initial=NEVER)))
    return end


def by_coroutine(trace: Trace, end_ns: int) -> list[CoroutineTotal]:
    """Tasks by their coroutine's qualified name; what ran most comes first."""
    tasks, runs = trace.tasks.columns, trace.runs.columns
    groups = Groups(tasks.coroutine)
    longest = np.zeros(len(groups), np.int64)
    of_tasks = runs.task_row != NONE
    lengths = (runs.end_ns - runs.start_ns)[of_tasks]
    np.maximum.at(longest, groups.of_row[runs.task_row[of_tasks]], lengths)
    sums = (
        groups.counts(),
        groups.sums(tasks.steps),
        groups.sums(_ended(tasks.ended_ns, end_ns) - tasks.created_ns),
        groups.sums(tasks.running_ns),
        groups.sums(tasks.ready_ns),
        groups.sums(tasks.waiting_ns),
        longest,
    )
    rows = zip(*(column.tolist() for column in (groups.keys, *sums)), groups.counted(tasks.outcome, OUTCOMES), strict=True)
    totals = [CoroutineTotal(trace.strings[coroutine], *numbers) for coroutine, *numbers in rows]
    return sorted(totals, key=lambda total: (-total.running_ns, -total.lifetime_ns))


def _ended(column: Int64, end_ns: int) -> Int64:
    """A column of times, with the end of the trace where it has not happened."""
    return np.where(column == NEVER, end_ns, column)


def by_wait(trace: Trace, end_ns: int, *, apart: bool = True) -> list[WaitTotal]:
    """Waits by kind and label; what took longest in all comes first.

    Args:
        trace: Whose waits.
        end_ns: The trace's last instant.
        apart: Tell locks, queues, ... of one kind apart, if they are few.
    """
    waits = trace.waits.columns
    labels, texts = wait_labels(trace)
    kinds_and_labels = Groups(waits.kind.astype(np.int64) << 32 | labels)
    groups, told_apart = kinds_and_labels, np.zeros(len(kinds_and_labels), np.bool_)
    if apart:
        told_apart = _few_objects(trace, kinds_and_labels)
        ids = np.where(told_apart[kinds_and_labels.of_row], waits.awaited_id, 0)
        objects = Groups(ids)
        groups = Groups(kinds_and_labels.of_row.astype(np.int64) << 32 | objects.of_row)
    over = _ended(waits.end_ns, end_ns)
    ready = np.where(waits.ready_ns == NEVER, over, waits.ready_ns)
    lasted = over - waits.start_ns
    sums = groups.counts(), groups.sums(ready - waits.start_ns), groups.sums(over - ready)
    totals = []
    for first, longest, *numbers in zip(
        groups.first.tolist(), groups.longest(lasted).tolist(), *(column.tolist() for column in sums), strict=True
    ):
        id_ = int(waits.awaited_id[first]) if told_apart[kinds_and_labels.of_row[first]] else 0
        total = WaitTotal(trace.wait_kinds[int(waits.kind[first])], texts[int(labels[first])], id_ or None, *numbers)
        total.longest_ns, total.longest_task = int(lasted[longest]), int(waits.task[longest])
        total.longest_at = own_site(trace.stacks[int(waits.stack[longest])])
        total.longest_start_ns = int(waits.start_ns[longest])
        totals.append(total)
    return sorted(totals, key=lambda total: -total.waiting_ns - total.ready_ns)


def _few_objects(trace: Trace, groups: Groups) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """The groups of waits on things that outlast a wait and are few enough to be told apart."""
    waits = trace.waits.columns
    lasting = [trace.wait_kinds.number(kind) for kind in _HAVE_AN_IDENTITY]
    rows = np.flatnonzero(np.isin(waits.kind, lasting) & (waits.awaited_id != 0))
    objects = Groups(waits.awaited_id[rows])
    pairs = np.unique(groups.of_row[rows].astype(np.int64) << 32 | objects.of_row)
    number = np.bincount(pairs >> 32, minlength=len(groups))
    return (number > 0) & (number <= _APART)


def own_site(stack: tuple[Site, ...]) -> Site | None:
    """The innermost frame outside asyncio; asyncio's own if there is no other."""
    return next((site for site in reversed(stack) if not is_asyncio(site)), stack[-1] if stack else None)


def by_callback(trace: Trace) -> list[CallbackTotal]:
    """Callbacks by name; what ran most comes first."""
    runs = trace.runs.columns
    rows = np.flatnonzero((runs.task_row == NONE) & (runs.task == 0))
    groups = Groups(np.maximum(runs.callback[rows], 0))
    lengths = (runs.end_ns - runs.start_ns)[rows]
    longest = np.maximum(0, lengths[groups.longest(lengths)])
    sums = zip(*(column.tolist() for column in (groups.keys, groups.counts(), groups.sums(lengths), longest)), strict=True)
    totals = [CallbackTotal(trace.strings[name], *numbers) for name, *numbers in sums]
    return sorted(totals, key=lambda total: -total.running_ns)


def by_loop(trace: Trace, end_ns: int) -> list[LoopTotal]:
    """Loops in the order in which they were made."""
    runs, idle = trace.runs.columns, trace.idle.columns
    known = {loop.id for loop in trace.program.loops}
    groups = Groups(runs.loop)
    strangers = sorted(set(groups.keys.tolist()) - known)
    begin = trace.program.recorded_from_ns
    loops = [*trace.program.loops, *(Loop(number, "", 0, "", begin) for number in strangers)]
    sums: dict[int, LoopTotal] = {}
    for loop in loops:
        closed = end_ns if loop.closed_ns is None else loop.closed_ns
        sums[loop.id] = LoopTotal(loop.id, loop.type, loop.thread_name, closed - min(closed, max(begin, loop.created_ns)))
    ran = groups.sums(runs.end_ns - runs.start_ns)
    for number, count, ran_ns in zip(groups.keys.tolist(), groups.counts().tolist(), ran.tolist(), strict=True):
        sums[number].runs, sums[number].running_ns = count, ran_ns
    waiting = Groups(idle.loop)
    for number, idle_ns in zip(waiting.keys.tolist(), waiting.sums(idle.end_ns - idle.start_ns).tolist(), strict=True):
        if number in sums:
            sums[number].idle_ns = idle_ns
    return list(sums.values())


def running_ns(trace: Trace) -> int:
    """How long the loops ran steps and callbacks, together."""
    runs = trace.runs.columns
    return int((runs.end_ns - runs.start_ns).sum())


def longest_steps(trace: Trace, number: int = _STEPS) -> list[Step]:
    """The longest runs, of tasks and callbacks, longest first."""
    runs, waits = trace.runs.columns, trace.waits.columns
    lengths = runs.end_ns - runs.start_ns
    if len(lengths) > number:
        least = np.partition(lengths, len(lengths) - number)[len(lengths) - number]
        rows = np.flatnonzero(lengths >= least)
    else:
        rows = np.arange(len(lengths))
    rows = rows[np.lexsort((runs.start_ns[rows], -lengths[rows]))][:number]
    labels, texts = wait_labels(trace)

    def await_(wait: int) -> Await:
        site = own_site(trace.stacks[int(waits.stack[wait])])
        return Await(trace.wait_kinds[int(waits.kind[wait])], texts[int(labels[wait])], site)

    steps = []
    for row in rows.tolist():
        run = trace.runs[row]
        of_task = np.flatnonzero(waits.task == run.task) if run.task is not None else np.empty(0, np.int64)
        of_task = of_task[np.argsort(waits.start_ns[of_task], kind="stable")]
        starts = waits.start_ns[of_task]
        before = int(np.searchsorted(starts, run.start_ns))
        after = max(before, int(np.searchsorted(starts, run.end_ns)))
        steps.append(
            Step(
                run,
                await_(of_task[before - 1]) if before else None,
                await_(of_task[after]) if after < len(of_task) else None,
            )
        )
    return steps


def by_job(trace: Trace, end_ns: int) -> list[JobTotal]:
    """Executor jobs by function; what ran longest in all comes first."""
    jobs = trace.jobs.columns
    groups = Groups(jobs.function)
    over = _ended(jobs.ended_ns, end_ns)
    started = np.where(jobs.started_ns == NEVER, over, jobs.started_ns)
    ran = over - started
    longest = np.maximum(0, ran[groups.longest(ran)])
    taken = np.flatnonzero(jobs.started_ns != NEVER)
    by_name = jobs.thread[taken] == 0
    pools = Groups(np.where(by_name, jobs.thread_name[taken], jobs.thread[taken]) << 1 | by_name)
    pairs = np.unique(groups.of_row[taken].astype(np.int64) << 32 | pools.of_row)
    sums = (
        groups.first,
        groups.counts(),
        groups.sums(started - jobs.submitted_ns),
        groups.sums(ran),
        longest,
        np.bincount(pairs >> 32, minlength=len(groups)),
    )
    totals = [
        JobTotal(trace.strings[int(jobs.function[first])], count, queued_ns, ran_ns, longest_ns, threads)
        for first, count, queued_ns, ran_ns, longest_ns, threads in zip(*(column.tolist() for column in sums), strict=True)
    ]
    sites = jobs.at[groups.first].tolist()
    for total, seen, site in zip(totals, groups.counted(jobs.outcome, OUTCOMES), sites, strict=True):
        total.outcomes, total.at = seen, None if site == NONE else trace.sites[site]
    return sorted(totals, key=lambda total: -total.ran_ns - total.queued_ns)
