"""Where the time went: sums by coroutine, by what was waited on, by callback, loop and executor job; and the longest steps.

Every function takes the whole trace. Times are integer nanoseconds. What is pending lasts until the trace's last instant.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

from asyncio_trace.model import Loop, Run, Site, Task, Trace, Wait
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
    end = trace.program.duration_ns
    end = max(end, max((run.end_ns for run in trace.runs), default=0))
    for wait in trace.waits:
        last = wait.end_ns if wait.end_ns is not None else wait.ready_ns if wait.ready_ns is not None else wait.start_ns
        if last > end:
            end = last
    for task in trace.tasks:
        end = max(end, task.created_ns, task.ended_ns or 0)
    for job in trace.jobs:
        end = max(end, job.submitted_ns, job.started_ns or 0, job.ended_ns or 0)
    return end


def by_coroutine(trace: Trace, end_ns: int) -> list[CoroutineTotal]:
    """Tasks by their coroutine's qualified name; what ran most comes first."""
    sums: dict[str, CoroutineTotal] = {}
    of_task: dict[int | None, CoroutineTotal] = {}
    for task in trace.tasks:
        total = sums.get(task.coroutine)
        if total is None:
            total = sums[task.coroutine] = CoroutineTotal(task.coroutine)
        of_task[task.id] = total
        total.tasks += 1
        total.steps += task.steps
        total.lifetime_ns += (end_ns if task.ended_ns is None else task.ended_ns) - task.created_ns
        total.running_ns += task.running_ns
        total.ready_ns += task.ready_ns
        total.waiting_ns += task.waiting_ns
        total.outcomes[task.outcome] = total.outcomes.get(task.outcome, 0) + 1
    for run in trace.runs:
        if run.task is not None and (total := of_task.get(run.task)) is not None:
            total.longest_step_ns = max(total.longest_step_ns, run.end_ns - run.start_ns)
    return sorted(sums.values(), key=lambda total: (-total.running_ns, -total.lifetime_ns))


def by_wait(trace: Trace, end_ns: int, *, apart: bool = True) -> list[WaitTotal]:
    """Waits by kind and label; what took longest in all comes first.

    Args:
        trace: Whose waits.
        end_ns: The trace's last instant.
        apart: Tell locks, queues, ... of one kind apart, if they are few.
    """
    tasks = {task.id: task for task in trace.tasks}
    sums: dict[tuple[str, str, int | None], WaitTotal] = {}
    objects = _objects(trace, tasks) if apart else {}
    for wait in trace.waits:
        label = _label(wait, tasks)
        few = 0 < len(objects.get((wait.kind, label), ())) <= _APART
        key = (wait.kind, label, wait.awaited.id if few else None)
        total = sums.get(key)
        if total is None:
            total = sums[key] = WaitTotal(*key)
        over = end_ns if wait.end_ns is None else wait.end_ns
        ready = over if wait.ready_ns is None else wait.ready_ns
        total.count += 1
        total.waiting_ns += ready - wait.start_ns
        total.ready_ns += over - ready
        if total.longest_task is None or over - wait.start_ns > total.longest_ns:
            total.longest_ns, total.longest_task = over - wait.start_ns, wait.task
            total.longest_at, total.longest_start_ns = own_site(wait.stack), wait.start_ns
    return sorted(sums.values(), key=lambda total: -total.waiting_ns - total.ready_ns)


def _objects(trace: Trace, tasks: dict[int, Task]) -> dict[tuple[str, str], set[int]]:
    """Ids of the things waited on that outlast a wait, by kind and label."""
    objects: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for wait in trace.waits:
        if wait.kind in _HAVE_AN_IDENTITY and wait.awaited.id is not None:
            objects[wait.kind, _label(wait, tasks)].add(wait.awaited.id)
    return objects


def _label(wait: Wait, tasks: dict[int, Task]) -> str:
    """The awaited thing's label, with a task's coroutine in place of its name, which differs from run to run."""
    awaited = wait.awaited
    task = tasks.get(awaited.id) if awaited.id is not None and awaited.type == "Task" else None
    if task is None:
        return awaited.label
    name = task.name or f"task {task.id}"
    by = awaited.label.removesuffix(name).strip() if awaited.label.endswith(name) else ""
    return f"{by} {task.coroutine}".strip()


def own_site(stack: tuple[Site, ...]) -> Site | None:
    """The innermost frame outside asyncio; asyncio's own if there is no other."""
    return next((site for site in reversed(stack) if not is_asyncio(site)), stack[-1] if stack else None)


def by_callback(trace: Trace) -> list[CallbackTotal]:
    """Callbacks by name; what ran most comes first."""
    sums: dict[str, CallbackTotal] = {}
    for run in trace.runs:
        if run.task is not None:
            continue
        name = run.callback or ""
        total = sums.get(name)
        if total is None:
            total = sums[name] = CallbackTotal(name)
        length = run.end_ns - run.start_ns
        total.count += 1
        total.running_ns += length
        total.longest_ns = max(total.longest_ns, length)
    return sorted(sums.values(), key=lambda total: -total.running_ns)


def by_loop(trace: Trace, end_ns: int) -> list[LoopTotal]:
    """Loops in the order in which they were made."""
    known = {loop.id for loop in trace.program.loops}
    strangers = sorted({run.loop for run in trace.runs} - known)
    begin = trace.program.recorded_from_ns
    loops = [*trace.program.loops, *(Loop(number, "", 0, "", begin) for number in strangers)]
    sums: dict[int, LoopTotal] = {}
    for loop in loops:
        closed = end_ns if loop.closed_ns is None else loop.closed_ns
        sums[loop.id] = LoopTotal(loop.id, loop.type, loop.thread_name, closed - min(closed, max(begin, loop.created_ns)))
    for run in trace.runs:
        total = sums[run.loop]
        total.runs += 1
        total.running_ns += run.end_ns - run.start_ns
    for idle in trace.idle:
        if idle.loop in sums:
            total = sums[idle.loop]
            total.idle_ns = (total.idle_ns or 0) + idle.end_ns - idle.start_ns
    return list(sums.values())


def longest_steps(trace: Trace, number: int = _STEPS) -> list[Step]:
    """The longest runs, of tasks and callbacks, longest first."""
    runs = heapq.nsmallest(number, trace.runs, key=lambda run: (run.start_ns - run.end_ns, run.start_ns))
    waits: dict[int | None, list[Wait]] = {run.task: [] for run in runs if run.task is not None}
    for wait in trace.waits:
        if wait.task in waits:
            waits[wait.task].append(wait)
    tasks = {task.id: task for task in trace.tasks}
    for of_task in waits.values():
        of_task.sort(key=lambda wait: wait.start_ns)
    return [_step(run, waits.get(run.task, []), tasks) for run in runs]


def _step(run: Run, waits: list[Wait], tasks: dict[int, Task]) -> Step:
    """A run among the waits of its task, which are ordered by start."""
    before = bisect_left(waits, run.start_ns, key=lambda wait: wait.start_ns)
    after = bisect_left(waits, run.end_ns, lo=before, key=lambda wait: wait.start_ns)
    return Step(
        run,
        _await(waits[before - 1], tasks) if before else None,
        _await(waits[after], tasks) if after < len(waits) else None,
    )


def _await(wait: Wait, tasks: dict[int, Task]) -> Await:
    return Await(wait.kind, _label(wait, tasks), own_site(wait.stack))


def by_job(trace: Trace, end_ns: int) -> list[JobTotal]:
    """Executor jobs by function; what ran longest in all comes first."""
    sums: dict[str, JobTotal] = {}
    threads: defaultdict[str, set[object]] = defaultdict(set)
    for job in trace.jobs:
        total = sums.get(job.function)
        if total is None:
            total = sums[job.function] = JobTotal(job.function, at=job.at)
        over = end_ns if job.ended_ns is None else job.ended_ns
        started = over if job.started_ns is None else job.started_ns
        total.count += 1
        total.queued_ns += started - job.submitted_ns
        total.ran_ns += over - started
        total.longest_ns = max(total.longest_ns, over - started)
        total.outcomes[job.outcome] = total.outcomes.get(job.outcome, 0) + 1
        if job.started_ns is not None:
            threads[job.function].add(job.thread_name if job.thread is None else job.thread)
    for function, seen in threads.items():
        sums[function].threads = len(seen)
    return sorted(sums.values(), key=lambda total: -total.ran_ns - total.queued_ns)
