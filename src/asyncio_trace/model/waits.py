"""When waits were ready and over, what made them so, and what they were on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncio_trace.events import records as r
from asyncio_trace.model import kinds, wait_rules
from asyncio_trace.model.codes import NEVER, NONE
from asyncio_trace.model.columns import Int32, Int64, MemberColumns, WaitColumns, WakerColumns
from asyncio_trace.model.gaps import Gaps
from asyncio_trace.model.known import KnownTasks
from asyncio_trace.model.lookup import Lookup, order_by
from asyncio_trace.model.recorded import Fields
from asyncio_trace.model.spans import sums_by_row
from asyncio_trace.model.steps import Events, WaitSpans
from asyncio_trace.model.wakers import Wakers, put

if TYPE_CHECKING:
    from asyncio_trace.model.trace import Trace

_AT_ONCE = 1 << 19
"""Waits of which so much is looked at that it is done piece by piece: what one piece takes is there for the next."""

_TASK, _LOOP, _NOBODY = r.WakerKind.TASK, r.WakerKind.LOOP, r.WakerKind.NONE


class WaitEnds:
    """How each of many waits became ready and ended, in the order of `WaitSpans`."""

    def __init__(self, spans: WaitSpans, events: Events, tasks: KnownTasks, wakers: Wakers, gaps: Gaps, woken: Fields) -> None:
        self.ended = spans.closer != NONE
        self.ready_ns = np.full(len(spans.rows), NEVER)
        self.end_ns = np.full(len(spans.rows), NEVER)
        self.waker = wakers.nobody(len(spans.rows))
        ended = np.flatnonzero(self.ended).astype(np.int32)
        for begin in range(0, len(ended), _AT_ONCE):
            self._by_steps(ended[begin : begin + _AT_ONCE], spans, events, wakers)
        self._still_open(spans, events, tasks, wakers, woken)
        waited = np.where(self.ready_ns == NEVER, gaps.end_ns, self.ready_ns) - spans.start_ns
        lost = np.flatnonzero(spans.cut != NONE)
        waited[lost] = np.maximum(0, gaps.known_until(spans.cut[lost]) - spans.start_ns[lost])
        self.waiting_ns = sums_by_row(spans.rows, waited, len(tasks))
        """By rows of tasks."""

    def _by_steps(self, ended: Int32, spans: WaitSpans, events: Events, wakers: Wakers) -> None:
        """Waits that a step ended."""
        closer, start = spans.closer[ended], spans.start_ns[ended]
        end = events.of(closer, "start_ns", "start_ns", 0)
        queued = events.of(closer, "ready_ns", 0, 0)
        ready = np.minimum(np.maximum(queued, start), end)
        self.ready_ns[ended], self.end_ns[ended] = ready, end
        waker = wakers.columns(
            events.of(closer, "waker", _TASK, 0),
            events.of(closer, "waker_id", "task", 0),
            events.of(closer, "waker_site", 0, 0),
            ready,
            events.seq[closer],
            instant=np.where(spans.yielded[ended], 0, queued),
        )
        untold = waker.kind == _NOBODY
        waker.kind[untold], waker.ns[untold] = _LOOP, ready[untold]
        put(self.waker, ended, waker)

    def _still_open(self, spans: WaitSpans, events: Events, tasks: KnownTasks, wakers: Wakers, woken: Fields) -> None:
        """Waits that nothing ended before the trace did."""
        still = np.flatnonzero(~self.ended & (spans.cut == NONE))
        yielded = still[spans.yielded[still]]
        self.ready_ns[yielded] = spans.start_ns[yielded]
        by_itself = np.full(len(yielded), _TASK, np.int64)
        ids = tasks.ids[spans.rows[yielded]]
        put(self.waker, yielded, wakers.columns(by_itself, ids, np.zeros_like(ids), spans.start_ns[yielded], None))

        rows = tasks.rows(woken.task)
        last_woken = np.full(len(tasks), NONE, np.int64)
        last_woken[rows[rows != NONE]] = np.flatnonzero(rows != NONE)
        steps = np.flatnonzero(~events.is_alive)
        last_step = np.full(len(tasks), NONE, np.int64)
        last_step[events.rows[steps]] = events.seq[steps]
        waiting = still[~spans.yielded[still]]
        record = last_woken[spans.rows[waiting]]
        queued = (record != NONE) & (woken.seq[record] > last_step[spans.rows[waiting]]) if len(woken) else record != NONE
        waiting, record = waiting[queued], record[queued]
        ready = np.maximum(woken.ready_ns[record], spans.start_ns[waiting])
        self.ready_ns[waiting] = ready
        words = (woken.waker[record], woken.waker_id[record], woken.waker_site[record])
        put(self.waker, waiting, wakers.columns(*words, ready, None, instant=woken.ready_ns[record]))


class Awaitables:
    """Everything that can be waited on."""

    def __init__(
        self,
        tasks: KnownTasks,
        task_names: Int32,
        typed: list[tuple[Lookup, Int32]],
        is_job: Callable[[Int64], Any],
    ) -> None:
        self.tasks = tasks
        self.task_names = task_names
        """What each task is called."""
        self.typed = typed
        """Lookups of futures and resources by id, each with their types; what stands first is asked first."""
        self.is_job = is_job
        """Whether each of many futures carries a job's result."""


def wait_columns(
    spans: WaitSpans, ends: WaitEnds, stacks: Int32, awaitables: Awaitables, trace: Trace
) -> tuple[WaitColumns, Int64 | None]:
    """The table of waits, and the places in `spans` of its rows; None if they stand in that order."""
    tasks = awaitables.tasks
    kind, type_, task_row, label = _awaited(spans, stacks, awaitables, trace)
    ids = tasks.ids[spans.rows]
    places: Int64 | None = order_by(spans.start_ns, ids)
    order: Any = places
    if (order[1:] > order[:-1]).all():
        order, places = slice(None), None
    waker = WakerColumns(**{name: getattr(ends.waker, name)[order] for name in WakerColumns.meanings()})
    columns = WaitColumns(
        task=ids[order],
        task_row=spans.rows[order],
        start_ns=spans.start_ns[order],
        ready_ns=ends.ready_ns[order],
        end_ns=ends.end_ns[order],
        kind=kind[order],
        awaited_type=type_[order],
        awaited_id=np.where(spans.yielded, 0, spans.awaited)[order],
        awaited_task_row=task_row[order],
        awaited_label=label[order],
        stack=stacks[order],
        waker=waker,
    )
    return columns, places


def member_columns(waits_for: Fields, waits: Int64, places: Int64 | None, most: int) -> MemberColumns:
    """The table of what waits for several are for.

    Args:
        waits_for: The records that say so.
        waits: The place in `spans` of the wait of each; `NONE` where there is none.
        places: The places in `spans` of the rows of the table of waits, as `wait_columns` returns them.
        most: How many there can be, unless the file is damaged.
    """
    told = np.flatnonzero((waits != NONE) & (waits_for.ids > 0) & (waits_for.ids <= most))
    rows = waits[told]
    if places is not None:
        of_place = np.empty(len(places), np.int64)
        of_place[places] = np.arange(len(places))
        rows = of_place[rows]
    order = np.argsort(rows, kind="stable")
    rows, told = rows[order], told[order]
    counts = waits_for.ids[told]
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return MemberColumns(wait=np.repeat(rows, counts).astype(np.int32), id=np.repeat(waits_for.first[told], counts) + offsets)


def _awaited(spans: WaitSpans, stacks: Int32, awaitables: Awaitables, trace: Trace) -> tuple[Any, Int32, Int32, Int32]:
    """Kind, type, row of the task and label of what each wait is on."""
    strings, length = trace.strings, len(spans.rows)
    kind = np.full(length, trace.wait_kinds.number("yield"), np.int16)
    type_ = np.zeros(length, np.int32)
    task_row = np.full(length, NONE, np.int32)
    label = np.full(length, strings.add("yield"), np.int32)
    named = np.flatnonzero(~spans.yielded)
    awaited = spans.awaited[named]
    rows = awaitables.tasks.rows(awaited)
    types = np.zeros(len(named), np.int32)
    for lookup, types_there in reversed(awaitables.typed):
        found = lookup(awaited)
        here = found != NONE
        types[here] = types_there[found[here]]
    types[rows != NONE] = strings.add("Task")
    is_job = awaitables.is_job(awaited)

    flags = (rows != NONE).astype(np.int64) | is_job.astype(np.int64) << 1
    cases, place = np.unique(stacks[named].astype(np.int64) << 32 | types.astype(np.int64) << 2 | flags, return_inverse=True)
    told = [_of(case, trace) for case in cases.tolist()]
    kind[named] = np.array([trace.wait_kinds.add(word) for word, _ in told], np.int16)[place]
    base = np.array([strings.add(text) for _, text in told], np.int32)[place]
    on_task = np.flatnonzero(rows != NONE)
    base[on_task] = _with_names(base[on_task], awaitables.task_names[rows[on_task]], trace)
    label[named], type_[named], task_row[named] = base, types, rows
    return kind, type_, task_row, label


def _of(case: int, trace: Trace) -> tuple[str, str]:
    """Kind and label of waits with one stack, on things of one type."""
    by_type = kinds.of_type(trace.strings[case >> 2 & 0x3FFFFFFF], is_task=bool(case & 1), is_job=bool(case & 2))
    stack = trace.stacks[case >> 32]
    by_stack = kinds.of_stack(stack)
    kind, label = by_type if by_stack is None or by_type[0] == "gather" else by_stack
    return kind, label if case & 1 else wait_rules.installed().label(stack) or label


def _with_names(labels: Int32, names: Int32, trace: Trace) -> Int32:
    """Labels of waits on tasks: a task's name, behind what is said beside it."""
    beside = np.flatnonzero(labels)
    pairs, place = np.unique(labels[beside].astype(np.int64) << 32 | names[beside], return_inverse=True)
    texts = [f"{trace.strings[pair >> 32]} {trace.strings[pair & 0xFFFFFFFF]}".strip() for pair in pairs.tolist()]
    made = names.copy()
    made[beside] = np.array([trace.strings.add(text) for text in texts], np.int32)[place]
    return made


def by_quick_threads(spans: WaitSpans, ends: WaitEnds, thread_of: Callable[[Int64], tuple[Any, Int32]]) -> None:
    """Put right who woke whom: a job that is over before `run_in_executor` returns resolves its future on the stack of the task
    that submitted it; still it is the thread that did it.

    Args:
        spans: The waits.
        ends: Their wakers, which are put right.
        thread_of: For futures, whether each carries the result of a job that ran, and the name of the thread.
    """
    waker = ends.waker
    itself = np.flatnonzero((waker.kind == _TASK) & (waker.task_row == spans.rows))
    ran, name = thread_of(spans.awaited[itself])
    places = itself[ran]
    waker.kind[places] = r.WakerKind.THREAD
    waker.task[places], waker.task_row[places], waker.at[places], waker.label[places] = 0, NONE, NONE, name[ran]
