"""Joins the traces of a program and of its child processes to one: ids made disjoint, times on the clock of the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from asyncio_trace.errors import InputError
from asyncio_trace.model.tables import Awaited, Callback, Future, Idle, Job, Loop, Resource, Run, Task, Wait, Waker
from asyncio_trace.model.trace import Trace
from asyncio_trace.recording.group import children_of, shift_ns


def with_children(trace: Trace, path: Path, header: dict[str, Any], load: Callable[[Path], Trace]) -> Trace:
    """The trace of the recording at `path`, joined with those of the program's children if there are any; else itself.

    Loops of a child say its process in the name of their thread. What can't be read is named in `Program.unread`.
    """
    found, unreadable = children_of(path, header)
    parts = [trace]
    for other, head in found.items():
        try:
            parts.append(_moved(load(other), shift_ns(head, header), _highest_id(parts[-1])))
        except InputError:
            unreadable.append(other)
    if len(parts) > 1:
        trace = _joined(parts)
    if unreadable:
        trace.program.unread = [str(other) for other in unreadable]
        trace.complete = False
    return trace


def _joined(parts: list[Trace]) -> Trace:
    first = parts[0]
    end = max(part.program.duration_ns for part in parts)
    loops = [loop for part in parts for loop in part.program.loops]
    joined = Trace(
        program=replace(first.program, loops=sorted(loops, key=lambda loop: loop.created_ns), duration_ns=end),
        tasks=_merged([part.tasks for part in parts], lambda task: (task.created_ns, task.id)),
        runs=_merged([part.runs for part in parts], lambda run: run.start_ns),
        waits=_merged([part.waits for part in parts], lambda wait: (wait.start_ns, wait.task)),
        futures=_merged([part.futures for part in parts], lambda future: (future.created_ns, future.id)),
        jobs=_merged([part.jobs for part in parts], lambda job: (job.submitted_ns, job.id)),
        idle=_merged([part.idle for part in parts], lambda idle: idle.start_ns),
        dropped_events=sum(part.dropped_events for part in parts),
        complete=all(part.complete for part in parts),
        cut=any(part.cut for part in parts),
        gaps=sum(part.gaps for part in parts),
        lost_bytes=sum(part.lost_bytes for part in parts),
        callbacks=_merged([part.callbacks for part in parts], lambda callback: (callback.start_ns, callback.loop)),
        resources=[resource for part in parts for resource in part.resources],
    )
    for part in parts:
        joined.parent_spans.update(part.parent_spans)
    return joined


def _merged(tables: list[Any], order: Callable[[Any], Any]) -> list[Any]:
    return sorted((row for table in tables for row in table), key=order)


def _highest_id(trace: Trace) -> int:
    """No id of the trace is higher."""
    tables: tuple[Any, ...] = (trace.tasks, trace.futures, trace.jobs, trace.resources, trace.program.loops)
    ids: list[int] = [wait.awaited.id or 0 for wait in trace.waits]
    for table in tables:
        ids += [row.id for row in table]
    return max(ids, default=0)


def _moved(trace: Trace, ns: int, ids: int) -> Trace:
    """The trace of a child, later by `ns` and with ids higher by `ids`."""
    pid = trace.program.pid

    def at(instant: Any) -> Any:
        return None if instant is None else instant + ns

    def id_of(number: Any) -> Any:
        return None if number is None else number + ids

    def waker(row: Waker | None) -> Waker | None:
        return None if row is None else replace(row, task=id_of(row.task), ns=row.ns + ns)

    def awaited(row: Awaited) -> Awaited:
        return replace(row, id=id_of(row.id))

    def task(row: Task) -> Task:
        return replace(
            row,
            id=row.id + ids,
            parent=id_of(row.parent),
            loop=row.loop + ids,
            created_ns=row.created_ns + ns,
            started_ns=at(row.started_ns),
            ended_ns=at(row.ended_ns),
            cancelled_by=waker(row.cancelled_by),
        )

    def run(row: Run) -> Run:
        return replace(row, task=id_of(row.task), loop=row.loop + ids, start_ns=row.start_ns + ns, end_ns=row.end_ns + ns)

    def wait(row: Wait) -> Wait:
        return replace(
            row,
            task=row.task + ids,
            start_ns=row.start_ns + ns,
            ready_ns=at(row.ready_ns),
            end_ns=at(row.end_ns),
            awaited=awaited(row.awaited),
            waker=waker(row.waker),
        )

    def future(row: Future) -> Future:
        return replace(
            row,
            id=row.id + ids,
            loop=row.loop + ids,
            created_ns=row.created_ns + ns,
            created_by=id_of(row.created_by),
            resolved_ns=at(row.resolved_ns),
            resolved_by=waker(row.resolved_by),
        )

    def job(row: Job) -> Job:
        return replace(
            row,
            id=row.id + ids,
            loop=row.loop + ids,
            task=id_of(row.task),
            future=id_of(row.future),
            submitted_ns=row.submitted_ns + ns,
            started_ns=at(row.started_ns),
            ended_ns=at(row.ended_ns),
        )

    def idle(row: Idle) -> Idle:
        return Idle(row.loop + ids, row.start_ns + ns, row.end_ns + ns)

    def callback(row: Callback) -> Callback:
        return replace(
            row,
            loop=row.loop + ids,
            ready_ns=row.ready_ns + ns,
            start_ns=row.start_ns + ns,
            end_ns=row.end_ns + ns,
            origin=waker(row.origin),
        )

    def resource(row: Resource) -> Resource:
        return replace(row, id=row.id + ids)

    def loop(row: Loop) -> Loop:
        name = f"{row.thread_name}, process {pid}" if row.thread_name else f"process {pid}"
        return replace(row, id=row.id + ids, created_ns=row.created_ns + ns, closed_ns=at(row.closed_ns), thread_name=name)

    program = replace(
        trace.program,
        loops=[loop(row) for row in trace.program.loops],
        duration_ns=trace.program.duration_ns + ns,
        recorded_from_ns=trace.program.recorded_from_ns + ns,
    )
    moved = Trace(
        program=program,
        tasks=[task(row) for row in trace.tasks],
        runs=[run(row) for row in trace.runs],
        waits=[wait(row) for row in trace.waits],
        futures=[future(row) for row in trace.futures],
        jobs=[job(row) for row in trace.jobs],
        idle=[idle(row) for row in trace.idle],
        dropped_events=trace.dropped_events,
        complete=trace.complete,
        cut=trace.cut,
        gaps=trace.gaps,
        lost_bytes=trace.lost_bytes,
        callbacks=[callback(row) for row in trace.callbacks],
        resources=[resource(row) for row in trace.resources],
    )
    moved.parent_spans.update((number + ids, span) for number, span in trace.parent_spans.items())
    return moved
