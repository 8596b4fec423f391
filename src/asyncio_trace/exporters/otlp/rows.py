"""The rows that spans are made of: of a trace's millions, those that are long enough, found in its columns.

A program that is told live brings such rows itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from asyncio_trace.exporters.otlp.describe import Totals
from asyncio_trace.model import Future, Job, Program, Run, Task, Trace, Wait
from asyncio_trace.model.codes import NEVER, NONE
from asyncio_trace.model.columns import WaitColumns
from asyncio_trace.model.kinds import is_asyncio, own_place
from asyncio_trace.model.trees import LeftOut, StepPlaces
from asyncio_trace.model.witnesses import Sample


@dataclass(slots=True)
class Rows:
    """What becomes spans, and what is known in numbers only."""

    program: Program
    tasks: list[Task]
    waits: list[Wait]
    """Those that are long enough to be spans, by their start."""
    runs: list[Run]
    """Blocking steps, and callbacks that blocked."""
    jobs: list[Job]
    end_ns: int
    """The last instant that is known, in nanoseconds since the trace began."""
    around: Mapping[tuple[int, int], StepPlaces] = field(default_factory=dict)
    """Where the blocking steps were, by loop and start."""
    futures: list[Future] = field(default_factory=list)
    """Those that the program made itself."""
    left_out: Mapping[int, LeftOut] = field(default_factory=dict)
    """What is known of tasks in numbers only."""
    others: Mapping[int, Task] = field(default_factory=dict)
    """Tasks that the rows name and that are told elsewhere."""


def rows_of(trace: Trace, wait_threshold_ns: int, block_threshold_ns: int) -> Rows:
    """The rows of a whole trace that become spans."""
    tasks = list(trace.tasks)
    end_ns = _last_ns(trace, tasks)
    waits = trace.waits.columns
    length = np.where(waits.end_ns == NEVER, end_ns, waits.end_ns) - waits.start_ns
    runs = trace.runs.columns
    blocking = trace.runs.take(np.flatnonzero(runs.end_ns - runs.start_ns > block_threshold_ns))
    return Rows(
        program=trace.program,
        tasks=tasks,
        waits=trace.waits.take(np.flatnonzero(length >= wait_threshold_ns)),
        runs=blocking,
        jobs=list(trace.jobs),
        end_ns=end_ns,
        around=_around(trace, waits, blocking),
        futures=_own_futures(trace, waits),
        left_out=_short(waits, length, length < wait_threshold_ns),
    )


def _last_ns(trace: Trace, tasks: list[Task]) -> int:
    """The last instant that the trace knows, in nanoseconds since it began; a cut recording's duration may fall short of it."""
    ends = [trace.program.duration_ns]
    for task in tasks:
        ends += (task.created_ns, task.ended_ns or 0)
    runs, waits, jobs = trace.runs.columns, trace.waits.columns, trace.jobs.columns
    for times in (runs.end_ns, waits.start_ns, waits.end_ns, jobs.submitted_ns, jobs.ended_ns):
        if len(times):
            ends.append(int(times.max()))
    return max(ends)


def totals_of(trace: Trace, tasks: list[Task]) -> Totals:
    """Totals of a whole trace, which has these tasks."""
    runs, idle = trace.runs.columns, trace.idle.columns
    return Totals(
        outcomes=Counter(task.outcome for task in tasks),
        waits=len(trace.waits),
        runs=len(trace.runs),
        futures=len(trace.futures),
        jobs=len(trace.jobs),
        running_ns=int((runs.end_ns - runs.start_ns).sum()),
        idle_ns=int((idle.end_ns - idle.start_ns).sum()),
        dropped_events=trace.dropped_events,
        complete=trace.complete,
    )


def _short(waits: WaitColumns, length: np.ndarray, short: np.ndarray) -> dict[int, LeftOut]:
    """Number and length of the waits that get no span, by task."""
    tasks, places = np.unique(waits.task[short], return_inverse=True)
    numbers = np.bincount(places, minlength=len(tasks))
    sums = np.zeros(len(tasks), np.int64)
    np.add.at(sums, places, length[short])
    return {
        task: LeftOut(short_waits=number, short_waits_ns=ns)
        for task, number, ns in zip(tasks.tolist(), numbers.tolist(), sums.tolist(), strict=True)
    }


def _around(trace: Trace, waits: WaitColumns, blocking: list[Run]) -> dict[tuple[int, int], StepPlaces]:
    """Where the blocking steps were."""
    samples: dict[tuple[int, int | None], list[Sample]] = {}
    for sample in trace.witnesses.samples:
        samples.setdefault((sample.loop, sample.task), []).append(sample)
    of_task: dict[int, np.ndarray] = {}
    out = {}
    for run in blocking:
        seen = samples.get((run.loop, run.task), ())
        first = next((sample for sample in seen if run.start_ns <= sample.ns <= run.end_ns), None)
        before = after = None
        if run.task is not None:
            if run.task not in of_task:
                of_task[run.task] = np.flatnonzero(waits.task == run.task)
            places = of_task[run.task]
            index = int(np.searchsorted(waits.start_ns[places], run.start_ns))
            before, after = (
                own_place(trace.stacks[int(waits.stack[places[at]])]) if 0 <= at < len(places) else None
                for at in (index - 1, index)
            )
        out[run.loop, run.start_ns] = StepPlaces(before, after, first)
    return out


def _own_futures(trace: Trace, waits: WaitColumns) -> list[Future]:
    """Futures that the program made itself. Those inside a `sleep` or a `gather` are asyncio's own, though the place may be the
    program's line that called it.
    """
    futures = trace.futures.columns
    own_kinds = [number for number, kind in enumerate(trace.wait_kinds) if kind in ("future", "other")]
    inner = waits.awaited_id[~np.isin(waits.kind, own_kinds)]
    own_sites = [number for number, site in enumerate(trace.sites) if not is_asyncio(site)]
    own = (futures.created_at != NONE) & np.isin(futures.created_at, own_sites) & ~np.isin(futures.id, inner)
    return trace.futures.take(np.flatnonzero(own))
