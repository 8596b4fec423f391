"""Rule `unretrieved-exception`: a task or future was thrown away with an exception that nobody had asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from asyncio_trace.analysis.evidence import function, place, times
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import NEVER, NONE, OUTCOMES, LostException, Site, Trace

NAME = "unretrieved-exception"
_RAISED = OUTCOMES.index("raised")


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each kind of exception and the line that raised it."""
    groups: defaultdict[tuple[str, str, Site | None], list[LostException]] = defaultdict(list)
    for one in trace.witnesses.lost_exceptions:
        groups[one.exception, one.coroutine, one.raised_at].append(one)
    for (exception, coroutine, raised_at), lost in groups.items():
        first = lost[0]
        row = _row_of(trace, first)
        made_at = _made_at(trace, first, row)
        what = f"task {first.name}" if first.name else "a future"
        if len(lost) > 1:
            what = f"{len(lost):,} {'tasks of ' + function(coroutine) if coroutine else 'futures'}"
        ended = int(trace.tasks.columns.ended_ns[row]) if row != NONE else NEVER
        since = first.ns if ended == NEVER else ended
        yield Finding(
            rule=NAME,
            severity="error",
            task=int(trace.tasks.columns.id[row]) if row != NONE and len(lost) == 1 else None,
            start_ns=since,
            end_ns=lost[-1].ns,
            at=raised_at or made_at,
            message=f"{what} ended with {exception}, and nobody asked"
            + (f"; created at {place(made_at)}" if made_at is not None and raised_at is not None else "")
            + (f" ({times(len(lost))})" if len(lost) > 1 and not coroutine else ""),
            advice="await it where its failure matters, in a TaskGroup or gather, or look at exception() in a done-callback",
        )


def _row_of(trace: Trace, lost: LostException) -> int:
    """Row of the task; by its name if its id is not known, since names that asyncio gives are unique."""
    tasks = trace.tasks.columns
    if lost.id is not None:
        rows = np.flatnonzero(tasks.id == lost.id)
    else:
        name, coroutine = trace.strings.number(lost.name), trace.strings.number(lost.coroutine)
        alike = (tasks.name == name) & (tasks.coroutine == coroutine) & (tasks.outcome == _RAISED)
        rows = np.flatnonzero(alike & (tasks.ended_ns <= lost.ns))[-1:]
    return int(rows[0]) if len(rows) and lost.name else NONE


def _made_at(trace: Trace, lost: LostException, row: int) -> Site | None:
    if row != NONE:
        number = int(trace.tasks.columns.created_at[row])
    else:
        futures = trace.futures.columns
        found = np.flatnonzero(futures.id == (lost.id or NONE))
        number = int(futures.created_at[found[0]]) if len(found) else NONE
    return None if number == NONE else trace.sites[number]
