"""The model built record by record, with a dict for each thing: slow and plain, to check the columns against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from asyncio_trace.events import records as r
from asyncio_trace.model import kinds, wait_rules
from asyncio_trace.model.hearing import Hearing
from asyncio_trace.model.kinds import HOUSEKEEPING
from asyncio_trace.model.places import Places
from asyncio_trace.model.tables import (
    Awaited,
    Callback,
    Future,
    Hold,
    Idle,
    Job,
    Level,
    Loop,
    Member,
    Program,
    Resource,
    Run,
    Site,
    Task,
    Wait,
    Waker,
)
from asyncio_trace.model.trace import Trace
from asyncio_trace.recording.format import Segment
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.recording.tables import Tables


def load_plainly(path: str | Path) -> Trace:
    """The trace of a recording. Texts, places and threads are looked up when all are known, as the model does."""
    with RecordingReader(path) as reader:
        stream = sorted(reader.records(), key=lambda record: not isinstance(record, r.ThreadSeen))
        builder = TraceBuilder(reader.tables)
        builder.add_all(stream)
        trace = builder.finish(reader.header)
        trace.lost_bytes = reader.lost_bytes
        if reader.cut:
            trace.complete = False
        return trace


class Gaps:
    """Where the recording has gaps, and how much of each task's life they took."""

    def __init__(self) -> None:
        self.from_ns = 0
        """Where the recording begins; 0 unless it is a part."""
        self.number = 0
        """Gaps so far."""
        self.uncovered: dict[int, int] = {}
        """Task to nanoseconds of its life of which nothing is known."""
        self._last: list[int] = []
        """Of each gap, the last instant before it of which something is known."""
        self._seen: dict[int, int] = {}
        """Task to the number of gaps there were when it was last heard of; 0 if it is not here."""
        self._segment: int | None = None

    def segment_begins(self, segment: Segment, now: int) -> None:
        """A segment follows what was read so far, the last instant of which was `now`."""
        if self._segment is None and not now:
            self.from_ns = segment.ns if segment.segment else 0
        elif segment.lost_bytes or (self._segment is not None and segment.segment != self._segment + 1):
            self._last.append(now)
            self.number += 1
        self._segment = segment.segment

    def met(self, task: int, created_ns: int, since_ns: int) -> None:
        """A task is heard of for the first time; what it did before `since_ns` is not known."""
        self._seen[task] = self.number
        if since_ns > created_ns:
            self.uncovered[task] = since_ns - created_ns

    def seen(self, task: int, since_ns: int) -> bool:
        """A known task is heard of again: what it does is known from `since_ns`. False if there was no gap meanwhile."""
        before = self._seen.get(task, 0)
        if before == self.number:
            return False
        self._seen[task] = self.number
        self.uncovered[task] = self.uncovered.get(task, 0) + max(0, since_ns - self._last[before])
        return True

    def known_until(self, task: int, end: int) -> int:
        """The last instant at which something is known of a task that has not ended, in a trace that ends at `end`."""
        return self.wait_known_until(self._seen.get(task, 0), end)

    def wait_known_until(self, number: int, end: int) -> int:
        """The same of a wait that began, or was heard of again, when there had been so many gaps."""
        return self._last[number] if number < self.number else end


def split_nested(steps: list[tuple[int, int, int, int]], callbacks: list[Run]) -> tuple[list[Run], dict[int, int]]:
    """All runs ordered by start, and each task's running time in ns.

    `steps` are (loop, start, end, task); a step or callback may hold others inside it. What holds another is running before and
    after, and not while, the other runs.
    """
    spans: list[tuple[int, int, int, int | None, str | None]]
    spans = [(loop, start, -end, task, None) for loop, start, end, task in steps]
    spans += [(run.loop, run.start_ns, -run.end_ns, None, run.callback) for run in callbacks]
    spans.sort(key=lambda span: span[:3])
    runs: list[Run] = []
    running: defaultdict[int, int] = defaultdict(int)
    open_spans: list[tuple[int, int, int | None, str | None]] = []
    """(loop, end, task, callback) of the spans that hold the place we are at, innermost last."""
    at = 0

    def emit(until: int) -> None:
        loop, _, task, callback = open_spans[-1]
        if until > at:
            runs.append(Run(task, callback, loop, at, until))
            if task is not None:
                running[task] += until - at

    for loop, start, minus_end, task, callback in spans:
        while open_spans and (open_spans[-1][0] != loop or open_spans[-1][1] <= start):
            end = open_spans[-1][1]
            emit(end)
            at = max(at, end)
            open_spans.pop()
        if open_spans:
            emit(start)
        open_spans.append((loop, -minus_end, task, callback))
        at = start
    while open_spans:
        emit(open_spans[-1][1])
        at = max(at, open_spans[-1][1])
        open_spans.pop()
    runs.sort(key=lambda run: (run.start_ns, run.loop))
    return runs, dict(running)


_Change = r.ResourceReleased | r.ResourceSet | r.QueueLength


class ResourceBook:
    """Takes in the records of resources, in order.

    Args:
        tables: The recording's.
        site: The site of that number.
        waker: Who made a change.
        waits_at: The program's own line at which a task waits.
        known: Whether a task is one of the trace's.
    """

    def __init__(
        self,
        tables: Tables,
        site: Callable[[int], Site | None],
        waker: Callable[[Any, int], Waker | None],
        waits_at: Callable[[int], Site | None],
        known: Callable[[int], bool],
    ) -> None:
        self._tables = tables
        self._site = site
        self._waker = waker
        self._waits_at = waits_at
        self._known = known
        self.resources: dict[int, Resource] = {}
        self.holds: list[Hold] = []
        self.levels: list[Level] = []
        self._held: dict[int, list[Hold]] = {}
        """Resource to the holds that are open, oldest first."""
        self.takers: dict[type, Callable[[Any], None]] = {
            r.ResourceSeen: self._seen,
            r.ResourceState: self._state,
            r.ResourceTaken: self._taken,
            r.ResourceReleased: self._released,
            r.ResourceSet: self._set,
            r.QueueLength: self._length,
        }

    def type_of(self, number: int) -> str:
        """Class name of a resource; empty if it is none."""
        known = self.resources.get(number)
        return "" if known is None else known.type

    def _seen(self, record: r.ResourceSeen) -> None:
        if record.resource not in self.resources:
            self.resources[record.resource] = Resource(record.resource, self._tables.string(record.type))

    def _state(self, record: r.ResourceState) -> None:
        resource = self.resources.get(record.resource)
        if resource is None or resource.role:
            return  # its name was lost, or it is told again
        names = r.ResourceRole.NAMES
        resource.role = names[record.role] if 0 <= record.role < len(names) else ""
        resource.most = max(0, record.most)
        resource.value = record.value
        if record.role == r.ResourceRole.LOCK and not record.value:
            self._open(Hold(record.resource, None, 0, None))

    def _open(self, hold: Hold) -> None:
        self.holds.append(hold)
        self._held.setdefault(hold.resource, []).append(hold)

    def _taken(self, record: r.ResourceTaken) -> None:
        number, ns, task, site, _ = record
        resource = self.resources.get(number)
        if resource is None or any(hold.from_ns == ns for hold in self._held.get(number, ())):
            return  # its name was lost, or it is told again
        if resource.role == "lock":
            for hold in self._held.pop(number, ()):
                hold.to_ns = ns  # that it was given back is lost
        at = self._site(site) if site else self._waits_at(task)
        self._open(Hold(number, task if self._known(task) else None, ns, None, at))

    def _released(self, record: r.ResourceReleased) -> None:
        held = self._held.get(record.resource)
        if not held:
            return  # a semaphore may be given more than was taken
        by = self._waker(record, record.ns)
        own = [hold for hold in held if by is not None and by.task is not None and hold.task == by.task]
        hold = own[-1] if own else held[0]
        # told by identity: two holds of one task may be equal
        del held[next(place for place, other in enumerate(held) if other is hold)]
        hold.to_ns, hold.released_by = record.ns, by

    def _set(self, record: r.ResourceSet) -> None:
        self._level(record, record.value)

    def _length(self, record: r.QueueLength) -> None:
        self._level(record, record.length)

    def _level(self, record: _Change, value: int) -> None:
        if record.resource in self.resources:
            self.levels.append(Level(record.resource, record.ns, value, self._waker(record, record.ns)))


class OpenWait:
    """A wait whose end is not known yet."""

    __slots__ = ("awaited", "gaps", "made", "members", "stack", "start", "yielded")

    def __init__(self, start: int, awaited: int, stack: int, yielded: bool, made: Future | None, gaps: int) -> None:
        self.start = start
        self.made = made
        """The future that asyncio made for this wait."""
        self.awaited = awaited
        self.members: tuple[tuple[int, int], ...] = ()
        """Ids that it is for, where it is for several: from the first, how many."""
        self.stack = stack
        self.yielded = yielded
        self.gaps = gaps
        """Gaps in the recording before it was last heard of."""


class WaitNames:
    """Says of each wait what it is on. The tables are the builder's own, complete by the time that this is asked."""

    def __init__(
        self,
        places: Places,
        tasks: dict[int, Task],
        futures: dict[int, Future],
        resources: ResourceBook,
        threads: dict[int, tuple[str, int]],
        job_futures: dict[int, int],
        jobs_ran: dict[int, r.JobRan],
    ) -> None:
        self._places = places
        self._tasks = tasks
        self._futures = futures
        self._resources = resources
        self._threads = threads
        self._job_futures = job_futures
        self._jobs_ran = jobs_ran
        self._kinds: dict[int, tuple[str, str] | None] = {}

    def wait(self, opened: OpenWait, task: int, ready: int | None, end: int | None, waker: Waker | None) -> Wait:
        """The wait with its names."""
        stack = self._places.stack(opened.stack)
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

    def _awaited(self, opened: OpenWait, stack: tuple[Site, ...]) -> tuple[str, Awaited]:
        if opened.yielded:
            return "yield", Awaited("", None, "yield")
        number = opened.awaited
        task, future = self._tasks.get(number), self._futures.get(number)
        if task is not None:
            type_name = "Task"
        elif future is not None:
            type_name = future.type
        else:
            type_name = self._resources.type_of(number)
        if opened.stack not in self._kinds:
            self._kinds[opened.stack] = kinds.of_stack(stack)
        by_type = kinds.of_type(type_name, is_task=task is not None, is_job=number in self._job_futures)
        by_stack = self._kinds[opened.stack]
        if by_stack is None or (by_type[0] == "gather"):
            kind, label = by_type
        else:
            kind, label = by_stack
        if task is None:
            label = wait_rules.installed().label(stack) or label
        else:
            name = task.name or f"task {task.id}"
            label = f"{label} {name}".strip() if label else name
        return kind, Awaited(type_name, number or None, label)


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
                if 0 < count <= len(self._tasks) + len(self._futures)  # else the file is damaged
                for number in range(first, first + count)
            ],
            dropped_events=self._dropped,
            complete=self._ended and not self._dropped and not self._gaps.number,
            cut=not self._ended,
            gaps=self._gaps.number,
            witnesses=self._hearing.witnesses,
        )
        trace.parent_spans.update((task.id, task.parent_span) for task in trace.tasks if task.parent_span is not None)
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
        if opened is not None:
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
        """The innermost frame of a stack that is not asyncio's."""
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
