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
_MOST_CULPRITS = 8
"""Coroutines with long steps that are looked at, those that ran longest."""


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each coroutine that held others up, about the coroutine that lost most."""
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
    victims = tasks.coroutine[waits.task_row[held]]
    totals = np.bincount(victims, lost)
    victim = int(totals.argmax())
    rows = np.unique(waits.task_row[held[(victims == victim) & (lost > 0)]])
    late = held[(victims == victim) & (lost > 0)]
    total = int(totals[victim])
    lives = int((np.where(tasks.ended_ns == NEVER, trace.program.duration_ns, tasks.ended_ns) - tasks.created_ns)[rows].sum())
    if len(late) < _OFTEN or total < trace.program.block_threshold_ns or total < _SHARE * lives:
        return
    step = int(np.median((runs.end_ns - runs.start_ns)[long_runs]))
    theirs = np.isin(runs.task_row, rows)
    if step < _UNLIKE * np.median((runs.end_ns - runs.start_ns)[theirs]):
        return
    delays = waits.end_ns[late] - waits.ready_ns[late]
    worst = int(late[delays.argmax()])
    name = function(trace.strings[culprit])
    who = task_name(trace, int(rows[0])) if len(rows) == 1 else f"{plural(len(rows), 'task')} of {_name(trace, victim)}"
    at = _line(trace, culprit, long_runs)
    yield Finding(
        rule=NAME,
        severity="warning",
        task=int(tasks.id[waits.task_row[worst]]),
        start_ns=int(waits.ready_ns[worst]),
        end_ns=int(waits.end_ns[worst]),
        at=at,
        message=f"{who} lost {duration(total)} ({100 * total // max(1, lives)} % of the time) ready but not running, "
        f"{times(len(late))}, {duration(int(delays.max()))} at most: {name} was running, in steps of {duration(step)}",
        advice=f"make the steps of {name} shorter, or move its work to a thread or a process",
    )


def _name(trace: Trace, coroutine: int) -> str:
    return function(trace.strings[coroutine])


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
