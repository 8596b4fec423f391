"""Cancellations: who asked, at which line, through which tasks it came, and whether the tasks heeded it."""

from __future__ import annotations

from collections.abc import Sequence

from asyncio_trace.analysis.cancellations import CancellationTotal
from asyncio_trace.terminal.cells import Span
from asyncio_trace.terminal.naming import place
from asyncio_trace.terminal.table import Column
from asyncio_trace.terminal.wording import Names, Wording, count

COLUMNS = (
    Column("cancelled", 14), Column("tasks"), Column("asked by", 10), Column("at", 14, rank=2),
    Column("came through", 12, rank=1), Column("ended", 11, rank=3),
)  # fmt: skip


def asked_by(total: CancellationTotal, names: Names, wording: Wording) -> str:
    """`main`, `timer TaskGroup.x`, `signal`: the task's coroutine, else the kind and its name."""
    if total.by_name is None:
        return total.by
    name = names.coroutine(total.by_name)
    return name if total.by == "task" else wording.clean(f"{total.by} {name}")


def came_through(total: CancellationTotal, names: Names) -> str:
    """`main > fetch`: the coroutines on its way, the one that was asked first."""
    return " > ".join(names.coroutine(name) for name in total.through)


def row(total: CancellationTotal, names: Names, wording: Wording, outcomes: str) -> Sequence[Span]:
    """One origin, in the order of `COLUMNS`."""
    return (
        (names.coroutine(total.coroutine), "plain"),
        (count(total.tasks), "plain"),
        (asked_by(total, names, wording), "plain"),
        (place(total.at, wording, function=False), "plain"),
        (came_through(total, names), "faint"),
        (outcomes, "faint"),
    )
