"""Locks, semaphores and queues: who waited for them, who held them, how full they were."""

from __future__ import annotations

from collections.abc import Sequence

from asyncio_trace.analysis.resource_totals import ResourceTotal
from asyncio_trace.terminal.cells import Span
from asyncio_trace.terminal.naming import place
from asyncio_trace.terminal.table import Column
from asyncio_trace.terminal.wording import Names, Wording, count

COLUMNS = (
    Column("resource", 12), Column("waits"), Column("waiting"), Column("holds", rank=2), Column("held"),
    Column("longest", rank=1), Column("held at", 14, rank=3), Column("by task", 12, rank=5), Column("most", rank=4),
    Column("mean", rank=6),
)  # fmt: skip


def row(total: ResourceTotal, names: Names, wording: Wording) -> Sequence[Span]:
    """One resource, in the order of `COLUMNS`; what it does not have is empty."""
    holds = bool(total.holds)
    return (
        (wording.clean(f"{total.type} #{total.id}"), "plain"),
        (count(total.waits), "plain"),
        (wording.duration(total.waiting_ns), "plain"),
        (count(total.holds) if holds else "", "faint"),
        (wording.duration(total.held_ns) if holds else "", "plain"),
        (wording.duration(total.longest_hold_ns) if holds else "", "plain"),
        (place(total.held_at, wording, function=False), "plain"),
        (names.full_of(total.longest_holder) if total.longest_holder is not None else "", "faint"),
        ("" if total.most is None else count(total.most), "plain"),
        ("" if total.mean is None else f"{total.mean:.2g}", "faint"),
    )
