"""Turns a stream of records into the tables of a trace, in one pass and a closing look."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncio_trace.events import records as r
from asyncio_trace.model import kinds
from asyncio_trace.model.encode import turn_into_columns
from asyncio_trace.model.gaps import Gaps
from asyncio_trace.model.hearing import Hearing
from asyncio_trace.model.places import Places
from asyncio_trace.model.resources import ResourceBook
from asyncio_trace.model.runs import split_nested
from asyncio_trace.model.tables import Callback, Future, Idle, Job, Loop, Member, Program, Run, Site, Task, Waker
from asyncio_trace.model.trace import Trace
from asyncio_trace.model.waits import OpenWait, WaitNames
from asyncio_trace.recording.format import Segment
from asyncio_trace.recording.tables import Tables

HOUSEKEEPING = frozenset(
    f"{loop}.{method}" for loop in ("BaseEventLoop", "Loop") for method in ("shutdown_asyncgens", "shutdown_default_executor")
)
"""Coroutines that `asyncio.run` makes tasks of when the program is over. They are the loop's work, not the program's: they show
as runs of a callback of that name, and not as tasks.
"""


class TraceBuilder:
    """Feed it records in order, then `finish`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._places = Places(tables)
        self._gaps = Gaps()
        self._hearing = Hearing(tables, self._places)
        self._tasks: dict[int, Task] = {}
        self._futures: dict[int, Future] = {}
        self._jobs: dict[int, Job] = {}
        self._jobs_ran: dict[int, r.JobRan] = {}
        self._job_futures: dict[int, int] = {}
        """Future to job."""
        self._resources = ResourceBook(tables, self._places.site, self._waker, self._waits_at, self._tasks.__contains__)
        self._threads: dict[int, tuple[str, int]] = {}
        self._loops: dict[int, Loop] = {}
        self._open: dict[int, OpenWait] = {}
        self._woken: dict[int, r.Woken] = {}
        self._steps: list[tuple[int, int, int, int]] = []
        """(loop, start, end, task)."""
        self._callbacks: list[Run] = []
        self._queued: list[tuple[r.CallbackRun | r.Step, str]] = []
        """What ran as a callback, with its name; wakers wait until all names are known."""
        self._housekeeping: dict[int, str] = {}
        """Id to coroutine of tasks that `asyncio.run` makes for itself."""
        self._waits: list[tuple[OpenWait, int, int | None, int | None, Waker | None]] = []
        """(wait, task, ready, end, waker); labels wait until all names are known."""
        self._idle: list[Idle] = []
        self._end = 0
        self._ended = False
        self._dropped = 0
        self._takers: dict[type, Any] = {
            r.LoopStarted: self._loop_started,
            r.LoopClosed: self._loop_closed,
            r.Idle: self._idle_record,
            r.TaskCreated: self._task_created,
            r.TaskNamed: self._task_named,
            r.Step: self._step,
            r.YieldedStep: self._yielded_step,
            r.Woken: self._woken_record,
            r.TaskDone: self._task_done,
            r.CallbackRun: self._callback_run,
            r.FutureCreated: self._future_created,
            r.FutureResolved: self._future_resolved,
            r.CancelRequested: self._cancel_requested,
            r.JobSubmitted: self._job_submitted,
            r.JobRan: self._job_ran,
            r.ThreadSeen: self._thread_seen,
            r.ParentSpan: self._parent_span,
            r.Dropped: self._dropped_record,
            r.Ended: self._ended_record,
            r.NumberedName: self._numbered_name,
            r.LoopAlive: self._loop_alive,
            r.TaskAlive: self._task_alive,
            Segment: self._segment,
            r.WaitsFor: self._waits_for,
            **self._resources.takers,
            **self._hearing.takers,
        }

    def add_all(self, stream: Iterable[r.Record | Segment]) -> None:
        """Take in records, in the order in which they were made, and each segment where it begins."""
        takers = self._takers
        for record in stream:
            takers[type(record)](record)

    def finish(self, header: dict[str, Any]) -> Trace:
        """The trace; `header` is the recording's."""
        self._end = max(self._end, self._hearing.witnesses.last_ns)
        runs, task_runs = split_nested(self._steps, self._callbacks)
        self._close(task_runs)
        names = WaitNames(
            self._places, self._tasks, self._futures, self._resources, self._threads, self._job_futures, self._jobs_ran
        )
        self._waits.sort(key=lambda row: (row[0].start, row[1]))
        waits = [names.wait(*row) for row in self._waits]
        for job in self._jobs.values():
            self._finish_job(job)
        argv = header.get("argv")
        program = Program(
            argv=[str(word) for word in argv] if isinstance(argv, list) else [],
            python=str(header.get("python", "")),
            platform=str(header.get("platform", "")),
            pid=_whole(header.get("pid")),
            loops=sorted(self._loops.values(), key=lambda loop: loop.created_ns),
            started_unix_ns=_whole(header.get("started_unix_ns")),
            duration_ns=self._end,
            core=str(header.get("core", "")),
            recorded_from_ns=self._gaps.from_ns,
            block_threshold_ns=_whole(header.get("block_threshold_ns")) or 100_000_000,
        )
        trace = Trace(
            program=program,
            tasks=sorted(self._tasks.values(), key=lambda task: (task.created_ns, task.id)),
            runs=runs,
            waits=waits,
            futures=sorted(self._futures.values(), key=lambda future: (future.created_ns, future.id)),
            jobs=sorted(self._jobs.values(), key=lambda job: (job.submitted_ns, job.id)),
            idle=self._idle,
            callbacks=sorted(
                (self._callback(record, name) for record, name in self._queued), key=lambda row: (row.start_ns, row.loop)
            ),
            resources=self._resources.resources.values(),
            holds=sorted(self._resources.holds, key=lambda hold: hold.from_ns),
            levels=self._resources.levels,
            members=[
                Member(place, number)
                for place, (opened, *_) in enumerate(self._waits)
                for first, count in opened.members
                for number in range(first, first + count)
            ],
            dropped_events=self._dropped,
            complete=self._ended and not self._dropped and not self._gaps.number,
            cut=not self._ended,
            gaps=self._gaps.number,
            witnesses=self._hearing.witnesses,
        )
        trace.parent_spans.update((task.id, task.parent_span) for task in trace.tasks if task.parent_span is not None)
        turn_into_columns(trace)
        return trace

    # -- records --------------------------------------------------------------------------------------------------------

    def _loop_started(self, record: r.LoopStarted) -> None:
        name, native = self._threads.get(record.thread, ("", 0))
        self._loops[record.loop] = Loop(record.loop, self._tables.string(record.type), native, name, record.ns)

    def _loop_alive(self, record: r.LoopAlive) -> None:
        if record.loop not in self._loops:
            self._loop_started(r.LoopStarted(record.loop, record.started_ns, record.type, record.thread))
        self._end = max(self._end, record.ns)

    def _loop_closed(self, record: r.LoopClosed) -> None:
        if record.loop in self._loops:
            self._loops[record.loop].closed_ns = record.ns
        self._end = max(self._end, record.ns)

    def _idle_record(self, record: r.Idle) -> None:
        self._idle.append(Idle(*record))
        self._end = max(self._end, record.end_ns)

    def _task_created(self, record: r.TaskCreated | r.TaskAlive) -> None:
        coroutine = self._tables.string(record.coroutine)
        if coroutine in HOUSEKEEPING and not record.parent:
            self._housekeeping[record.task] = coroutine
            return
        if record.task in self._tasks:
            return
        created = since = record[1]
        if isinstance(record, r.TaskAlive):
            since = record.since_ns
        self._tasks[record.task] = Task(
            id=record.task,
            name="",
            coroutine=coroutine,
            parent=record.parent if record.parent in self._tasks else None,
            loop=record.loop,
            created_ns=created,
            created_at=self._places.site(record.site),
            eager=bool(record.flags & r.TaskFlag.EAGER),
        )
        if self._gaps.number or since > created:
            self._gaps.met(record.task, created, since)
        self._end = max(self._end, created)

    def _task_named(self, record: r.TaskNamed) -> None:
        if record.task in self._tasks:
            self._tasks[record.task].name = self._tables.string(record.name)

    def _numbered_name(self, record: r.NumberedName) -> None:
        if record.task in self._tasks:
            self._tasks[record.task].name = f"Task-{record.number}"

    def _task_alive(self, record: r.TaskAlive) -> None:
        """In a segment that follows what was read, this is known; where the recording begins or behind a gap it is news."""
        task, since = record.task, record.since_ns
        if task not in self._tasks:
            self._task_created(record)
            if task not in self._tasks:
                return  # housekeeping
        elif not self._gaps.seen(task, since):
            return
        if record.name:
            self._tasks[task].name = self._tables.string(record.name)
        opened = self._open.get(task)
        if opened is not None:
            if opened.start == since and record.state == (r.TaskState.QUEUED if opened.yielded else r.TaskState.WAITING):
                opened.gaps = self._gaps.number
                return
            self._cut_off(task, self._open.pop(task))
        if record.state == r.TaskState.WAITING:
            made = self._made(record) if record.made else None
            self._open[task] = OpenWait(since, record.awaited, record.stack, False, made, self._gaps.number)

    def _cut_off(self, task: int, opened: OpenWait) -> None:
        """A wait of which nothing is known from a gap on."""
        self._waits.append((opened, task, None, None, None))
        self._tasks[task].waiting_ns += max(0, self._gaps.wait_known_until(opened.gaps, self._end) - opened.start)

    def _segment(self, segment: Segment) -> None:
        self._gaps.segment_begins(segment, self._end)

    def _step(self, record: r.Step) -> None:
        task = self._tasks.get(record.task)
        if task is None:
            name = self._housekeeping.get(record.task)
            if name is not None:
                self._callbacks.append(Run(None, name, record.loop, record.start_ns, record.end_ns))
                self._queued.append((record, name))
                self._end = max(self._end, record.end_ns)
            return  # else its creation was lost with dropped events
        start, end = record.start_ns, record.end_ns
        opened = self._open.pop(record.task, None)
        if self._gaps.number:
            if opened is not None and opened.gaps < self._gaps.number:
                self._cut_off(record.task, opened)
                opened = None
            self._gaps.seen(record.task, min(record.ready_ns or start, start))
        if self._woken:
            self._woken.pop(record.task, None)
        if opened is not None:
            ready = min(max(record.ready_ns, opened.start), start)
            waker = self._waker(record, ready, opened)
            self._waits.append((opened, record.task, ready, start, waker))
            if opened.made is not None and opened.made.resolved_ns is None:
                opened.made.resolved_ns, opened.made.resolved_by, opened.made.outcome = ready, waker, "returned"
            task.waiting_ns += ready - opened.start
        if task.started_ns is None:
            task.started_ns = start
        task.steps += 1
        self._steps.append((record.loop, start, end, record.task))
        self._end = max(self._end, end)
        if record.end in (r.StepEnd.WAITING, r.StepEnd.YIELDED):
            made = self._made(record) if record.made else None
            yielded = record.end == r.StepEnd.YIELDED
            self._open[record.task] = OpenWait(end, record.awaited, record.stack, yielded, made, self._gaps.number)

    def _waits_for(self, record: r.WaitsFor) -> None:
        opened = self._open.get(record.task)
        if opened is not None and 0 < record.ids <= len(self._tasks) + len(self._futures):  # else the file is damaged
            opened.members += ((record.first, record.ids),)

    def _yielded_step(self, record: r.YieldedStep) -> None:
        task, loop, start, end, stack = record
        self._step(r.Step(task, loop, start, end, r.StepEnd.YIELDED, 0, stack, 0, r.WakerKind.TASK, task, 0, 0, 0))

    def _made(self, record: r.Step | r.TaskAlive) -> Future:
        """The future that asyncio made for the wait that begins; its site is the program's line that waits."""
        site = self._own_line(record.stack)
        future = self._futures[record.made] = Future(record.made, "Future", record.loop, record.made_ns, record.task, site)
        return future

    def _own_line(self, stack: int) -> Site | None:
        """The innermost frame of a stack that is the program's."""
        return next((site for site in reversed(self._places.stack(stack)) if not kinds.is_plumbing(site)), None)

    def _waits_at(self, task: int) -> Site | None:
        """The program's own line at which a task waits now."""
        opened = self._open.get(task)
        return None if opened is None else self._own_line(opened.stack)

    def _woken_record(self, record: r.Woken) -> None:
        self._woken[record.task] = record

    def _task_done(self, record: r.TaskDone) -> None:
        task = self._tasks.get(record.task)
        if task is not None:
            task.ended_ns = record.ns
            task.outcome = _outcome(record.outcome)
            task.exception = self._tables.string(record.exception) or None

    def _callback_run(self, record: r.CallbackRun) -> None:
        name = self._tables.string(record.name)
        self._callbacks.append(Run(None, name, record.loop, record.start_ns, record.end_ns))
        self._queued.append((record, name))
        self._end = max(self._end, record.end_ns)

    def _future_created(self, record: r.FutureCreated) -> None:
        if record.future in self._futures:
            return  # told again where a segment begins
        self._futures[record.future] = Future(
            id=record.future,
            type=self._tables.string(record.type),
            loop=record.loop,
            created_ns=record.ns,
            created_by=record.creator if record.creator in self._tasks else None,
            created_at=self._places.site(record.site),
        )

    def _future_resolved(self, record: r.FutureResolved) -> None:
        future = self._futures.get(record.future)
        if future is not None:
            future.resolved_ns = max(record.ns, future.created_ns)
            future.resolved_by = self._waker(record, record.ns)
            future.outcome = _outcome(record.outcome)

    def _cancel_requested(self, record: r.CancelRequested) -> None:
        task = self._tasks.get(record.task)
        if task is not None:
            task.cancelled_by = self._waker(record, record.ns)

    def _job_submitted(self, record: r.JobSubmitted) -> None:
        self._jobs[record.job] = Job(
            id=record.job,
            loop=record.loop,
            task=record.task if record.task in self._tasks else None,
            future=record.future or None,
            function=self._tables.string(record.function),
            at=self._places.site(record.site),
            submitted_ns=record.ns,
        )
        if record.future:  # else it is not known: a wait on nothing, which has the id 0, is not on this job
            self._job_futures[record.future] = record.job

    def _job_ran(self, record: r.JobRan) -> None:
        self._jobs_ran[record.job] = record  # a thread may be quicker than the loop's own note of submission

    def _thread_seen(self, record: r.ThreadSeen) -> None:
        self._threads[record.thread] = (self._tables.string(record.name), record.native_id)

    def _parent_span(self, record: r.ParentSpan) -> None:
        task = self._tasks.get(record.task)
        if task is not None:
            trace_id = (record.trace_id_high & _MASK64) << 64 | record.trace_id_low & _MASK64
            task.parent_span = (trace_id, record.span_id & _MASK64, record.trace_flags)

    def _dropped_record(self, record: r.Dropped) -> None:
        self._dropped += record.events

    def _ended_record(self, record: r.Ended) -> None:
        self._ended = True
        self._end = max(self._end, record.ns)

    # -- closing --------------------------------------------------------------------------------------------------------

    def _close(self, task_runs: dict[int, int]) -> None:
        """End what is open, and make each task's three times add up to its life."""
        for number, opened in self._open.items():
            if opened.gaps < self._gaps.number:
                self._cut_off(number, opened)
                continue
            task = self._tasks[number]
            woken = self._woken.get(number)
            ready: int | None = None
            waker = None
            if opened.yielded:
                ready, waker = opened.start, Waker("task", number, opened.start, None)
            elif woken is not None:
                ready = max(woken.ready_ns, opened.start)
                waker = self._waker(woken, ready)
            self._waits.append((opened, number, ready, None, waker))
            task.waiting_ns += (self._end if ready is None else ready) - opened.start
        for number, task in self._tasks.items():
            end = self._gaps.known_until(number, self._end) if task.ended_ns is None else task.ended_ns
            uncovered = self._gaps.uncovered.get(number, 0)
            task.running_ns = task_runs.get(number, 0)
            task.ready_ns = end - task.created_ns - uncovered - task.running_ns - task.waiting_ns

    def _finish_job(self, job: Job) -> None:
        ran = self._jobs_ran.get(job.id)
        if ran is not None:
            job.started_ns, job.ended_ns = max(ran.start_ns, job.submitted_ns), ran.end_ns
            job.thread_name, job.thread = self._threads.get(ran.thread, (None, None))
            job.outcome = _outcome(ran.outcome)
        elif job.future is not None and (future := self._futures.get(job.future)) is not None:
            job.ended_ns, job.outcome = future.resolved_ns, future.outcome

    def _callback(self, record: r.CallbackRun | r.Step, name: str) -> Callback:
        """A callback, or a step that shows as one; it was queued when it started, at the latest."""
        ready = min(record.ready_ns or record.start_ns, record.start_ns)
        if isinstance(record, r.CallbackRun):
            origin = self._waker(r.Woken(0, ready, record.origin, record.origin_id, 0), ready)
        else:
            origin = self._waker(record, ready)
        return Callback(name, record.loop, ready, record.start_ns, record.end_ns, origin)

    def _waker(self, record: _Woken, ns: int, opened: OpenWait | None = None) -> Waker | None:
        kind, who = record.waker, record.waker_id
        if kind == r.WakerKind.NONE or not 0 <= kind < len(r.WakerKind.NAMES):
            return Waker("loop", None, ns, None) if opened is not None else None
        task: int | None = None
        label: str | None = None
        if kind == r.WakerKind.TASK and who not in self._tasks:
            kind, label = r.WakerKind.LOOP, self._housekeeping.get(who)
        elif kind == r.WakerKind.TASK:
            task = who
            instant = record.ready_ns if isinstance(record, (r.Step, r.Woken)) else record.ns
            ns = ns if opened is not None and opened.yielded else min(ns, instant) if instant else ns
        elif kind in (r.WakerKind.CALLBACK, r.WakerKind.TIMER):
            label = self._tables.string(who) or None
        elif kind == r.WakerKind.THREAD:
            label = self._threads.get(who, (None, 0))[0]
        return Waker(r.WakerKind.NAMES[kind], task, ns, self._places.site(record.waker_site), label)


_MASK64 = 0xFFFF_FFFF_FFFF_FFFF


_Woken = r.Step | r.Woken | r.FutureResolved | r.CancelRequested | r.ResourceReleased | r.ResourceSet | r.QueueLength
"""Records with a waker."""


def _outcome(number: int) -> str:
    """The name of an outcome; what a later version may add is unknown here."""
    return r.Outcome.NAMES[number] if 0 <= number < len(r.Outcome.NAMES) else "pending"


def _whole(number: object) -> int:
    """A number from a header that may hold anything."""
    return number if type(number) is int else 0
