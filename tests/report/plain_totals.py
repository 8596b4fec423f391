"""The sums of a report, added up row by row: to check those that are made of columns."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import defaultdict

from asyncio_trace.analysis import totals as t
from asyncio_trace.model import Loop, Run, Site, Task, Trace, Wait
from asyncio_trace.model.kinds import is_asyncio


def totals(trace: Trace) -> t.Totals:
    """Sum up the trace."""
    end = last_instant(trace)
    return t.Totals(
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


def by_coroutine(trace: Trace, end_ns: int) -> list[t.CoroutineTotal]:
    """Tasks by their coroutine's qualified name; what ran most comes first."""
    sums: dict[str, t.CoroutineTotal] = {}
    of_task: dict[int | None, t.CoroutineTotal] = {}
    for task in trace.tasks:
        total = sums.get(task.coroutine)
        if total is None:
            total = sums[task.coroutine] = t.CoroutineTotal(task.coroutine)
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


def by_wait(trace: Trace, end_ns: int, *, apart: bool = True) -> list[t.WaitTotal]:
    """Waits by kind and label; what took longest in all comes first.

    Args:
        trace: Whose waits.
        end_ns: The trace's last instant.
        apart: Tell locks, queues, ... of one kind apart, if they are few.
    """
    tasks = {task.id: task for task in trace.tasks}
    sums: dict[tuple[str, str, int | None], t.WaitTotal] = {}
    objects = _objects(trace, tasks) if apart else {}
    for wait in trace.waits:
        label = _label(wait, tasks)
        few = 0 < len(objects.get((wait.kind, label), ())) <= t._APART
        key = (wait.kind, label, wait.awaited.id if few else None)
        total = sums.get(key)
        if total is None:
            total = sums[key] = t.WaitTotal(*key)
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
        if wait.kind in t._HAVE_AN_IDENTITY and wait.awaited.id is not None:
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


def by_callback(trace: Trace) -> list[t.CallbackTotal]:
    """Callbacks by name; what ran most comes first."""
    sums: dict[str, t.CallbackTotal] = {}
    for run in trace.runs:
        if run.task is not None:
            continue
        name = run.callback or ""
        total = sums.get(name)
        if total is None:
            total = sums[name] = t.CallbackTotal(name)
        length = run.end_ns - run.start_ns
        total.count += 1
        total.running_ns += length
        total.longest_ns = max(total.longest_ns, length)
    return sorted(sums.values(), key=lambda total: -total.running_ns)


def by_loop(trace: Trace, end_ns: int) -> list[t.LoopTotal]:
    """Loops in the order in which they were made."""
    known = {loop.id for loop in trace.program.loops}
    strangers = sorted({run.loop for run in trace.runs} - known)
    begin = trace.program.recorded_from_ns
    loops = [*trace.program.loops, *(Loop(number, "", 0, "", begin) for number in strangers)]
    sums: dict[int, t.LoopTotal] = {}
    for loop in loops:
        closed = end_ns if loop.closed_ns is None else loop.closed_ns
        sums[loop.id] = t.LoopTotal(loop.id, loop.type, loop.thread_name, closed - min(closed, max(begin, loop.created_ns)))
    for run in trace.runs:
        total = sums[run.loop]
        total.runs += 1
        total.running_ns += run.end_ns - run.start_ns
    for idle in trace.idle:
        if idle.loop in sums:
            total = sums[idle.loop]
            total.idle_ns = (total.idle_ns or 0) + idle.end_ns - idle.start_ns
    return list(sums.values())


def longest_steps(trace: Trace, number: int = 10) -> list[t.Step]:
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


def _step(run: Run, waits: list[Wait], tasks: dict[int, Task]) -> t.Step:
    """A run among the waits of its task, which are ordered by start."""
    before = bisect_left(waits, run.start_ns, key=lambda wait: wait.start_ns)
    after = bisect_left(waits, run.end_ns, lo=before, key=lambda wait: wait.start_ns)
    return t.Step(
        run,
        _await(waits[before - 1], tasks) if before else None,
        _await(waits[after], tasks) if after < len(waits) else None,
    )


def _await(wait: Wait, tasks: dict[int, Task]) -> t.Await:
    return t.Await(wait.kind, _label(wait, tasks), own_site(wait.stack))


def by_job(trace: Trace, end_ns: int) -> list[t.JobTotal]:
    """Executor jobs by function; what ran longest in all comes first."""
    sums: dict[str, t.JobTotal] = {}
    threads: defaultdict[str, set[object]] = defaultdict(set)
    for job in trace.jobs:
        total = sums.get(job.function)
        if total is None:
            total = sums[job.function] = t.JobTotal(job.function, at=job.at)
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
