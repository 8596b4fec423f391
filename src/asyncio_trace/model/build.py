"""Turns a stream of records into the tables of a trace, in one pass and a closing look."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncio_trace.events import records as r
from asyncio_trace.model import kinds
from asyncio_trace.model.runs import split_nested
from asyncio_trace.model.tables import Awaited, Future, Idle, Job, Loop, Program, Run, Site, Task, Trace, Wait, Waker
from asyncio_trace.recording.reader import RecordingReader, Tables


def load(path: str | Path) -> Trace:
    """Read the recording at `path`.

    Raises:
        InputError: It is missing, empty, broken from the start, or not a recording.
    """
    with RecordingReader(path) as reader, _collector_resting():
        builder = TraceBuilder(reader.tables)
        builder.add_all(reader.records())
        trace = builder.finish(reader.header)
        if reader.cut:
            trace.complete = False
        return trace


_HOUSEKEEPING = frozenset(
    f"{loop}.{method}" for loop in ("BaseEventLoop", "Loop") for method in ("shutdown_asyncgens", "shutdown_default_executor")
)
"""Coroutines that `asyncio.run` makes tasks of when the program is over. They are the loop's work, not the program's: they show
as runs of a callback of that name, and not as tasks.
"""


@contextmanager
def _collector_resting() -> Iterator[None]:
    """The tables hold no cycles and live long: looking through them again and again would take a third of the time."""
    resting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if resting:
            gc.enable()


class _OpenWait:
    """A wait whose end is not known yet."""

    __slots__ = ("awaited", "made", "stack", "start", "yielded")

    def __init__(self, start: int, awaited: int, stack: int, yielded: bool, made: Future | None) -> None:
        self.start = start
        self.made = made
        """The future that asyncio made for this wait."""
        self.awaited = awaited
        self.stack = stack
        self.yielded = yielded


class TraceBuilder:
    """Feed it records in order, then `finish`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._sites: dict[int, Site | None] = {0: None}
        self._stacks: dict[int, tuple[Site, ...]] = {}
        self._kinds: dict[int, tuple[str, str] | None] = {}
        self._tasks: dict[int, Task] = {}
        self._futures: dict[int, Future] = {}
        self._jobs: dict[int, Job] = {}
        self._jobs_ran: dict[int, r.JobRan] = {}
        self._job_futures: dict[int, int] = {}
        """Future to job."""
        self._resources: dict[int, str] = {}
        self._threads: dict[int, tuple[str, int]] = {}
        self._loops: dict[int, Loop] = {}
        self._open: dict[int, _OpenWait] = {}
        self._woken: dict[int, r.Woken] = {}
        self._steps: list[tuple[int, int, int, int]] = []
        """(loop, start, end, task)."""
        self._callbacks: list[Run] = []
        self._housekeeping: dict[int, str] = {}
        """Id to coroutine of tasks that `asyncio.run` makes for itself."""
        self._waits: list[tuple[_OpenWait, int, int | None, int | None, Waker | None]] = []
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
            r.ResourceSeen: self._resource_seen,
            r.ParentSpan: self._parent_span,
            r.Dropped: self._dropped_record,
            r.Ended: self._ended_record,
        }

    def add_all(self, stream: Iterable[r.Record]) -> None:
        """Take in records, in the order in which they were made."""
        takers = self._takers
        for record in stream:
            takers[type(record)](record)

    def finish(self, header: dict[str, Any]) -> Trace:
        """The trace; `header` is the recording's."""
        runs, task_runs = split_nested(self._steps, self._callbacks)
        self._close(task_runs)
        waits = [self._wait(*row) for row in self._waits]
        waits.sort(key=lambda wait: (wait.start_ns, wait.task))
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
        )
        return Trace(
            program=program,
            tasks=sorted(self._tasks.values(), key=lambda task: (task.created_ns, task.id)),
            runs=runs,
            waits=waits,
            futures=sorted(self._futures.values(), key=lambda future: (future.created_ns, future.id)),
            jobs=sorted(self._jobs.values(), key=lambda job: (job.submitted_ns, job.id)),
            idle=self._idle,
            dropped_events=self._dropped,
            complete=self._ended and not self._dropped,
        )

    # -- records --------------------------------------------------------------------------------------------------------

    def _loop_started(self, record: r.LoopStarted) -> None:
        name, native = self._threads.get(record.thread, ("", 0))
        self._loops[record.loop] = Loop(record.loop, self._tables.string(record.type), native, name, record.ns)

    def _loop_closed(self, record: r.LoopClosed) -> None:
        if record.loop in self._loops:
            self._loops[record.loop].closed_ns = record.ns
        self._end = max(self._end, record.ns)

    def _idle_record(self, record: r.Idle) -> None:
        self._idle.append(Idle(*record))
        self._end = max(self._end, record.end_ns)

    def _task_created(self, record: r.TaskCreated) -> None:
        coroutine = self._tables.string(record.coroutine)
        if coroutine in _HOUSEKEEPING and not record.parent:
            self._housekeeping[record.task] = coroutine
            return
        self._tasks[record.task] = Task(
            id=record.task,
            name="",
            coroutine=coroutine,
            parent=record.parent if record.parent in self._tasks else None,
            loop=record.loop,
            created_ns=record.ns,
            created_at=self._site(record.site),
            eager=bool(record.flags & r.TaskFlag.EAGER),
        )
        self._end = max(self._end, record.ns)

    def _task_named(self, record: r.TaskNamed) -> None:
        if record.task in self._tasks:
            self._tasks[record.task].name = self._tables.string(record.name)

    def _step(self, record: r.Step) -> None:
        task = self._tasks.get(record.task)
        if task is None:
            name = self._housekeeping.get(record.task)
            if name is not None:
                self._callbacks.append(Run(None, name, record.loop, record.start_ns, record.end_ns))
                self._end = max(self._end, record.end_ns)
            return  # else its creation was lost with dropped events
        start, end = record.start_ns, record.end_ns
        opened = self._open.pop(record.task, None)
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
            self._open[record.task] = _OpenWait(end, record.awaited, record.stack, record.end == r.StepEnd.YIELDED, made)

    def _yielded_step(self, record: r.YieldedStep) -> None:
        task, loop, start, end, stack = record
        self._step(r.Step(task, loop, start, end, r.StepEnd.YIELDED, 0, stack, 0, r.WakerKind.TASK, task, 0, 0, 0))

    def _made(self, record: r.Step) -> Future:
        """The future that asyncio made for the wait that begins; its site is the program's line that waits."""
        stack = self._stack(record.stack)
        site = next((site for site in reversed(stack) if not kinds.is_asyncio(site)), None)
        future = self._futures[record.made] = Future(record.made, "Future", record.loop, record.made_ns, record.task, site)
        return future

    def _woken_record(self, record: r.Woken) -> None:
        self._woken[record.task] = record

    def _task_done(self, record: r.TaskDone) -> None:
        task = self._tasks.get(record.task)
        if task is not None:
            task.ended_ns = record.ns
            task.outcome = r.Outcome.NAMES[record.outcome]
            task.exception = self._tables.string(record.exception) or None

    def _callback_run(self, record: r.CallbackRun) -> None:
        name = self._tables.string(record.name)
        self._callbacks.append(Run(None, name, record.loop, record.start_ns, record.end_ns))
        self._end = max(self._end, record.end_ns)

    def _future_created(self, record: r.FutureCreated) -> None:
        self._futures[record.future] = Future(
            id=record.future,
            type=self._tables.string(record.type),
            loop=record.loop,
            created_ns=record.ns,
            created_by=record.creator if record.creator in self._tasks else None,
            created_at=self._site(record.site),
        )

    def _future_resolved(self, record: r.FutureResolved) -> None:
        future = self._futures.get(record.future)
        if future is not None:
            future.resolved_ns = max(record.ns, future.created_ns)
            future.resolved_by = self._waker(record, record.ns)
            future.outcome = r.Outcome.NAMES[record.outcome]

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
            at=self._site(record.site),
            submitted_ns=record.ns,
        )
        self._job_futures[record.future] = record.job

    def _job_ran(self, record: r.JobRan) -> None:
        self._jobs_ran[record.job] = record  # a thread may be quicker than the loop's own note of submission

    def _thread_seen(self, record: r.ThreadSeen) -> None:
        self._threads[record.thread] = (self._tables.string(record.name), record.native_id)

    def _resource_seen(self, record: r.ResourceSeen) -> None:
        self._resources[record.resource] = self._tables.string(record.type)

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
            end = self._end if task.ended_ns is None else task.ended_ns
            task.running_ns = task_runs.get(number, 0)
            task.ready_ns = end - task.created_ns - task.running_ns - task.waiting_ns

    def _wait(self, opened: _OpenWait, task: int, ready: int | None, end: int | None, waker: Waker | None) -> Wait:
        stack = self._stack(opened.stack)
        kind, awaited = self._awaited(opened, stack)
        if waker is not None and waker.task == task:
            waker = self._by_quick_thread(opened.awaited, waker)
        return Wait(task, opened.start, ready, end, kind, awaited, stack, waker)

    def _by_quick_thread(self, future: int, waker: Waker) -> Waker:
        """A job that is over before `run_in_executor` returns resolves its future on the stack of the task that submitted it;
        still it is the thread that did it.
        """
        ran = self._jobs_ran.get(self._job_futures.get(future, 0))
        return waker if ran is None else Waker("thread", None, waker.ns, None, self._threads.get(ran.thread, (None, 0))[0])

    def _awaited(self, opened: _OpenWait, stack: tuple[Site, ...]) -> tuple[str, Awaited]:
        if opened.yielded:
            return "yield", Awaited("", None, "yield")
        number = opened.awaited
        task, future = self._tasks.get(number), self._futures.get(number)
        if task is not None:
            type_name = "Task"
        elif future is not None:
            type_name = future.type
        else:
            type_name = self._resources.get(number, "")
        if opened.stack not in self._kinds:
            self._kinds[opened.stack] = kinds.of_stack(stack)
        by_type = kinds.of_type(type_name, is_task=task is not None, is_job=number in self._job_futures)
        by_stack = self._kinds[opened.stack]
        if by_stack is None or (by_type[0] == "gather"):
            kind, label = by_type
        else:
            kind, label = by_stack
        if task is not None:
            name = task.name or f"task {task.id}"
            label = f"{label} {name}".strip() if label else name
        return kind, Awaited(type_name, number or None, label)

    def _finish_job(self, job: Job) -> None:
        ran = self._jobs_ran.get(job.id)
        if ran is not None:
            job.started_ns, job.ended_ns = max(ran.start_ns, job.submitted_ns), ran.end_ns
            job.thread_name, job.thread = self._threads.get(ran.thread, (None, None))
            job.outcome = r.Outcome.NAMES[ran.outcome]
        elif job.future is not None and (future := self._futures.get(job.future)) is not None:
            job.ended_ns, job.outcome = future.resolved_ns, future.outcome

    # -- look-ups -------------------------------------------------------------------------------------------------------

    def _site(self, number: int) -> Site | None:
        if number not in self._sites:
            row = self._tables.sites.get(number)
            self._sites[number] = None if row is None else Site(*row)
        return self._sites[number]

    def _stack(self, number: int) -> tuple[Site, ...]:
        if number not in self._stacks:
            sites = (self._site(site) for site in self._tables.stacks.get(number, ()))
            self._stacks[number] = tuple(site for site in sites if site is not None)
        return self._stacks[number]

    def _waker(
        self, record: r.Step | r.Woken | r.FutureResolved | r.CancelRequested, ns: int, opened: _OpenWait | None = None
    ) -> Waker | None:
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
        return Waker(r.WakerKind.NAMES[kind], task, ns, self._site(record.waker_site), label)


_MASK64 = 0xFFFF_FFFF_FFFF_FFFF


def _whole(number: object) -> int:
    """A number from a header that may hold anything."""
    return number if type(number) is int else 0
