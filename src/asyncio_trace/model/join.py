"""Joins the traces of a program and of its child processes to one: ids made disjoint, times on the clock of the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from asyncio_trace.errors import InputError
from asyncio_trace.model import tables as t
from asyncio_trace.model import witnesses as w
from asyncio_trace.model.trace import Trace
from asyncio_trace.recording.group import children_of, shift_ns

_MOVED: dict[type[Any], tuple[str, str]] = {
    t.Task: ("created_ns started_ns ended_ns", "id parent loop"),
    t.Run: ("start_ns end_ns", "task loop"),
    t.Wait: ("start_ns ready_ns end_ns", "task"),
    t.Future: ("created_ns resolved_ns", "id loop created_by"),
    t.Job: ("submitted_ns started_ns ended_ns", "id loop task future"),
    t.Idle: ("start_ns end_ns", "loop"),
    t.Callback: ("ready_ns start_ns end_ns", "loop"),
    t.Resource: ("", "id"),
    t.Hold: ("from_ns to_ns", "resource task"),
    t.Level: ("ns", "resource"),
    t.Member: ("", "id"),
    t.Loop: ("created_ns closed_ns", "id"),
    t.Waker: ("ns", "task"),
    t.Awaited: ("", "id"),
    w.Sample: ("ns since_ns", "loop task"),
    w.LostCoroutine: ("ns", ""),
    w.LostException: ("ns", "id"),
}
"""Kind of row to the fields that are instants, and those that are ids. What a row holds of other kinds is moved with it."""

_ORDERS: dict[str, Callable[[Any], Any]] = {
    "tasks": lambda row: (row.created_ns, row.id),
    "runs": lambda row: row.start_ns,
    "futures": lambda row: (row.created_ns, row.id),
    "jobs": lambda row: (row.submitted_ns, row.id),
    "idle": lambda row: row.start_ns,
    "callbacks": lambda row: (row.start_ns, row.loop),
    "resources": lambda row: row.id,
    "holds": lambda row: row.from_ns,
    "levels": lambda row: row.ns,
}
"""Table to the order of its rows; `waits` and `members`, which name rows of it, are joined together."""

_WITNESSES = ("samples", "lost_coroutines", "lost_exceptions")


def with_children(trace: Trace, path: Path, header: dict[str, Any], load: Callable[[Path], Trace]) -> Trace:
    """The trace of the recording at `path`, joined with those of the program's children if there are any; else itself.

    Loops of a child say its process in the name of their thread. What can't be read is named in `Program.unread`.
    """
    found, unreadable = children_of(path, header)
    parts = [_Part(trace, 0, 0)]
    for other, head in found.items():
        try:
            parts.append(_Part(load(other), shift_ns(head, header), parts[-1].highest_id))
        except InputError:
            unreadable.append(other)
    if len(parts) > 1:
        trace = _joined(parts)
    if unreadable:
        trace.program.unread = [str(other) for other in unreadable]
        trace.complete = False
    return trace


class _Part:
    """The trace of one process, later by `ns` and with ids higher by `ids`."""

    def __init__(self, trace: Trace, ns: int, ids: int) -> None:
        self.trace = trace
        self.ns = ns
        self.ids = ids
        tables: tuple[Any, ...] = (trace.tasks, trace.futures, trace.jobs, trace.resources, trace.program.loops, trace.members)
        used: list[int] = [wait.awaited.id or 0 for wait in trace.waits]
        for table in tables:
            used += [row.id for row in table]
        self.highest_id = ids + max(used, default=0)

    def moved(self, row: Any) -> Any:
        """A row as it is in the whole."""
        plan = _MOVED.get(type(row))
        if plan is None or not self.ids:
            return row
        changes: dict[str, Any] = {}
        for names, more in zip(plan, (self.ns, self.ids), strict=True):
            for name in names.split():
                value = getattr(row, name)
                changes[name] = None if value is None else value + more
        for name in row.__slots__:
            value = getattr(row, name)
            if type(value) in _MOVED:
                changes[name] = self.moved(value)
        return replace(row, **changes)

    def loop(self, row: t.Loop) -> t.Loop:
        """A loop, whose thread is known by its process."""
        moved: t.Loop = self.moved(row)
        if self.ids:
            moved.thread_name = f"{row.thread_name or 'thread'}, process {self.trace.program.pid}"
        return moved


def _joined(parts: list[_Part]) -> Trace:
    traces = [part.trace for part in parts]
    first = traces[0].program
    loops = [part.loop(loop) for part in parts for loop in part.trace.program.loops]
    waits, members = _joined_waits(parts)
    rows: dict[str, Any] = {
        name: sorted((part.moved(row) for part in parts for row in getattr(part.trace, name)), key=order)
        for name, order in _ORDERS.items()
    }
    joined = Trace(
        program=replace(
            first,
            loops=sorted(loops, key=lambda loop: loop.created_ns),
            duration_ns=max(part.trace.program.duration_ns + part.ns for part in parts),
        ),
        waits=waits,
        members=members,
        dropped_events=sum(trace.dropped_events for trace in traces),
        complete=all(trace.complete for trace in traces),
        cut=any(trace.cut for trace in traces),
        gaps=sum(trace.gaps for trace in traces),
        lost_bytes=sum(trace.lost_bytes for trace in traces),
        **rows,
    )
    for part in parts:
        joined.parent_spans.update((number + part.ids, span) for number, span in part.trace.parent_spans.items())
        seen = part.trace.witnesses
        joined.witnesses.ignored_cancels += [(task + part.ids, ns + part.ns) for task, ns in seen.ignored_cancels]
    joined.witnesses.ignored_cancels.sort(key=lambda pair: pair[1])
    for name in _WITNESSES:
        witnessed: list[Any] = [part.moved(row) for part in parts for row in getattr(part.trace.witnesses, name)]
        getattr(joined.witnesses, name).extend(sorted(witnessed, key=lambda row: row.ns))
    return joined


def _joined_waits(parts: list[_Part]) -> tuple[list[t.Wait], list[t.Member]]:
    """The waits in order, and their members, which name them by row."""
    rows = [(part.moved(wait), number, row) for number, part in enumerate(parts) for row, wait in enumerate(part.trace.waits)]
    rows.sort(key=lambda entry: (entry[0].start_ns, entry[0].task))
    place = {(number, row): at for at, (_, number, row) in enumerate(rows)}
    members = [
        replace(part.moved(member), wait=place[number, member.wait])
        for number, part in enumerate(parts)
        for member in part.trace.members
    ]
    members.sort(key=lambda member: member.wait)
    return [wait for wait, _, _ in rows], members
