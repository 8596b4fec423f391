"""What the columns beside a bar say about a row: totals, what it waits on, who wakes it, how it ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from asyncio_trace.model import Task, Wait
from asyncio_trace.terminal.rows import Row
from asyncio_trace.terminal.wording import Names, Wording, count, whole_percent

_HAVE_AN_IDENTITY = frozenset({"lock", "semaphore", "event", "condition", "barrier", "queue.get", "queue.put"})
_SAY_IT_ALL = frozenset({"gather", "sleep", "timeout", "yield", "stream.read", "stream.write"})
_WORST_FIRST = ("raised", "cancelled", "pending", "returned")


@dataclass(frozen=True, slots=True)
class Facts:
    """One row's columns. Times are nanoseconds, summed over the row's tasks."""

    total: int
    running: int
    ready: int
    waiting: int
    steps: int
    waits_share: str
    waits_on: Sequence[str]
    """Shorter and shorter forms, as of `woken_by`."""
    woken_by: Sequence[str]
    outcome: str
    """The worst of the row's outcomes."""
    ending: str
    """The outcome in words: an exception's name, or how many tasks ended so."""
    blocked: bool
    """A step held the loop for longer than the threshold."""


def facts(row: Row, names: Names, wording: Wording, end: int, block_threshold_ns: int) -> Facts:
    """Sum up a row. `end` is the trace's last instant, until which pending tasks last."""
    if len(row.tasks) == 1 and not row.jobs:
        return _task_facts(row, row.tasks[0], names, wording, end, block_threshold_ns)
    outcomes = Counter([task.outcome for task in row.tasks] + [job.outcome for job in row.jobs])
    outcome = next((worst for worst in _WORST_FIRST if outcomes[worst]), "pending")
    if row.jobs:
        return _job_facts(row, wording, end, outcome)
    total = sum((end if task.ended_ns is None else task.ended_ns) - task.created_ns for task in row.tasks)
    ready = sum(task.ready_ns for task in row.tasks)
    share, waits_on = _waits_on(row.waits, names, wording, end, total, ready)
    return Facts(
        total=total,
        running=sum(task.running_ns for task in row.tasks),
        ready=ready,
        waiting=sum(task.waiting_ns for task in row.tasks),
        steps=sum(task.steps for task in row.tasks),
        waits_share=share,
        waits_on=waits_on,
        woken_by=_woken_by(row, names, wording),
        outcome=outcome,
        ending=outcome if outcome == "returned" else f"{count(outcomes[outcome])} {outcome}",
        blocked=any(run.end_ns - run.start_ns >= block_threshold_ns for run in row.runs),
    )


def _task_facts(row: Row, task: Task, names: Names, wording: Wording, end: int, block_threshold_ns: int) -> Facts:
    total = (end if task.ended_ns is None else task.ended_ns) - task.created_ns
    share, waits_on = _waits_on(row.waits, names, wording, end, total, task.ready_ns)
    return Facts(
        total=total,
        running=task.running_ns,
        ready=task.ready_ns,
        waiting=task.waiting_ns,
        steps=task.steps,
        waits_share=share,
        waits_on=waits_on,
        woken_by=_woken_by(row, names, wording),
        outcome=task.outcome if task.outcome in _WORST_FIRST else "pending",
        ending=wording.clean(task.exception or "raised") if task.outcome == "raised" else task.outcome,
        blocked=any(run.end_ns - run.start_ns >= block_threshold_ns for run in row.runs),
    )


def _job_facts(row: Row, wording: Wording, end: int, outcome: str) -> Facts:
    total = working = 0
    threads: Counter[str] = Counter()
    for job in row.jobs:
        ended = end if job.ended_ns is None else job.ended_ns
        total += ended - job.submitted_ns
        working += 0 if job.started_ns is None else ended - job.started_ns
        if job.started_ns is not None:
            threads[job.thread_name or "a thread"] += 1
    where = wording.clean(next(iter(threads))) if len(threads) == 1 else f"{count(len(threads))} threads" if threads else ""
    return Facts(total, working, total - working, 0, 0, "", [where], [""], outcome, outcome, False)


def _waits_on(waits: list[Wait], names: Names, wording: Wording, end: int, total: int, ready: int) -> tuple[str, Sequence[str]]:
    """The share of its life that a row waits on its main kind of thing, and that kind, with its object if that is one.

    Of a row that is queued more than anything else, that is said instead.
    """
    waited: defaultdict[str, int] = defaultdict(int)
    elapsed: defaultdict[str, int] = defaultdict(int)
    for wait in waits:
        over = end if wait.end_ns is None else wait.end_ns
        waited[wait.kind] += (over if wait.ready_ns is None else wait.ready_ns) - wait.start_ns
        elapsed[wait.kind] += over - wait.start_ns
    kind = max(elapsed, key=lambda kind: (waited[kind], elapsed[kind]), default="")
    if 2 * ready > total:
        return whole_percent(ready, total), ["ready (yield)", "ready"] if kind == "yield" else ["ready"]
    if not kind:
        return "", [""]
    of_kind = [wait for wait in waits if wait.kind == kind]
    lengths: defaultdict[tuple[str, str], int] = defaultdict(int)
    tasks: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for wait in of_kind:
        thing = _object(wait, names, wording)
        lengths[thing] += (end if wait.end_ns is None else wait.end_ns) - wait.start_ns + 1
        if thing[0] and wait.awaited.id is not None:
            tasks[thing].add(wait.awaited.id)
    thing = max(lengths, key=lambda thing: lengths[thing])
    text = wording.clean(kind)
    forms = [text]
    if any(thing) and 2 * lengths[thing] > sum(lengths.values()):
        objects = names.texts(tasks[thing]) if thing in tasks else [thing[1]]
        number = [text] if kind in _HAVE_AN_IDENTITY else []
        forms = [name if kind == "other" or name.lower().startswith(text) else f"{text} {name}" for name in objects] + number
    return whole_percent(waited[kind], total) if waited[kind] else "", forms


def _object(wait: Wait, names: Names, wording: Wording) -> tuple[str, str]:
    """What tells this wait from others of its kind, or nothing: the coroutine of the task waited on, or a text."""
    kind, awaited = wait.kind, wait.awaited
    if kind in _SAY_IT_ALL:
        return "", ""
    if kind in _HAVE_AN_IDENTITY:
        return "", names.number(kind, awaited.id) if awaited.id is not None else ""
    if kind == "task" and (coroutine := names.coroutine_of(awaited.id)) is not None:
        return coroutine or "?", ""
    label = wording.clean(awaited.label)
    return "", "" if label.lower() in (kind, awaited.type.lower()) else label


def _woken_by(row: Row, names: Names, wording: Wording) -> list[str]:
    """The waker that ended most waits, and how many others there were; tasks of one coroutine are one waker."""
    exact = Counter(
        ("itself", None, None)
        if wait.waker.task == wait.task
        else (wait.waker.kind, wait.waker.task, None if wait.waker.kind in ("timer", "io") else wait.waker.label)
        for wait in row.waits
        if wait.waker is not None
    )
    if not exact:
        return [""]
    wakers: Counter[tuple[str, str | None]] = Counter()
    tasks: defaultdict[tuple[str, str | None], set[int]] = defaultdict(set)
    for (kind, task, label), often in exact.items():
        coroutine = names.coroutine_of(task) if kind == "task" else None
        waker = (kind, label if coroutine is None else coroutine)
        wakers[waker] += often
        if coroutine is not None and task is not None:
            tasks[waker].add(task)
    main = wakers.most_common(1)[0][0]
    kind, label = main
    forms = (
        names.texts(tasks[main])
        if main in tasks
        else [wording.clean(f"{kind} {label}" if label else kind), wording.clean(kind)]
    )
    return [*(f"{form} +{count(len(wakers) - 1)}" for form in forms), forms[-1]] if len(wakers) > 1 else forms
