"""Futures and executor jobs: who made them, and how they came out."""

from __future__ import annotations

from typing import Any

import numpy as np

from asyncio_trace.events.records import Outcome
from asyncio_trace.model.codes import NEVER, NONE
from asyncio_trace.model.columns import FutureColumns, Int32, Int64, JobColumns
from asyncio_trace.model.known import KnownTasks
from asyncio_trace.model.lookup import Lookup, first_places, last_places, order_by
from asyncio_trace.model.names import Names
from asyncio_trace.model.recorded import Fields
from asyncio_trace.model.steps import Events, WaitSpans
from asyncio_trace.model.waits import WaitEnds
from asyncio_trace.model.wakers import Wakers, put, taken


def outcomes(numbers: Int64) -> Any:
    """Outcomes as they stand in columns; what a later version may add is unknown here."""
    known = (numbers >= 0) & (numbers < len(Outcome.NAMES))
    return np.where(known, numbers, Outcome.PENDING).astype(np.int8)


def future_columns(
    created: Fields,
    resolved: Fields,
    waits: tuple[WaitSpans, WaitEnds, Events, Int32],
    tasks: KnownTasks,
    wakers: Wakers,
    names: Names,
    future_type: int,
) -> FutureColumns:
    """The table of futures.

    Args:
        created: Those that were made by themselves.
        resolved: How they came out; of those that a wait made, only where that was no plain result.
        waits: The waits, of which some made a future of their own, and the stacks of these.
        tasks: All tasks.
        wakers: What makes wakers.
        names: What numbers stand for.
        future_type: Number of the text "Future".
    """
    spans, ends, events, stacks = waits
    last = last_places(spans.made)
    made, made_ids = spans.makers[last], spans.made[last]
    first = first_places(created.future)
    first = first[~np.isin(created.future[first], made_ids)]
    opened = spans.events[made]

    def both(of_created: Any, of_made: Any) -> Any:
        return np.concatenate((of_created, of_made))

    ids = both(created.future[first], made_ids)
    created_ns = both(created.ns[first], events.of(opened, "made_ns", 0, "made_ns"))
    order = order_by(created_ns, ids)
    seq = both(created.seq[first], events.seq[opened])[order]
    ids, created_ns = ids[order], created_ns[order]
    creators = created.creator[first]
    creator_rows = both(tasks.rows(creators, created.seq[first]), spans.rows[made])[order]
    types = both(names.strings(created.type[first]), np.full(len(made), future_type, np.int32))[order]
    sites = both(names.sites(created.site[first]), names.own_sites(stacks[made]))[order]
    resolved_ns = np.full(len(ids), NEVER)
    outcome = np.zeros(len(ids), np.int8)
    waker = wakers.nobody(len(ids))

    lookup = Lookup(ids)
    ended = ends.ended[made]
    over = made[ended]
    rows = lookup(made_ids[ended])
    resolved_ns[rows], outcome[rows] = ends.ready_ns[over], Outcome.RETURNED
    put(waker, rows, ends.waker, over)

    rows = lookup(resolved.future)
    told = rows != NONE
    told[told] = resolved.seq[told] > seq[rows[told]]
    records = np.flatnonzero(told)
    records = records[last_places(rows[records])]
    rows = rows[records]
    resolved_ns[rows] = np.maximum(resolved.ns[records], created_ns[rows])
    outcome[rows] = outcomes(resolved.outcome[records])
    words = (resolved.waker[records], resolved.waker_id[records], resolved.waker_site[records])
    put(waker, rows, wakers.columns(*words, resolved.ns[records], resolved.seq[records]))
    return FutureColumns(
        id=ids,
        type=types,
        loop=both(created.loop[first], events.of(opened, "loop", 0, "loop"))[order],
        created_ns=created_ns,
        created_by=taken(tasks.ids, creator_rows),
        created_by_row=creator_rows,
        created_at=sites,
        resolved_ns=resolved_ns,
        resolved_by=waker,
        outcome=outcome,
    )


class Jobs:
    """Executor jobs."""

    def __init__(self, submitted: Fields, ran: Fields) -> None:
        self._submitted, self._ran = submitted, ran
        self._last_ran = last_places(ran.job)
        self._runs = Lookup(ran.job[self._last_ran])
        futures = last_places(submitted.future)
        futures = futures[submitted.future[futures] != 0]  # else it is not known: a wait on nothing is not on this job
        self._of_future = Lookup(submitted.future[futures])
        self._jobs_of_futures = submitted.job[futures]

    def is_job(self, futures: Int64) -> Any:
        """Whether each of many futures carries a job's result."""
        return self._of_future(futures) != NONE

    def thread_of(self, futures: Int64, wakers: Wakers) -> tuple[Any, Int32]:
        """Of many futures, whether each carries the result of a job that ran, and the name of the thread that ran it."""
        jobs = np.zeros(len(futures), np.int64)
        place = self._of_future(futures)
        jobs[place != NONE] = self._jobs_of_futures[place[place != NONE]]
        run = self._runs(jobs)
        ran = run != NONE
        name = np.full(len(futures), NONE, np.int32)
        name[ran] = wakers.threads(self._ran.thread[self._last_ran[run[ran]]])[0]
        return ran, name

    def columns(self, futures: FutureColumns, tasks: KnownTasks, wakers: Wakers, names: Names) -> JobColumns:
        """The table of jobs. One that no thread of ours ran came out as its future did."""
        submitted = self._submitted
        last = last_places(submitted.job)
        order = last[order_by(submitted.ns[last], submitted.job[last])]
        ids, submitted_ns, future = submitted.job[order], submitted.ns[order], submitted.future[order]
        task_rows = tasks.rows(submitted.task[order], submitted.seq[order])
        started_ns, ended_ns = np.full(len(ids), NEVER), np.full(len(ids), NEVER)
        outcome = np.zeros(len(ids), np.int8)
        thread, thread_name = np.zeros(len(ids), np.int64), np.full(len(ids), NONE, np.int32)

        run = self._runs(ids)
        ran = run != NONE
        record = self._last_ran[run[ran]]
        started_ns[ran] = np.maximum(self._ran.start_ns[record], submitted_ns[ran])
        ended_ns[ran] = self._ran.end_ns[record]
        outcome[ran] = outcomes(self._ran.outcome[record])
        thread_name[ran], thread[ran] = wakers.threads(self._ran.thread[record])

        rows = Lookup(futures.id)(future)
        by_future = np.flatnonzero(~ran & (future != 0) & (rows != NONE))
        ended_ns[by_future] = futures.resolved_ns[rows[by_future]]
        outcome[by_future] = futures.outcome[rows[by_future]]
        return JobColumns(
            id=ids,
            loop=submitted.loop[order],
            task=taken(tasks.ids, task_rows),
            task_row=task_rows,
            future=future,
            function=names.strings(submitted.function[order]),
            at=names.sites(submitted.site[order]),
            submitted_ns=submitted_ns,
            started_ns=started_ns,
            ended_ns=ended_ns,
            thread=thread,
            thread_name=thread_name,
            outcome=outcome,
        )
