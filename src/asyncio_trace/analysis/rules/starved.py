"""Rule `starved`: tasks that were ready but did not run, again and again, because another coroutine's steps are too long.

One step beyond the blocking threshold is `blocking-step`'s to tell. This is about steps that are each short enough to pass, and
leave others waiting all the same. A loop that is busy with many short steps of one kind is merely busy: so the steps in the way
must be long, must be another coroutine's, and must have taken a good part of the lives of those that waited.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asyncio_trace.analysis.evidence import duration, function, own_line, plural, task_name, times
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, Site, Trace
from asyncio_trace.model.columns import Int64

NAME = "starved"
_LONG = 10
"""Steps in the way are longer than the threshold divided by this,"""
_UNLIKE = 5
"""and than so many times what those that waited run at a time: among equals nobody starves."""
_OFTEN = 3
"""Waits that were held up."""
_SHARE = 0.2
"""Part of the victims' lives that they lost."""
_MOST_VICTIMS = 8
"""Coroutines that are looked at as victims, those that lost most."""
_MOST_CULPRITS = 8
"""Coroutines with long steps that are looked at, those that ran longest."""


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each coroutine that held others up, about the coroutine that lost most by it."""
    runs, tasks, waits = trace.runs.columns, trace.tasks.columns, trace.waits.columns
    lengths = runs.end_ns - runs.start_ns
    threshold = trace.program.block_threshold_ns
    if not len(lengths) or not len(waits):
        return
    least = threshold // _LONG
    long_runs = np.flatnonzero((lengths >= least) & (lengths < threshold) & (runs.task_row != NONE))
    if len(long_runs) < _OFTEN:
        return
    ended = np.flatnonzero((waits.end_ns != NEVER) & (waits.ready_ns != NEVER))
    held = ended[waits.end_ns[ended] - waits.ready_ns[ended] >= least]
    if len(held) < _OFTEN:
        return
    culprits = tasks.coroutine[runs.task_row[long_runs]]
    ran = np.bincount(culprits, lengths[long_runs])
    for culprit in np.argsort(-ran)[:_MOST_CULPRITS]:
        if ran[culprit] >= threshold:
            yield from _held_up_by(trace, int(culprit), long_runs[culprits == culprit], held)


def _held_up_by(trace: Trace, culprit: int, long_runs: Int64, held: Int64) -> Iterator[Finding]:
    runs, tasks, waits = trace.runs.columns, trace.tasks.columns, trace.waits.columns
    of_task = waits.task_row[held]
    held = held[(of_task != NONE) & (tasks.coroutine[of_task] != culprit)]
    if not len(held):
        return
    loops = tasks.loop[waits.task_row[held]]
    lost = np.zeros(len(held), np.int64)
    for loop in np.unique(runs.loop[long_runs]):
        mine, theirs = long_runs[runs.loop[long_runs] == loop], loops == loop
        since, until = waits.ready_ns[held[theirs]], waits.end_ns[held[theirs]]
        lost[theirs] = _ran_until(runs.start_ns[mine], runs.end_ns[mine], until) - _ran_until(
            runs.start_ns[mine], runs.end_ns[mine], since
        )
    held, lost = held[lost > 0], lost[lost > 0]
    step = int(np.median((runs.end_ns - runs.start_ns)[long_runs]))
    victims = tasks.coroutine[waits.task_row[held]]
    totals = np.bincount(victims, lost) if len(held) else np.empty(0)
    for victim in np.argsort(-totals)[:_MOST_VICTIMS].tolist():
        late, total = held[victims == victim], int(totals[victim])
        if len(late) < _OFTEN or total < trace.program.block_threshold_ns:
            return
        if total >= _SHARE * _lives(trace, late) and step >= _UNLIKE * _own_step(trace, late):
            yield _finding(trace, culprit, long_runs, step, late, total)
            return


def _lives(trace: Trace, late: Int64) -> int:
    """How long the tasks of these waits lived, together."""
    tasks, rows = trace.tasks.columns, np.unique(trace.waits.columns.task_row[late])
    ends = np.where(tasks.ended_ns[rows] == NEVER, trace.program.duration_ns, tasks.ended_ns[rows])
    return int((ends - tasks.created_ns[rows]).sum())


def _own_step(trace: Trace, late: Int64) -> float:
    """How long the tasks of these waits run at a time."""
    runs = trace.runs.columns
    theirs = np.isin(runs.task_row, trace.waits.columns.task_row[late])
    return float(np.median((runs.end_ns - runs.start_ns)[theirs])) if theirs.any() else 0.0


def _finding(trace: Trace, culprit: int, long_runs: Int64, step: int, late: Int64, total: int) -> Finding:
    tasks, waits = trace.tasks.columns, trace.waits.columns
    rows = np.unique(waits.task_row[late])
    delays = waits.end_ns[late] - waits.ready_ns[late]
    worst = int(late[delays.argmax()])
    name = function(trace.strings[culprit])
    victim = function(trace.strings[int(tasks.coroutine[rows[0]])])
    who = task_name(trace, int(rows[0])) if len(rows) == 1 else f"{plural(len(rows), 'task')} of {victim}"
    at = _line(trace, culprit, long_runs)
    share = 100 * total // max(1, _lives(trace, late))
    return Finding(
        rule=NAME,
        severity="warning",
        task=int(tasks.id[waits.task_row[worst]]),
        start_ns=int(waits.ready_ns[worst]),
        end_ns=int(waits.end_ns[worst]),
        at=at,
        message=f"{who} lost {duration(total)} ({share} % of the time) ready but not running, "
        f"{times(len(late))}, {duration(int(delays.max()))} at most: {name} was running, in steps of {duration(step)}",
        advice=f"make the steps of {name} shorter, or move its work to a thread or a process",
    )


def _ran_until(starts: Int64, ends: Int64, instants: Int64) -> Int64:
    """For each instant, how long runs had run in all by then. The runs are ordered, and do not overlap."""
    before = np.concatenate(([0], np.cumsum(ends - starts)))
    at = np.searchsorted(starts, instants, "right")
    begun = np.maximum(at - 1, 0)
    unfinished = np.where(at > 0, np.maximum(ends[begun] - instants, 0), 0)
    ran: Int64 = before[at] - unfinished
    return ran


def _line(trace: Trace, culprit: int, long_runs: Int64) -> Site | None:
    """Where the long steps were seen most often; else where the coroutine gives way after them."""
    tasks, runs, waits = trace.tasks.columns, trace.runs.columns, trace.waits.columns
    rows = np.unique(runs.task_row[long_runs])
    ids = set(tasks.id[rows].tolist())
    seen: dict[Site, int] = {}
    for sample in trace.witnesses.samples:
        if sample.task in ids and (at := own_line(sample.stack)) is not None:
            seen[at] = seen.get(at, 0) + 1
    if seen:
        return max(seen, key=lambda at: seen[at])
    stacks = waits.stack[np.isin(waits.task_row, rows)]
    return own_line(trace.stacks[int(np.bincount(stacks).argmax())]) if len(stacks) else None
