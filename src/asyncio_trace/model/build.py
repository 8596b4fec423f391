"""Turns the records of a recording into the tables of a trace, a column at a time.

Records are gone through one by one only where they are few: loops, threads, and tasks that are heard of again behind a gap.
"""

from __future__ import annotations

import numpy as np

from asyncio_trace.events import records as r
from asyncio_trace.model.codes import NEVER, NONE
from asyncio_trace.model.columns import (
    CallbackColumns,
    IdleColumns,
    Int32,
    Int64,
    RunColumns,
    TaskColumns,
    WakerColumns,
)
from asyncio_trace.model.gaps import Gaps
from asyncio_trace.model.known import KnownTasks
from asyncio_trace.model.lookup import Lookup, last_places, order_by
from asyncio_trace.model.names import Names
from asyncio_trace.model.program import loops_and_threads, parent_spans, program_of, witnesses
from asyncio_trace.model.recorded import Fields, Recorded
from asyncio_trace.model.resolutions import Jobs, future_columns, outcomes
from asyncio_trace.model.resources import ResourceBook
from asyncio_trace.model.spans import split_nested, sums_by_row
from asyncio_trace.model.steps import Events, WaitSpans
from asyncio_trace.model.trace import Trace
from asyncio_trace.model.waits import Awaitables, WaitEnds, by_quick_threads, member_columns, wait_columns
from asyncio_trace.model.wakers import Wakers, put


def build(recorded: Recorded) -> Trace:
    """The trace that a recording tells of. Takes the records out of `recorded`."""
    return _Builder(recorded).trace


class _Builder:
    """A trace in the making. What many tables need is made first; records are let go of as soon as they are used."""

    def __init__(self, recorded: Recorded) -> None:
        self._take = take = recorded.take
        self.trace = trace = Trace(program_of(recorded.header))
        numbered = take(r.NumberedName)
        trace.strings.hold_numbered(np.unique(numbered.number))
        self._names = names = Names(recorded.tables, trace)
        alive = take(r.TaskAlive)
        self._tasks = tasks = KnownTasks(take(r.TaskCreated), alive, recorded.tables, names)
        trace.program.loops, threads, instants = loops_and_threads(recorded, names, trace.strings)
        self._wakers = Wakers(tasks, names, threads)
        callbacks, idle, ended = take(r.CallbackRun), take(r.Idle), take(r.Ended)
        self._events = events = Events(take(r.Step), take(r.YieldedStep), alive, tasks)
        instants += [(callbacks.seq, callbacks.end_ns), (idle.seq, idle.end_ns), (tasks.seq, tasks.created_ns)]
        instants += [(ended.seq, ended.ns), events.ends(), events.housekeeping_ends()]
        trace.witnesses = witnesses(recorded)
        self._gaps = gaps = Gaps(recorded.segments, instants, trace.witnesses.last_ns)
        del instants
        events.split_at(gaps, tasks)
        self._program(gaps, ended=len(ended) > 0)

        trace.hold(idle=IdleColumns(loop=idle.loop, start_ns=idle.start_ns, end_ns=idle.end_ns))
        task_names = self._task_names(numbered, alive)
        running_ns = self._runs(callbacks)
        self._callbacks(callbacks)
        del callbacks, idle, numbered, alive
        took, waits_for = take(r.ResourceTaken), take(r.WaitsFor)
        handed = np.flatnonzero(took.site == 0)
        of_whom, seq = np.concatenate((waits_for.task, took.task[handed])), np.concatenate((waits_for.seq, took.seq[handed]))
        spans = WaitSpans(events, gaps, events.at(tasks.rows(of_whom, seq), seq))
        members, handed_at = np.split(spans.asked, [len(waits_for)])
        ends = WaitEnds(spans, events, tasks, self._wakers, gaps, take(r.Woken))
        self._hold_tasks(task_names, running_ns, ends.waiting_ns)
        stacks = names.stacks(events.of(spans.events, "stack", "stack", "stack"))
        taken_at = names.sites(took.site)
        taken_at[handed] = NONE
        waiting = handed_at != NONE
        taken_at[handed[waiting]] = names.own_sites(stacks[handed_at[waiting]])
        book = ResourceBook(take(r.ResourceSeen), take(r.ResourceState), names, trace.strings)
        trace.hold(
            resources=book.columns(),
            holds=book.holds(took, take(r.ResourceReleased), taken_at, tasks, self._wakers),
            levels=book.levels(take(r.ResourceSet), take(r.QueueLength), self._wakers),
        )
        self._waits(spans, ends, stacks, task_names, book, (waits_for, members))

    def _program(self, gaps: Gaps, *, ended: bool) -> None:
        trace, dropped = self.trace, int(self._take(r.Dropped).events.sum())
        trace.program.duration_ns, trace.program.recorded_from_ns = gaps.end_ns, gaps.from_ns
        trace.dropped_events = dropped
        trace.complete = ended and not dropped and not gaps.number
        trace.cut = not ended
        trace.gaps = gaps.number
        spans = self._take(r.ParentSpan)
        trace.parent_spans = parent_spans(spans, self._tasks.rows(spans.task, spans.seq) != NONE)

    def _task_names(self, numbered: Fields, alive: Fields) -> Int32:
        """What each task was called last; the empty text where that is not known."""
        tasks, events = self._tasks, self._events
        named = self._take(r.TaskNamed)
        heard = np.flatnonzero(events.is_alive)
        said = events.of(heard, 0, 0, "name")
        heard, said = heard[said != 0], said[said != 0]
        rows = np.concatenate((tasks.rows(named.task, named.seq), tasks.rows(numbered.task, numbered.seq), events.rows[heard]))
        texts = np.concatenate(
            (self._names.strings(named.name), self.trace.strings.numbered(numbered.number), self._names.strings(said))
        )
        order = np.argsort(np.concatenate((named.seq, numbered.seq, events.seq[heard])), kind="stable")
        order = order[rows[order] != NONE]
        found = np.zeros(len(tasks), np.int32)
        found[rows[order]] = texts[order]  # of several, the last stays
        return found

    def _runs(self, callbacks: Fields) -> Int64:
        """Make the table of runs. Returns how long each task ran."""
        events, tasks = self._events, self._tasks
        steps = np.flatnonzero(~events.is_alive)
        loop, start, end = (
            np.concatenate((events.of(steps, name, name, 0), events.of_housekeeping(name, name), getattr(callbacks, name)))
            for name in ("loop", "start_ns", "end_ns")
        )
        place, start, end = split_nested(loop, start, end)
        loop = np.broadcast_to(loop[:1], len(place)) if (loop == loop[:1]).all() else loop[place]
        names = np.concatenate((events.housekeeping_names, self._names.strings(callbacks.name)))
        of_tasks = place < len(steps)
        rows, name = np.full(len(place), NONE, np.int32), np.full(len(place), NONE, np.int32)
        rows[of_tasks] = events.rows[steps[place[of_tasks]]]
        name[~of_tasks] = names[place[~of_tasks] - len(steps)]
        ids = np.zeros(len(place), np.int64)
        ids[of_tasks] = tasks.ids[rows[of_tasks]]
        self.trace.hold(runs=RunColumns(task=ids, task_row=rows, callback=name, loop=loop, start_ns=start, end_ns=end))
        return sums_by_row(rows[of_tasks], (end - start)[of_tasks], len(tasks))

    def _callbacks(self, callbacks: Fields) -> None:
        events, names = self._events, self._names

        def both(field: str, yielded: str | int, of_callback: str | None = None) -> Int64:
            return np.concatenate((events.of_housekeeping(field, yielded), getattr(callbacks, of_callback or field)))

        start, loop = both("start_ns", "start_ns"), both("loop", "loop")
        queued = both("ready_ns", 0)
        ready = np.minimum(np.where(queued == 0, start, queued), start)
        kind = both("waker", r.WakerKind.TASK, "origin")
        who = both("waker_id", "task", "origin_id")
        site = np.concatenate((events.of_housekeeping("waker_site", 0), np.zeros(len(callbacks), np.int64)))
        origin = self._wakers.columns(kind, who, site, ready, None)
        order = order_by(start, loop)
        self.trace.hold(
            callbacks=CallbackColumns(
                name=np.concatenate((events.housekeeping_names, names.strings(callbacks.name)))[order],
                loop=loop[order],
                ready_ns=ready[order],
                start_ns=start[order],
                end_ns=both("end_ns", "end_ns")[order],
                origin=WakerColumns(**{name: getattr(origin, name)[order] for name in WakerColumns.meanings()}),
            )
        )

    def _hold_tasks(self, task_names: Int32, running_ns: Int64, waiting_ns: Int64) -> None:
        tasks, events, gaps, wakers = self._tasks, self._events, self._gaps, self._wakers
        length = len(tasks)
        done, cancels = self._take(r.TaskDone), self._take(r.CancelRequested)
        rows = tasks.rows(done.task, done.seq)
        last = np.flatnonzero(rows != NONE)
        last = last[last_places(rows[last])]
        ended_ns, outcome, exception = np.full(length, NEVER), np.zeros(length, np.int8), np.full(length, NONE, np.int32)
        ended_ns[rows[last]], outcome[rows[last]] = done.ns[last], outcomes(done.outcome[last])
        exception[rows[last]] = self._names.strings_or_none(done.exception[last])

        canceller = wakers.nobody(length)
        rows = tasks.rows(cancels.task, cancels.seq)
        last = np.flatnonzero(rows != NONE)
        last = last[last_places(rows[last])]
        words = (cancels.waker[last], cancels.waker_id[last], cancels.waker_site[last])
        put(canceller, rows[last], wakers.columns(*words, cancels.ns[last], cancels.seq[last]))

        started_ns = np.full(length, NEVER)
        rows, first_ns = events.first_starts()
        started_ns[rows] = first_ns
        until = np.where(ended_ns == NEVER, gaps.known_until(events.last_heard(tasks, gaps)), ended_ns)
        parent_rows = tasks.rows(tasks.parents, tasks.seq)
        self.trace.hold(
            tasks=TaskColumns(
                id=tasks.ids,
                name=task_names,
                coroutine=tasks.coroutine,
                parent=np.where(parent_rows == NONE, 0, tasks.parents),
                parent_row=parent_rows,
                loop=tasks.loops,
                created_ns=tasks.created_ns,
                started_ns=started_ns,
                ended_ns=ended_ns,
                outcome=outcome,
                exception=exception,
                created_at=tasks.created_at,
                running_ns=running_ns,
                ready_ns=until - tasks.created_ns - events.uncovered(tasks, gaps) - running_ns - waiting_ns,
                waiting_ns=waiting_ns,
                steps=np.bincount(events.rows[~events.is_alive], minlength=length).astype(np.int64),
                cancelled_by=canceller,
                eager=tasks.eager,
            )
        )

    def _waits(
        self,
        spans: WaitSpans,
        ends: WaitEnds,
        stacks: Int32,
        task_names: Int32,
        book: ResourceBook,
        members: tuple[Fields, Int64],
    ) -> None:
        """Make the tables of waits, and of all that was waited on."""
        trace, names, tasks, wakers, take = self.trace, self._names, self._tasks, self._wakers, self._take
        future = trace.strings.add("Future")
        about = (spans, ends, self._events, stacks)
        futures = future_columns(take(r.FutureCreated), take(r.FutureResolved), about, tasks, wakers, names, future)
        del self._events, about
        jobs = Jobs(take(r.JobSubmitted), take(r.JobRan))
        by_quick_threads(spans, ends, lambda ids: jobs.thread_of(ids, wakers))
        typed = [(Lookup(futures.id), futures.type), (book.lookup, book.types)]
        called = task_names.copy()
        unnamed = np.flatnonzero(called == 0)
        called[unnamed] = [trace.strings.add(f"task {number}") for number in tasks.ids[unnamed].tolist()]
        waits, places = wait_columns(spans, ends, stacks, Awaitables(tasks, called, typed, jobs.is_job), trace)
        trace.hold(
            waits=waits,
            members=member_columns(*members, places, len(tasks) + len(futures)),
            futures=futures,
            jobs=jobs.columns(futures, tasks, wakers, names),
        )
