"""Rows from columns: one function a table, each the reverse of what its columns say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from asyncio_trace.model import columns as c
from asyncio_trace.model.codes import NEVER, NONE, OUTCOMES, WAKER_KINDS
from asyncio_trace.model.tables import (
    Awaited,
    Callback,
    Future,
    Hold,
    Idle,
    Iteration,
    Job,
    Level,
    Member,
    Resource,
    Run,
    Task,
    Wait,
    Wake,
    Waker,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asyncio_trace.model.interned import Interned
    from asyncio_trace.model.trace import Trace

    At: TypeAlias = slice | npt.NDArray[np.intp]


def rows_of_columns(columns: c.Columns, trace: Trace, at: At) -> Iterator[Any]:
    """The rows that stand at `at` in the columns of a trace: a slice, or an array of places."""
    return _DECODERS[type(columns)](columns, trace, at)


def _times(column: npt.NDArray[Any], at: At) -> list[int | None]:
    return [None if ns == NEVER else ns for ns in column[at].tolist()]


def _ids(column: npt.NDArray[Any], rows: npt.NDArray[Any], at: At) -> list[int | None]:
    """Ids of tasks, where there is a task."""
    ids = zip(column[at].tolist(), rows[at].tolist(), strict=True)
    return [None if row == NONE and not number else number for number, row in ids]


def _named(column: npt.NDArray[Any], values: Interned[Any], at: At) -> list[Any]:
    return [None if number == NONE else values[number] for number in column[at].tolist()]


def _wakers(columns: c.WakerColumns, trace: Trace, at: At) -> Iterator[Waker | None]:
    for kind, task, ns, site, label in zip(
        columns.kind[at].tolist(),
        _ids(columns.task, columns.task_row, at),
        columns.ns[at].tolist(),
        _named(columns.at, trace.sites, at),
        _named(columns.label, trace.strings, at),
        strict=True,
    ):
        yield Waker(WAKER_KINDS[kind], task, ns, site, label) if kind else None


def _tasks(columns: c.TaskColumns, trace: Trace, at: At) -> Iterator[Task]:
    spans = trace.parent_spans
    for (
        id_, name, coroutine, parent, loop, created, started, ended, outcome, exception, site, running, ready, waiting, steps,
        canceller, eager,
    ) in zip(
        columns.id[at].tolist(),
        _named(columns.name, trace.strings, at),
        _named(columns.coroutine, trace.strings, at),
        _ids(columns.parent, columns.parent_row, at),
        columns.loop[at].tolist(),
        columns.created_ns[at].tolist(),
        _times(columns.started_ns, at),
        _times(columns.ended_ns, at),
        columns.outcome[at].tolist(),
        _named(columns.exception, trace.strings, at),
        _named(columns.created_at, trace.sites, at),
        columns.running_ns[at].tolist(),
        columns.ready_ns[at].tolist(),
        columns.waiting_ns[at].tolist(),
        columns.steps[at].tolist(),
        _wakers(columns.cancelled_by, trace, at),
        columns.eager[at].tolist(),
        strict=True,
    ):  # fmt: skip
        yield Task(
            id_, name, coroutine, parent, loop, created, started, ended, OUTCOMES[outcome], exception, site, running, ready,
            waiting, steps, canceller, eager, spans.get(id_),
        )  # fmt: skip


def _runs(columns: c.RunColumns, trace: Trace, at: At) -> Iterator[Run]:
    return map(
        Run,
        _ids(columns.task, columns.task_row, at),
        _named(columns.callback, trace.strings, at),
        columns.loop[at].tolist(),
        columns.start_ns[at].tolist(),
        columns.end_ns[at].tolist(),
    )


def _waits(columns: c.WaitColumns, trace: Trace, at: At) -> Iterator[Wait]:
    awaited = map(
        Awaited,
        _named(columns.awaited_type, trace.strings, at),
        [number or None for number in columns.awaited_id[at].tolist()],
        _named(columns.awaited_label, trace.strings, at),
    )
    return map(
        Wait,
        columns.task[at].tolist(),
        columns.start_ns[at].tolist(),
        _times(columns.ready_ns, at),
        _times(columns.end_ns, at),
        _named(columns.kind, trace.wait_kinds, at),
        awaited,
        _named(columns.stack, trace.stacks, at),
        _wakers(columns.waker, trace, at),
    )


def _futures(columns: c.FutureColumns, trace: Trace, at: At) -> Iterator[Future]:
    return map(
        Future,
        columns.id[at].tolist(),
        _named(columns.type, trace.strings, at),
        columns.loop[at].tolist(),
        columns.created_ns[at].tolist(),
        _ids(columns.created_by, columns.created_by_row, at),
        _named(columns.created_at, trace.sites, at),
        _times(columns.resolved_ns, at),
        _wakers(columns.resolved_by, trace, at),
        [OUTCOMES[number] for number in columns.outcome[at].tolist()],
    )


def _jobs(columns: c.JobColumns, trace: Trace, at: At) -> Iterator[Job]:
    names = _named(columns.thread_name, trace.strings, at)
    return map(
        Job,
        columns.id[at].tolist(),
        columns.loop[at].tolist(),
        _ids(columns.task, columns.task_row, at),
        [number or None for number in columns.future[at].tolist()],
        _named(columns.function, trace.strings, at),
        _named(columns.at, trace.sites, at),
        columns.submitted_ns[at].tolist(),
        _times(columns.started_ns, at),
        _times(columns.ended_ns, at),
        [None if name is None else thread for thread, name in zip(columns.thread[at].tolist(), names, strict=True)],
        names,
        [OUTCOMES[number] for number in columns.outcome[at].tolist()],
    )


def _idle(columns: c.IdleColumns, _: Trace, at: At) -> Iterator[Idle]:
    return map(Idle, columns.loop[at].tolist(), columns.start_ns[at].tolist(), columns.end_ns[at].tolist())


def _callbacks(columns: c.CallbackColumns, trace: Trace, at: At) -> Iterator[Callback]:
    return map(
        Callback,
        _named(columns.name, trace.strings, at),
        columns.loop[at].tolist(),
        columns.ready_ns[at].tolist(),
        columns.start_ns[at].tolist(),
        columns.end_ns[at].tolist(),
        _wakers(columns.origin, trace, at),
    )


def _resources(columns: c.ResourceColumns, trace: Trace, at: At) -> Iterator[Resource]:
    return map(
        Resource,
        columns.id[at].tolist(),
        _named(columns.type, trace.strings, at),
        _named(columns.role, trace.strings, at),
        columns.most[at].tolist(),
        columns.value[at].tolist(),
    )


def _holds(columns: c.HoldColumns, trace: Trace, at: At) -> Iterator[Hold]:
    return map(
        Hold,
        columns.resource[at].tolist(),
        _ids(columns.task, columns.task_row, at),
        columns.from_ns[at].tolist(),
        _times(columns.to_ns, at),
        _named(columns.at, trace.sites, at),
        _wakers(columns.released_by, trace, at),
    )


def _levels(columns: c.LevelColumns, trace: Trace, at: At) -> Iterator[Level]:
    return map(
        Level,
        columns.resource[at].tolist(),
        columns.ns[at].tolist(),
        columns.value[at].tolist(),
        _wakers(columns.by, trace, at),
    )


def _members(columns: c.MemberColumns, _: Trace, at: At) -> Iterator[Member]:
    return map(Member, columns.wait[at].tolist(), columns.id[at].tolist())


def _wakes(columns: c.WakeColumns, _: Trace, at: At) -> Iterator[Wake]:
    return map(
        Wake,
        columns.wait[at].tolist(),
        [None if run == NONE else run for run in columns.run[at].tolist()],
        [WAKER_KINDS[kind] for kind in columns.kind[at].tolist()],
        columns.ns[at].tolist(),
    )


def _iterations(columns: c.IterationColumns, _: Trace, at: At) -> Iterator[Iteration]:
    return map(
        Iteration,
        columns.loop[at].tolist(),
        columns.start_ns[at].tolist(),
        columns.end_ns[at].tolist(),
        columns.idle_ns[at].tolist(),
        columns.runs[at].tolist(),
        columns.running_ns[at].tolist(),
    )


_DECODERS: dict[type[c.Columns], Callable[[Any, Trace, Any], Iterator[Any]]] = {
    c.TaskColumns: _tasks,
    c.RunColumns: _runs,
    c.WaitColumns: _waits,
    c.FutureColumns: _futures,
    c.JobColumns: _jobs,
    c.IdleColumns: _idle,
    c.CallbackColumns: _callbacks,
    c.ResourceColumns: _resources,
    c.HoldColumns: _holds,
    c.LevelColumns: _levels,
    c.MemberColumns: _members,
    c.WakeColumns: _wakes,
    c.IterationColumns: _iterations,
}
