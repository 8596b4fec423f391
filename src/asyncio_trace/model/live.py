"""Rows of a program that still runs: told from its records as they come, and let go when what they belong to is over.

`load` keeps all there is and names it at the end. Here what has a name is named at once, since tables and tasks are
gone later, and short waits and runs only count. The rows are those of a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from asyncio_trace.events import records as r
from asyncio_trace.model import kinds
from asyncio_trace.model.meters import Meters
from asyncio_trace.model.places import Places
from asyncio_trace.model.tables import Awaited, Job, Loop, Run, Site, Task, Wait, Waker
from asyncio_trace.model.things import Things, outcome, remember
from asyncio_trace.model.trees import MOST_ROWS, LeftOut, Node, StepPlaces, Trees
from asyncio_trace.model.witnesses import Sample
from asyncio_trace.recording.format import Segment
from asyncio_trace.recording.tables import Tables

MOST_NESTED = 1_000
"""Eager steps inside one run that are told from it."""


class _OpenWait:
    """A wait that has begun, with what it is on."""

    __slots__ = ("awaited", "job", "kind", "label", "stack", "start", "task", "type")

    def __init__(self, start: int) -> None:
        self.start = start
        self.kind, self.type, self.label = "yield", "", "yield"
        self.awaited: int | None = None
        self.stack: tuple[Site, ...] = ()
        self.task: Task | None = None
        """The task that it waits for."""
        self.job: Job | None = None
        """The job that it waits for."""


class LiveTasks:
    """Feed it records in order, and take what is over.

    Args:
        wait_threshold_ns: Shorter waits are only counted.
        block_threshold_ns: Longer runs are blocking steps.
        long_lived_ns: How long a tree is held (see `trees`).
    """

    def __init__(self, wait_threshold_ns: int, block_threshold_ns: int, long_lived_ns: int) -> None:
        self.meters = Meters(block_threshold_ns)
        self.trees = Trees(long_lived_ns)
        self.loops: dict[int, Loop] = {}
        self.callbacks: list[Run] = []
        """Callbacks that blocked a loop, the first of them."""
        self.around: dict[tuple[int, int], StepPlaces] = {}
        """Where those were, by loop and start."""
        self.left_out = LeftOut()
        """The others."""
        self.now = 0
        """The last instant that is known."""
        self.ended = False
        """True once the trace has ended in order."""
        self._wait_ns = wait_threshold_ns
        self._tables = Tables()
        self._places = Places(self._tables)
        self._kinds: dict[int, tuple[str, str] | None] = {}
        self._nodes: dict[int, Node] = {}
        self._open: dict[int, _OpenWait] = {}
        self._woken: dict[int, r.Woken] = {}
        self._nested: dict[int, list[tuple[int, int]]] = {}
        """First steps of eager tasks, by loop: those inside a run that is not over yet."""
        self._housekeeping: dict[int, str] = {}
        self._recent: dict[int, Task] = {}
        self._threads: dict[int, tuple[str, int]] = {}
        self._samples: dict[int, Sample] = {}
        """Where a loop's present run was first seen to block."""
        self.things = Things(
            lambda number: self._tables.string(number),
            lambda number: self._places.site(number),
            self._nodes.get,
            self._threads.get,
            self.meters,
        )
        self._doubt = False
        """Events were dropped since the last segment that told what is alive."""
        self._alive: set[int] | None = None
        """Tasks that this segment tells of, if it is asked for them."""
        self._told_alive = False
        """This segment does tell what is alive; those of the Python core don't."""
        self._asked = 0
        """When it began."""
        self._takers: dict[type, Any] = {
            r.LoopStarted: self._loop_started,
            r.LoopAlive: self._loop_alive,
            r.LoopClosed: self._loop_closed,
            r.Idle: self._idle,
            r.TaskCreated: self._task_created,
            r.TaskAlive: self._task_created,
            r.TaskNamed: self._task_named,
            r.NumberedName: self._numbered_name,
            r.Step: self._step,
            r.YieldedStep: self._yielded_step,
            r.Woken: self._woken_record,
            r.TaskDone: self._task_done,
            r.CallbackRun: self._callback_run,
            r.CancelRequested: self._cancel_requested,
            r.ThreadSeen: self._thread_seen,
            r.ParentSpan: self._parent_span,
            r.Blocked: self._blocked,
            r.Dropped: self._dropped,
            r.Ended: self._ended,
            **self.things.takers,
        }

    def add_all(self, stream: Iterable[r.Record | Segment], tables: Callable[[], Tables]) -> None:
        """Take in records, in the order in which they were made. `tables()` gives those of the segment that is being read."""
        takers = self._takers
        for record in stream:
            if isinstance(record, Segment):
                self._tables = tables()
                self._places = Places(self._tables)
                self._kinds = {}
                self._end_the_lost(record)
            elif (taker := takers.get(type(record))) is not None:
                taker(record)
        self.trees.advance(self.now)

    def close(self) -> None:
        """The program is over: end what is open. All that there still was is then to be taken."""
        for number, opened in self._open.items():
            node = self._nodes[number]
            ready: int | None = None
            waker: Waker | None = None
            woken = self._woken.get(number)
            if opened.kind == "yield":
                ready, waker = opened.start, Waker("task", number, opened.start, None)
            elif woken is not None:
                ready = max(woken.ready_ns, opened.start)
                waker = self._waker(woken, ready, node)
            node.task.waiting_ns += (self.now if ready is None else ready) - opened.start
            self._keep(node, opened, ready, None, waker)
        for node in list(self._nodes.values()):
            task = node.task
            task.ready_ns = max(0, self.now - task.created_ns - task.running_ns - task.waiting_ns)
            self.meters.outcomes["pending"] += 1
            self.trees.end(node)
        self._nodes.clear()
        self._open.clear()

    def _end_the_lost(self, segment: Segment) -> None:
        """Where events were dropped, ends of tasks may be among them. A segment that tells what is alive tells of the others
        that they are not; but only when the next one begins has it told all.
        """
        if self._alive is not None and self._told_alive:
            for number in [n for n, node in self._nodes.items() if n not in self._alive and node.task.created_ns < self._asked]:
                node = self._nodes.pop(number)
                self._open.pop(number, None)
                self._woken.pop(number, None)
                task = node.task
                task.ended_ns = max(self._asked, task.created_ns)
                task.ready_ns = max(0, task.ended_ns - task.created_ns - task.running_ns - task.waiting_ns)
                self.meters.outcomes["pending"] += 1
                self.meters.loop(task.loop).tasks -= 1
                self.trees.end(node)
            self._doubt = False
        lost = segment.lost_bytes > 0 or self._doubt
        self._alive, self._told_alive, self._asked = (set() if lost else None), False, segment.ns

    # -- loops and threads ----------------------------------------------------------------------------------------------

    def _loop_started(self, record: r.LoopStarted) -> None:
        name, native = self._threads.get(record.thread, ("", 0))
        loop = Loop(record.loop, self._tables.string(record.type), native, name, record.ns)
        remember(self.loops, record.loop, loop)

    def _loop_alive(self, record: r.LoopAlive) -> None:
        self._told_alive = True
        if record.loop not in self.loops:
            self._loop_started(r.LoopStarted(record.loop, record.started_ns, record.type, record.thread))

    def _loop_closed(self, record: r.LoopClosed) -> None:
        if record.loop in self.loops:
            self.loops[record.loop].closed_ns = record.ns
        self._nested.pop(record.loop, None)

    def _idle(self, record: r.Idle) -> None:
        self.meters.loop(record.loop).idle_ns += record.end_ns - record.start_ns
        self.now = max(self.now, record.end_ns)

    def _thread_seen(self, record: r.ThreadSeen) -> None:
        remember(self._threads, record.thread, (self._tables.string(record.name), record.native_id))

    def _callback_run(self, record: r.CallbackRun) -> None:
        loop, start, end = record.loop, record.start_ns, record.end_ns
        if self._ran(loop, record.ready_ns, start, end):
            if len(self.callbacks) < MOST_ROWS:
                self.callbacks.append(Run(None, self._tables.string(record.name), loop, start, end))
                self.around[loop, start] = StepPlaces(None, None, self._seen(loop, None, start))
            else:
                self.left_out.add("step", end - start)

    def _ran(self, loop: int, ready: int, start: int, end: int, *, eager: bool = False, node: Node | None = None) -> bool:
        """Note a run; whether it blocked. What ran inside it is not its own time."""
        nested = self._nested.get(loop)
        own = end - start
        if nested:
            while nested and nested[-1][0] >= start:
                own -= nested.pop()[1]
        if eager:
            steps = self._nested.setdefault(loop, [])
            steps.append((start, end - start))
            if len(steps) > MOST_NESTED:
                del steps[0]  # it was made outside any run, or the run that it was in is lost
        if node is not None:
            node.task.running_ns += own
        if end > self.now:
            self.now = end
        return self.meters.ran(loop, ready, start, end, own)

    def _blocked(self, record: r.Blocked) -> None:
        stack = self._places.stack(record.stack)
        since = min(record.since_ns, record.ns)
        sample = Sample(record.loop, record.task or None, record.ns, since, stack, record.late_ns)
        known = self._samples.get(record.loop)
        if known is None or (known.task, known.since_ns) != (sample.task, sample.since_ns):
            remember(self._samples, record.loop, sample)
        self.now = max(self.now, record.ns)

    def _seen(self, loop: int, task: int | None, start: int) -> Sample | None:
        """Where a run that has just ended was seen first while it lasted."""
        sample = self._samples.pop(loop, None)
        return sample if sample is not None and sample.task == task and sample.ns >= start else None

    def _dropped(self, record: r.Dropped) -> None:
        self.meters.dropped_events += record.events
        self._doubt = True

    def _ended(self, record: r.Ended) -> None:
        self.ended = True
        self.now = max(self.now, record.ns)

    # -- tasks ----------------------------------------------------------------------------------------------------------

    def _task_created(self, record: r.TaskCreated | r.TaskAlive) -> None:
        number = record.task
        if self._alive is not None:
            self._alive.add(number)
        if number in self._nodes:
            return  # told again where a segment begins
        coroutine = self._tables.string(record.coroutine)
        if coroutine in kinds.HOUSEKEEPING and not record.parent:
            self._housekeeping[number] = coroutine
            return
        creator = self._nodes.get(record.parent)
        parent = record.parent if creator is not None or record.parent in self._recent else None
        task = Task(number, "", coroutine, parent, record.loop, record[1])
        task.created_at = self._places.site(record.site)
        task.eager = bool(record.flags & r.TaskFlag.EAGER)
        if isinstance(record, r.TaskAlive) and record.name:
            task.name = self._tables.string(record.name)
        node = self._nodes[number] = Node(task)
        self.trees.begin(node, creator)
        self.meters.loop(record.loop).tasks += 1
        self.now = max(self.now, task.created_ns)

    def _task_named(self, record: r.TaskNamed) -> None:
        if record.task in self._nodes:
            self._nodes[record.task].task.name = self._tables.string(record.name)

    def _numbered_name(self, record: r.NumberedName) -> None:
        if record.task in self._nodes:
            self._nodes[record.task].task.name = f"Task-{record.number}"

    def _parent_span(self, record: r.ParentSpan) -> None:
        if record.task in self._nodes:
            trace_id = (record.trace_id_high & _MASK64) << 64 | record.trace_id_low & _MASK64
            self._nodes[record.task].task.parent_span = (trace_id, record.span_id & _MASK64, record.trace_flags)

    def _cancel_requested(self, record: r.CancelRequested) -> None:
        node = self._nodes.get(record.task)
        if node is not None:
            node.task.cancelled_by = self._waker(record, record.ns, node)

    def _task_done(self, record: r.TaskDone) -> None:
        node = self._nodes.pop(record.task, None)
        if node is None:
            self._housekeeping.pop(record.task, None)
            return
        self._open.pop(record.task, None)
        self._woken.pop(record.task, None)
        task = node.task
        task.ended_ns = record.ns
        task.outcome = outcome(record.outcome)
        task.exception = self._tables.string(record.exception) or None
        task.ready_ns = record.ns - task.created_ns - task.running_ns - task.waiting_ns
        remember(self._recent, task.id, task)
        self.meters.outcomes[task.outcome] += 1
        self.meters.loop(task.loop).tasks -= 1
        self.now = max(self.now, record.ns)
        self.trees.end(node)

    # -- steps and waits ------------------------------------------------------------------------------------------------

    def _step(self, record: r.Step) -> None:
        node = self._nodes.get(record.task)
        start, end = record.start_ns, record.end_ns
        if node is None:
            self._ran(record.loop, record.ready_ns, start, end)
            return
        opened = self._open.pop(record.task, None)
        self._woken.pop(record.task, None)
        task = node.task
        if opened is not None:
            ready = min(max(record.ready_ns, opened.start), start)
            task.waiting_ns += ready - opened.start
            self.meters.waits += 1
            if start - opened.start < self._wait_ns:
                node.left_out.short_waits += 1
                node.left_out.short_waits_ns += start - opened.start
            else:
                self._keep(node, opened, ready, start, self._waker(record, ready, node, opened))
        eager = task.eager and not task.steps
        blocked = self._ran(record.loop, record.ready_ns, start, end, eager=eager, node=node)
        if task.started_ns is None:
            task.started_ns = start
        task.steps += 1
        after: _OpenWait | None = None
        if record.end == r.StepEnd.YIELDED:
            after = self._open[task.id] = _OpenWait(end)
            after.stack = self._places.stack(record.stack)
        elif record.end == r.StepEnd.WAITING:
            after = self._open[task.id] = self._suspended(record)
        if blocked:
            before, then = (kinds.own_place(wait.stack) if wait is not None else None for wait in (opened, after))
            places = StepPlaces(before, then, self._seen(record.loop, task.id, start))
            node.add_run(Run(task.id, None, record.loop, start, end), places)

    def _yielded_step(self, record: r.YieldedStep) -> None:
        task, loop, start, end, stack = record
        self._step(r.Step(task, loop, start, end, r.StepEnd.YIELDED, 0, stack, 0, r.WakerKind.TASK, task, 0, 0, 0))

    def _suspended(self, record: r.Step) -> _OpenWait:
        opened = _OpenWait(record.end_ns)
        number = record.awaited
        opened.awaited = number or None
        opened.stack = self._places.stack(record.stack)
        if record.stack not in self._kinds:
            self._kinds[record.stack] = kinds.of_stack(opened.stack)
        node = self._nodes.get(number)
        opened.task = node.task if node is not None else self._recent.get(number)
        opened.job = self.things.job_of(number)
        if opened.task is not None:
            opened.type = "Task"
        else:
            opened.type = self.things.type_of(number) or ("Future" if record.made and record.made == number else "")
        by_type = kinds.of_type(opened.type, is_task=opened.task is not None, is_job=opened.job is not None)
        by_stack = self._kinds[record.stack]
        opened.kind, opened.label = by_type if by_stack is None or by_type[0] == "gather" else by_stack
        return opened

    def _keep(self, node: Node, opened: _OpenWait, ready: int | None, end: int | None, waker: Waker | None) -> None:
        """Hold a wait."""
        label = opened.label
        if opened.task is not None:
            name = opened.task.name or f"task {opened.task.id}"
            label = f"{label} {name}" if label else name
            node.others[opened.task.id] = opened.task
        awaited = Awaited(opened.type, opened.awaited, label)
        wait = Wait(node.task.id, opened.start, ready, end, opened.kind, awaited, opened.stack, waker)
        node.add_wait(wait, (self.now if end is None else end) - opened.start)

    def _woken_record(self, record: r.Woken) -> None:
        if record.task in self._nodes:
            self._woken[record.task] = record

    def _waker(
        self, record: r.Step | r.Woken | r.CancelRequested, ns: int, node: Node, opened: _OpenWait | None = None
    ) -> Waker | None:
        kind, who = record.waker, record.waker_id
        if kind == r.WakerKind.NONE or not 0 <= kind < len(r.WakerKind.NAMES):
            return Waker("loop", None, ns, None) if isinstance(record, (r.Step, r.Woken)) else None
        task: int | None = None
        label: str | None = None
        if kind == r.WakerKind.TASK:
            by = self._nodes.get(who)
            row = by.task if by is not None else self._recent.get(who)
            if who in self._housekeeping or not who:
                kind, label = r.WakerKind.LOOP, self._housekeeping.get(who)
            else:
                if opened is not None and who == node.task.id and opened.job is not None and opened.job.thread_name:
                    return Waker("thread", None, ns, None, opened.job.thread_name)  # it was over before it was awaited
                task = who
                instant = record.ns if isinstance(record, r.CancelRequested) else record.ready_ns
                if instant and (opened is None or opened.kind != "yield"):
                    ns = min(ns, instant)  # it was running then, maybe before the wait had begun
                if row is not None:
                    node.others[who] = row
        elif kind in (r.WakerKind.CALLBACK, r.WakerKind.TIMER):
            label = self._tables.string(who) or None
        elif kind == r.WakerKind.THREAD:
            label = self._threads.get(who, (None, 0))[0]
        return Waker(r.WakerKind.NAMES[kind], task, ns, self._places.site(record.waker_site), label)


_MASK64 = 0xFFFF_FFFF_FFFF_FFFF
