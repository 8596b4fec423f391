"""Rule `serial-awaits`: independent awaits done one after another, and what doing them together would save.

That they were done one after another, and how long each took, is in the trace; that they are independent, in the source (see
`asyncio_trace.analysis.independence`). Without the source there is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from asyncio_trace.analysis.evidence import duration, function, is_own, place, plural, times
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.independence import Group, groups_of
from asyncio_trace.model import NEVER, NONE, Site, Trace
from asyncio_trace.model.columns import Int32, Int64
from asyncio_trace.model.kinds import is_asyncio

NAME = "serial-awaits"
_SAVES_NS = 20_000_000
_SAVES_SHARE = 0.2
"""What it would save one task, at least: so many nanoseconds, and this part of its life."""
_ITEMS = 3
"""Rounds of a loop."""
_MOST_TASKS = 10_000
"""Tasks that are looked at; those of more say the same."""
_TOGETHER = ("lock", "semaphore", "condition", "barrier", "event", "queue.get", "queue.put", "yield")
"""Kinds of waits that depend on other tasks: what comes of them together is not known."""


@dataclass(frozen=True, slots=True)
class _Saving:
    """What one task would save."""

    task_row: int
    waits: int
    """First of its waits."""
    items: int
    total: int
    longest: int
    end: int

    @property
    def saved(self) -> int:
        return self.total - self.longest


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each loop, comprehension or run of statements."""
    group_of_stack, groups, sites = _groups(trace)
    if not groups:
        return
    waits = trace.waits.columns
    numbers = group_of_stack[waits.stack]
    for number, group in enumerate(groups):
        mine = np.flatnonzero((numbers == number) & (waits.task_row != NONE))
        savings = list(_savings(trace, mine, group, sites))
        if savings:
            yield _finding(trace, group, sites, savings)


def _groups(trace: Trace) -> tuple[Int64, list[Group], list[Site]]:
    """The group that each stack's await belongs to (-1 for none), the groups, and the place of the await in each stack."""
    known: dict[tuple[str, int], int] = {}
    groups: list[Group] = []
    sites: list[Site] = []
    of_stack = np.full(len(trace.stacks), NONE, np.int64)
    nowhere = Site("", "", 0)
    for number, stack in enumerate(trace.stacks):
        sites.append(nowhere)
        for depth, site in enumerate(stack[:-1]):
            inner = stack[depth + 1]
            if not is_own(site) or (is_asyncio(inner) and function(inner.function) != "to_thread"):
                continue
            if inner.function.endswith(("comp>", "genexpr>")):
                continue  # before 3.12 a comprehension is a frame of its own: the next one
            group = groups_of(site.file).get(site.line)
            if group is not None:
                key = site.file, group.line
                if key not in known:
                    known[key] = len(groups)
                    groups.append(group)
                of_stack[number] = known[key]
                sites[number] = site
                break
    return of_stack, groups, sites


def _savings(trace: Trace, mine: Int64, group: Group, sites: list[Site]) -> Iterator[_Saving]:
    """The tasks that would save much; `mine` are the waits of the group."""
    tasks, waits = trace.tasks.columns, trace.waits.columns
    together = [trace.wait_kinds.number(kind) for kind in _TOGETHER]
    bad = set(waits.task_row[mine[np.isin(waits.kind[mine], together)]].tolist())
    order = np.argsort(waits.task_row[mine], kind="stable")
    rows, starts = np.unique(waits.task_row[mine][order], return_index=True)
    bounds = [*starts.tolist(), len(order)]
    for row, low, high in zip(rows[:_MOST_TASKS].tolist(), bounds, bounds[1:], strict=False):
        if row in bad:
            continue
        in_task = mine[order[low:high]]
        ends = waits.end_ns[in_task]
        if (ends == NEVER).any():
            continue
        lengths = waits.ready_ns[in_task] - waits.start_ns[in_task]
        items = _items(waits.stack[in_task], group, sites)
        sums = np.bincount(items, lengths)
        saving = _Saving(row, int(in_task[0]), len(sums), int(sums.sum()), int(sums.max()), int(ends[-1]))
        life = (trace.program.duration_ns if tasks.ended_ns[row] == NEVER else int(tasks.ended_ns[row])) - int(
            tasks.created_ns[row]
        )
        if saving.items >= (_ITEMS if group.is_loop else 2) and saving.saved >= max(_SAVES_NS, _SAVES_SHARE * life):
            yield saving


def _items(stacks: Int32, group: Group, sites: list[Site]) -> Int64:
    """Which await each wait belongs to: a loop's next begins where the first wait of the last one comes again."""
    if group.is_loop:
        return np.cumsum(stacks == stacks[0]) - 1
    lines: dict[int, int] = {}
    numbered = [lines.setdefault(sites[int(stack)].line, len(lines)) for stack in stacks]
    return np.array(numbered, np.int64)


def _finding(trace: Trace, group: Group, sites: list[Site], savings: list[_Saving]) -> Finding:
    waits = trace.waits.columns
    best = max(savings, key=lambda saving: saving.saved)
    at = sites[int(waits.stack[best.waits])]
    what = (
        f"{function(at.function.removesuffix('.<locals>.<listcomp>'))} awaited {plural(best.items, 'call')} one after another"
    )
    others = "" if len(savings) == 1 else f" (and {times(len(savings) - 1)} more, in other tasks)"
    return Finding(
        rule=NAME,
        severity="info",
        task=int(trace.tasks.columns.id[best.task_row]),
        start_ns=int(waits.start_ns[best.waits]),
        end_ns=best.end,
        at=at,
        message=f"{what}, {duration(best.total)} in all; none uses the result of another, and the longest took "
        f"{duration(best.longest)}{others}",
        advice=f"await them together, with asyncio.gather() or a TaskGroup: it would save up to {duration(best.saved)} "
        f"at {place(at)}",
    )
