"""Rule `blocking-step`: a run that was longer than the threshold, with the line that blocked, taken while it did.

The line comes from the tracer's watchdog. A run of which it has no sample was hardly longer than one look of it, or the whole
process stood still (a suspended machine): such runs count only if they were much longer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from asyncio_trace.analysis.evidence import duration, function, is_own, listed, own_line, place, plural, task_name, times
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, Sample, Site, Trace

NAME = "blocking-step"
_UNSEEN = 3
"""A run without a sample must be so many times as long as the threshold."""
_MOST_LOOKED_UP = 20
"""Runs without a sample whose next wait is looked for among all waits."""
_IMPORT = "_find_and_load"
"""Function of importlib's that every import of a module not yet there goes through."""


@dataclass(slots=True)
class _Blocked:
    """A run that was too long."""

    start: int
    end: int
    task_row: int
    who: str
    """The task's coroutine or the callback, by qualified name."""
    loop: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def length(self) -> int:
        return self.end - self.start


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each line that blocked, or for each coroutine or callback where the line is not known."""
    groups: defaultdict[tuple[Site | None, str], list[_Blocked]] = defaultdict(list)
    unseen = 0
    for blocked in _blocked(trace):
        if _imports(blocked) and not _held_up(trace, blocked):
            continue  # what a program loads before it has anything else to do
        unseen += not blocked.samples
        at = _line(trace, blocked) if blocked.samples or unseen <= _MOST_LOOKED_UP else None
        groups[at, blocked.who].append(blocked)
    for (at, who), found in groups.items():
        yield _finding(trace, at, who, found)


def _blocked(trace: Trace) -> list[_Blocked]:
    runs, threshold = trace.runs.columns, trace.program.block_threshold_ns
    lengths = runs.end_ns - runs.start_ns
    strings, coroutines = trace.strings, trace.tasks.columns.coroutine
    found = []
    for number in np.flatnonzero(lengths >= threshold):
        row = int(runs.task_row[number])
        name = runs.callback[number] if row == NONE else coroutines[row]
        start, end, loop = int(runs.start_ns[number]), int(runs.end_ns[number]), int(runs.loop[number])
        found.append(_Blocked(start, end, row, strings[int(name)] if name != NONE else "", loop))
    rest = _give_samples(found, trace.witnesses.samples)
    seen = [blocked for blocked in found if blocked.samples or blocked.length >= _UNSEEN * threshold]
    return seen + _unfinished(trace, rest)


def _give_samples(found: list[_Blocked], samples: list[Sample]) -> list[Sample]:
    """Give each run the samples that were taken in it. Returns those that fell into none."""
    by_loop: defaultdict[int, list[_Blocked]] = defaultdict(list)
    for blocked in found:
        by_loop[blocked.loop].append(blocked)
    starts = {loop: np.array([blocked.start for blocked in runs]) for loop, runs in by_loop.items()}
    rest = []
    for sample in samples:
        runs = by_loop.get(sample.loop, [])
        at = int(np.searchsorted(starts[sample.loop], sample.ns, "right")) - 1 if runs else -1
        if at >= 0 and sample.ns <= runs[at].end:
            runs[at].samples.append(sample)
        else:
            rest.append(sample)
    return rest


def _unfinished(trace: Trace, samples: list[Sample]) -> list[_Blocked]:
    """A run that the trace's end cut short, if it was seen and the recording knows no more of it: one for each loop at most."""
    runs = trace.runs.columns
    found = []
    for loop in {sample.loop for sample in samples} if trace.cut else ():
        ended = int(runs.end_ns[runs.loop == loop].max(initial=0))
        seen = [sample for sample in samples if sample.loop == loop and sample.since_ns >= ended]
        if seen and seen[-1].ns - seen[-1].since_ns >= trace.program.block_threshold_ns:
            rows = np.flatnonzero(trace.tasks.columns.id == (seen[-1].task or NONE))
            row = int(rows[0]) if len(rows) else NONE
            who = trace.tasks[row].coroutine if row != NONE else function(seen[-1].stack[0].function) if seen[-1].stack else ""
            found.append(_Blocked(seen[-1].since_ns, seen[-1].ns, row, who, loop, seen))
    return found


def _held_up(trace: Trace, blocked: _Blocked) -> int:
    """How many other tasks' steps were ready while it ran, and had to wait for its end."""
    waits = trace.waits.columns
    late = (waits.ready_ns >= blocked.start) & (waits.ready_ns < blocked.end)
    late &= (waits.end_ns == NEVER) | (waits.end_ns >= blocked.end)
    late &= waits.task_row != blocked.task_row
    rows = np.flatnonzero(late)
    return int((trace.tasks.columns.loop[waits.task_row[rows]] == blocked.loop).sum())


def _imports(blocked: _Blocked) -> bool:
    return any(site.function == _IMPORT for sample in blocked.samples for site in sample.stack)


def _line(trace: Trace, blocked: _Blocked) -> Site | None:
    """The line that most of its samples stood at; without any, the line that the task waited at next."""
    often: defaultdict[Site, int] = defaultdict(int)
    before = blocked.start
    for sample in blocked.samples:
        at = own_line(sample.stack)
        if at is not None:
            often[at] += sample.ns - before  # later samples are further apart
        before = sample.ns
    if often:
        return max(often, key=lambda at: often[at])
    waits = trace.waits.columns
    after = np.flatnonzero((waits.task_row == blocked.task_row) & (waits.start_ns >= blocked.end)).tolist()
    if blocked.task_row != NONE and after:
        return own_line(trace.stacks[int(waits.stack[after[0]])])
    created = int(trace.tasks.columns.created_at[blocked.task_row]) if blocked.task_row != NONE else NONE
    return None if created == NONE else trace.sites[created]


def _finding(trace: Trace, at: Site | None, who: str, found: list[_Blocked]) -> Finding:
    worst = max(found, key=lambda blocked: blocked.length)
    held_up = _held_up(trace, worst)
    name = task_name(trace, worst.task_row) if worst.task_row != NONE else f"callback {function(who)}"
    if len(found) == 1:
        message = f"{name} kept the loop from everything else for {duration(worst.length)}"
    else:
        total = duration(sum(blocked.length for blocked in found))
        message = f"{function(who)} kept the loop from everything else {times(len(found))}, for {total} in all"
        message += f", {duration(worst.length)} at most"
    if held_up:
        message += f"; {plural(held_up, 'task')} had to wait"
    message += _through(worst, at)
    return Finding(
        rule=NAME,
        severity="warning",
        task=int(trace.tasks.columns.id[worst.task_row]) if worst.task_row != NONE else None,
        start_ns=worst.start,
        end_ns=worst.end,
        at=at,
        message=message,
        advice=_advice(worst),
    )


def _through(blocked: _Blocked, at: Site | None) -> str:
    """What was running below or around the line, where that tells more."""
    if not blocked.samples:
        return "; where it was meanwhile was not seen: this is the line that came after"
    stacks = [sample.stack for sample in blocked.samples if own_line(sample.stack) == at]
    late = all(sample.late_ns for sample in blocked.samples if own_line(sample.stack) == at)
    text = ""
    if stacks and stacks[-1][-1] != at:
        inner = stacks[-1][-1]
        text = f", in {function(inner.function)} ({place(inner)})"
    callers = [site for site in (stacks[-1] if stacks else ()) if is_own(site) and site != at]
    if callers:
        text += f"; called from {listed((f'{function(site.function)} ({place(site)})' for site in reversed(callers)), 2)}"
    if late:
        text += "; it kept the GIL meanwhile, and may have been at a line just before"
    return text


def _advice(blocked: _Blocked) -> str:
    inner = {site.module.partition(".")[0] for sample in blocked.samples for site in sample.stack[-1:]}
    if inner & {"socket", "ssl", "http", "urllib", "requests", "urllib3", "sqlite3", "subprocess"}:
        return "use an asyncio library for it, or move the call to a thread with `await asyncio.to_thread(...)`"
    return (
        "move it to a thread with `await asyncio.to_thread(...)` (to a process, if it computes), or cut it into shorter steps"
    )
