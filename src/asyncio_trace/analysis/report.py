"""All that a report says of a trace, before it is written in one form or another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asyncio_trace.analysis.cancellations import CancellationTotal, by_origin
from asyncio_trace.analysis.critical_path import CriticalPath, PathTotal, by_place, critical_path
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.loop_load import NO_LAG, Lag, LoopLoad, lag, loop_loads
from asyncio_trace.analysis.resource_totals import ResourceTotal, by_resource
from asyncio_trace.analysis.rules import find_all
from asyncio_trace.analysis.totals import Totals, WaitTotal, totals
from asyncio_trace.model import Trace

PATH_UP_TO = 100_000
"""With more waits than that, a report has a critical path only if one is asked for: it may be as long as the trace."""


@dataclass(slots=True)
class KindTotal:
    """All waits of one kind. Times are nanoseconds."""

    kind: str
    count: int = 0
    waiting_ns: int = 0
    ready_ns: int = 0
    longest_ns: int = 0
    """From suspension to resumption."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong, and where the time went."""

    trace: Trace
    findings: Sequence[Finding]
    """Worst first."""
    totals: Totals
    block_threshold_ns: int = 100_000_000
    """Steps of this many nanoseconds or more block the loop."""
    path: CriticalPath | None = None
    path_totals: Sequence[PathTotal] = field(default=())
    """The path summed up."""
    path_asked: bool = False
    """Whether the path of a certain task was asked for, and with it each stretch."""
    kinds: Sequence[KindTotal] = field(default=())
    """Waits by kind, what took longest in all first."""
    resources: Sequence[ResourceTotal] = field(default=())
    """Locks, semaphores, queues, ..., what was waited for longest first."""
    cancellations: Sequence[CancellationTotal] = field(default=())
    """Who asked for them, the origin of most first."""
    loads: Sequence[LoopLoad] = field(default=())
    """Each loop over time."""
    lag: Lag = NO_LAG
    """Of all loops."""


def by_kind(waits: Sequence[WaitTotal]) -> list[KindTotal]:
    """The waits of a trace, summed up further."""
    sums: dict[str, KindTotal] = {}
    for total in waits:
        kind = sums.setdefault(total.kind, KindTotal(total.kind))
        kind.count += total.count
        kind.waiting_ns += total.waiting_ns
        kind.ready_ns += total.ready_ns
        kind.longest_ns = max(kind.longest_ns, total.longest_ns)
    return sorted(sums.values(), key=lambda kind: -kind.waiting_ns - kind.ready_ns)


def report(trace: Trace, *, block_threshold_ns: int = 100_000_000, path_of: int | None = None) -> Report:
    """Look at a trace from all sides.

    Args:
        trace: The trace.
        block_threshold_ns: Steps of this many nanoseconds or more block the loop.
        path_of: The task whose critical path is wanted; None for that of the whole run, unless the trace is large.
    """
    path = critical_path(trace, path_of) if path_of is not None or len(trace.waits) <= PATH_UP_TO else None
    sums = totals(trace)
    return Report(
        trace=trace,
        findings=find_all(trace),
        totals=sums,
        block_threshold_ns=block_threshold_ns,
        path=path,
        path_totals=by_place(trace, path) if path is not None else (),
        path_asked=path_of is not None,
        kinds=by_kind(sums.waits),
        resources=by_resource(trace, sums.end_ns),
        cancellations=by_origin(trace),
        loads=loop_loads(trace, sums.end_ns),
        lag=lag(trace),
    )
