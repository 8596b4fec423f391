"""Rule `spin`: a task that keeps waking itself, step after tiny step, instead of waiting for what it wants.

`while not ready: await asyncio.sleep(0)` keeps a processor busy and does nothing. A task that computes and gives way now and
then does much the same, but its steps are long enough to do some work.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asyncio_trace.analysis.evidence import duration, own_line, task_name, times
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, Trace

NAME = "spin"
_YIELDS = 1000
"""Bare yields in a row."""
_TINY_NS = 200_000
"""Mean length of a step, at most."""
_LASTED_NS = 100_000_000
"""How long it went on."""
_SHARE = 0.1
"""Its part in all that ran on the loop meanwhile: of a hundred tasks that give way to each other, none spins."""
_MOST = 10
"""Tasks that are reported, those that spun longest."""


def find(trace: Trace) -> Iterator[Finding]:
    """Report the tasks that spun longest."""
    tasks, waits = trace.tasks.columns, trace.waits.columns
    number = trace.wait_kinds.number("yield")
    yields = np.flatnonzero((waits.kind == number) & (waits.task_row != NONE))
    if len(yields) < _YIELDS:
        return
    often = np.bincount(waits.task_row[yields], minlength=len(tasks))
    found = []
    for row in np.flatnonzero(often >= _YIELDS):
        stretch = _longest_stretch(trace, int(row), number)
        if stretch is not None:
            found.append(stretch)
    for _, finding in sorted(found, key=lambda stretch: -stretch[0])[:_MOST]:
        yield finding


def _longest_stretch(trace: Trace, row: int, number: int) -> tuple[int, Finding] | None:
    """The most yields that a task did in a row; None if that is nothing to tell."""
    waits, runs = trace.waits.columns, trace.runs.columns
    mine = np.flatnonzero(waits.task_row == row)
    is_yield = np.concatenate(([0], (waits.kind[mine] == number).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(is_yield))
    begins, ends = edges[::2], edges[1::2]
    longest = int((ends - begins).argmax())
    count = int(ends[longest] - begins[longest])
    if count < _YIELDS:
        return None
    in_it = mine[begins[longest] : ends[longest]]
    start, last = int(waits.start_ns[in_it[0]]), int(in_it[-1])
    end = int(waits.start_ns[last] if waits.end_ns[last] == NEVER else waits.end_ns[last])
    steps = (runs.task_row == row) & (runs.start_ns >= start) & (runs.end_ns <= end)
    ran = int((runs.end_ns - runs.start_ns)[steps].sum())
    if end - start < _LASTED_NS or ran > _TINY_NS * count or ran < _SHARE * _on_its_loop(trace, row, start, end):
        return None
    at = own_line(trace.stacks[int(np.bincount(waits.stack[in_it]).argmax() if len(in_it) else 0)])
    finding = Finding(
        rule=NAME,
        severity="warning",
        task=int(trace.tasks.columns.id[row]),
        start_ns=start,
        end_ns=end,
        at=at,
        message=f"{task_name(trace, row)} woke itself {times(count)} in {duration(end - start)}, and waited for nothing",
        advice="wait for what it polls: an Event, a Queue, a Future; or sleep for a while between two looks",
    )
    return end - start, finding


def _on_its_loop(trace: Trace, row: int, start: int, end: int) -> int:
    """How long anything ran on the task's loop in a stretch of time."""
    runs = trace.runs.columns
    inside = (runs.loop == trace.tasks.columns.loop[row]) & (runs.start_ns >= start) & (runs.end_ns <= end)
    return int((runs.end_ns - runs.start_ns)[inside].sum())
