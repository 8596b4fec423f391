"""Rule `cancel-ignored`: a task went on after it was cancelled.

A task that catches the cancellation and ends in the same step did not go on, one that took the request back (`uncancel`, as
`timeout()` and task groups do) was no longer asked to, and one that ended cancelled has cleaned up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asyncio_trace.analysis.evidence import duration, is_own, is_whole, own_line, place, task_name
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, OUTCOMES, WAKER_KINDS, Trace

NAME = "cancel-ignored"
WENT_ON_NS = 5_000_000
"""A task that is over sooner has tidied up."""
STAYED_NS = 1_000_000_000
"""A task that is still there so long after it was asked to end ignores it."""
_PENDING = OUTCOMES.index("pending")
_TASK, _LOOP = WAKER_KINDS.index("task"), WAKER_KINDS.index("loop")


def find(trace: Trace) -> Iterator[Finding]:
    """Report tasks that waited again, and ended otherwise, or are still there at the end."""
    tasks = trace.tasks.columns
    asked = tasks.cancelled_by.ns
    ended = {task for task, _ in trace.witnesses.ignored_cancels}
    by = tasks.cancelled_by
    # before 3.13 a task group does not take back all that it asks of its parent when a child fails
    asked_by_group = (by.kind == _TASK) & (by.at == NONE)
    rows = np.flatnonzero(np.isin(tasks.id, list(ended)) & (by.kind != 0) & ~asked_by_group).tolist() if ended else []
    end = trace.program.duration_ns
    if is_whole(trace):
        stays = (tasks.outcome == _PENDING) & (tasks.cancelled_by.kind != 0) & (asked <= end - STAYED_NS)
        rows += [row for row in np.flatnonzero(stays).tolist() if _asked_in_earnest(trace, row)]
    for row in rows:
        yield from _went_on(trace, row, end)


def _asked_in_earnest(trace: Trace, row: int) -> bool:
    """Whether a task was cancelled by a line of the program's or by the loop's end: libraries take some requests back."""
    by = trace.tasks.columns.cancelled_by
    return by.kind[row] == _LOOP or (by.at[row] != NONE and is_own(trace.sites[int(by.at[row])]))


def _went_on(trace: Trace, row: int, end: int) -> Iterator[Finding]:
    tasks, waits = trace.tasks.columns, trace.waits.columns
    asked = int(tasks.cancelled_by.ns[row])
    mine = np.flatnonzero(waits.task_row == row)
    mine = mine[(waits.end_ns[mine] == NEVER) | (waits.end_ns[mine] >= asked)]
    if len(mine) < 2 or waits.end_ns[mine[0]] == NEVER:
        return  # it did not wait again: it ended where the cancellation came, or has not heard of it yet
    heard = int(waits.end_ns[mine[0]])
    over = int(tasks.ended_ns[row])
    until = end if over == NEVER else over
    if until - heard < (STAYED_NS if over == NEVER else WENT_ON_NS):
        return
    stack = trace.stacks[int(waits.stack[mine[0]])]
    site = int(tasks.cancelled_by.at[row])
    by = f" at {place(trace.sites[site])}" if site != NONE else ""
    how = "is still there" if over == NEVER else trace.tasks[row].outcome
    yield Finding(
        rule=NAME,
        severity="warning",
        task=int(tasks.id[row]),
        start_ns=heard,
        end_ns=until,
        at=own_line(stack),
        message=f"{task_name(trace, row)} was cancelled{by}, went on for {duration(until - heard)} and {how}",
        advice="let CancelledError through: clean up in `finally`, or `raise` at the end of `except asyncio.CancelledError`",
    )
