"""Tasks: found at their first `call_soon` (or eager step), followed step by step, told apart by address while they live."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from asyncio_trace.events.records import (
    HEADERS,
    PACK,
    CancelIgnored,
    CancelRequested,
    Outcome,
    ParentSpan,
    Step,
    StepEnd,
    TaskCreated,
    TaskDone,
    TaskFlag,
    TaskNamed,
    WakerKind,
    YieldedStep,
)
from asyncio_trace.tracer.await_stack import NONE, AwaitStacks
from asyncio_trace.tracer.causes import callback_name, current_cause, running_loop, time_limit
from asyncio_trace.tracer.crowds import CODES, GATHERING, Crowds, leaves
from asyncio_trace.tracer.futures import Futures
from asyncio_trace.tracer.loop_state import ATTRIBUTE, Cause, EagerStep, LoopState, TaskReference, TaskState
from asyncio_trace.tracer.recorder import Recorder
from asyncio_trace.tracer.trip_wire import stretch, take_out

UNKNOWN: Cause = (0, 0, 0, 0)
YIELDED: Cause = (0, WakerKind.TASK, 0, 0)
"""Stands for "its own bare yield, when its last step ended": one object, told by identity."""


class Tasks:
    """All tasks that are alive, by address."""

    def __init__(self, recorder: Recorder, futures: Futures, stacks: AwaitStacks) -> None:
        self._recorder = recorder
        self._futures = futures
        self._stacks = stacks
        self.by_address = self._new_table()
        self._gone: dict[int, int] = {}
        """Ids of tasks that died since the last one was made, by address: a collection clears references before it lets tasks
        complain of exceptions that nobody retrieved."""
        futures.tasks = self.by_address
        self._watching = False
        self.finish_step = self._build_finish_step()
        """Call after a step: (loop, state, task, cause, start, end), times as the clock gives them."""

    def created(self, loop: LoopState, task: Any, frame: FrameType | None, *, eager: bool = False) -> TaskState:
        """Take in a task in the moment of its creation, by the code at `frame`."""
        cause = current_cause(loop, frame)
        state = self._add(task)
        _, kind, who, site = cause
        now = self._recorder.now()
        state.wake = (now, kind, who, site)
        parent = loop.current.id if loop.current is not None and kind == WakerKind.TASK else 0
        self._record_created(loop, task, state, now, parent, site, TaskFlag.EAGER if eager else 0)
        if not eager:
            loop.fresh.append(task)
        return state

    def found(self, loop: LoopState, task: Any) -> TaskState:
        """Take in a task that was there before the tracer looked."""
        state = self._add(task)
        now = self._recorder.now()
        state.wake = (now, 0, 0, 0)
        state.cancels = task.cancelling()
        self._record_created(loop, task, state, now, 0, 0, TaskFlag.FOUND)
        self.note_name(task, state)
        return state

    def woken(self, loop: LoopState, task: Any, state: TaskState, future: Any, frame: FrameType | None) -> None:
        """A future that `task` awaits is resolved and its wake-up is being queued."""
        if loop.resolved == id(future) and loop.resolved_cause is not None:
            cause = loop.resolved_cause
        else:
            cause = current_cause(loop, frame)
        if cause[2] == state.id and cause[1] == WakerKind.TASK and loop.current is None:
            # a callback that the task itself queued: what it waited for is there only now
            name = self._recorder.string(callback_name(loop.callback))
            cause = (self._recorder.now(), WakerKind.CALLBACK, name, cause[3])
        state.wake = cause
        loop.fresh.append(task)
        if state.made:
            self._futures.made_resolved(state.made, future, cause)
            state.made = 0
        if task.cancelling() > state.cancels:
            self.cancel_requested(task, state, self.inherited_cancel(future) or time_limit(loop, frame) or cause)

    def cancel_requested(self, task: Any, state: TaskState, cause: Cause) -> None:
        """Record that somebody asked `task` to cancel."""
        state.cancels = task.cancelling()
        state.cancel_cause = cause
        self._recorder.add(CancelRequested, state.id, *cause)

    def check_fresh(self, loop: LoopState, end: int) -> None:
        """At the end of a run: a task that it made or woke, and then cancelled, shows no other sign of that."""
        state = loop.current
        for task in loop.fresh:
            made = self.by_address.get(id(task))
            if made is not None and task.cancelling() > made.cancels:
                cause = (end, WakerKind.TASK, state.id, 0) if state is not None else loop.cause or UNKNOWN
                self.cancel_requested(task, made, cause)
        loop.fresh.clear()

    def id_of(self, task: Any) -> int:
        """Id of a task that may be about to die; 0 if it is not known."""
        state = self.by_address.get(id(task))
        if state is None:
            return self._gone.get(id(task), 0)
        known = state.reference is None or state.reference() is task  # without one it is forgotten when its memory is let go
        return state.id if known else 0

    def note_name(self, task: Any, state: TaskState) -> None:
        """Record the task's name if it is new."""
        try:
            name = task.get_name()
        except Exception:  # a subclass has one of its own
            return
        if name != state.name and type(name) is str:
            state.name = name
            self._recorder.add(TaskNamed, state.id, self._recorder.name(name))

    def watch_cancels(self) -> None:
        """Have tasks tell who cancels them while they do not wait: from now on."""
        self._watching = True

    def watch_cancels_of(self, task: Any, state: TaskState) -> None:
        """Have a task that does not wait tell who cancels it."""
        if self._watching and not state.wire:
            stretch(task, state, self._tripped)

    def release(self) -> None:
        """Leave every task as if we had never been there."""
        for state in list(self.by_address.values()):
            task = state.reference() if state.reference is not None else None
            if task is not None:
                take_out(task)

    def _tripped(self, state: TaskState, frame: FrameType) -> None:
        """The code at `frame` has called `cancel` of a task that does not wait, or the task is gone."""
        state.wire = False
        try:
            task = state.reference() if state.reference is not None else None
            if task is None or not self._recorder.active or task.done() or task.cancelling() <= state.cancels:
                return
            loop = getattr(task.get_loop(), ATTRIBUTE, None)
            if type(loop) is LoopState:
                self.cancel_requested(task, state, current_cause(loop, frame))
        except Exception as error:
            self._recorder.failed(error)

    # -- eager first steps ----------------------------------------------------------------------------------------------

    def eager_begins(self, loop: LoopState, task: Any, frame: FrameType | None) -> None:
        """The constructor of `task` is about to run its first step inside the step that is running."""
        state = self.created(loop, task, frame, eager=True)
        cause = state.wake or UNKNOWN
        state.wake = None
        loop.eager.append(EagerStep(task, state, self._recorder.clock(), cause, loop))
        loop.current, loop.cause, loop.callback = state, None, None

    def eager_ends(self, loop: LoopState) -> None:
        """The innermost eager first step is over."""
        step = loop.eager.pop()
        end = self._recorder.clock()
        loop.current, loop.cause, loop.callback = step.interrupted, step.interrupted_cause, step.interrupted_callback
        self.finish_step(loop, step.state, step.task, step.cause, step.start, end)

    # -- inside ---------------------------------------------------------------------------------------------------------

    def _new_table(self) -> dict[int, TaskState]:
        return {}

    def _add(self, task: Any) -> TaskState:
        self._gone.clear()
        state = TaskState(self._recorder.next_id())
        state.reference = TaskReference(task, self._forget)
        self.by_address[id(task)] = state
        if running_loop() is not None:  # else its first step is early enough: until then it may be looked at from outside
            self.watch_cancels_of(task, state)
        return state

    def _forget(self, reference: TaskReference) -> None:
        state = self.by_address.pop(reference.address, None)
        if state is not None:
            self._gone[reference.address] = state.id

    def _record_created(
        self, loop: LoopState, task: Any, state: TaskState, now: int, parent: int, site: int, flags: int
    ) -> None:
        recorder = self._recorder
        coro = task.get_coro()
        name = recorder.string(callback_name(coro))
        recorder.add(TaskCreated, state.id, now, loop.id, parent, name, site, flags)
        trace_module = sys.modules.get("opentelemetry.trace")
        if trace_module is not None:
            self.record_parent_span(state, trace_module)

    def record_parent_span(self, state: TaskState, trace_module: Any) -> None:
        """Record the OpenTelemetry span that is active where a task is created."""
        try:
            context = trace_module.get_current_span().get_span_context()
            trace_id, span_id, flags = context.trace_id, context.span_id, int(context.trace_flags)
        except Exception:
            return
        if trace_id and span_id:
            self._recorder.add(ParentSpan, state.id, _signed(trace_id >> 64), _signed(trace_id), _signed(span_id), flags)

    def inherited_cancel(self, future: Any) -> Cause | None:
        """A cancellation that came down to the awaited task or to gathered children has its cause recorded there."""
        state = self.by_address.get(id(future))
        if state is not None:
            return state.cancel_cause
        for child in leaves(future._children) if type(future) is GATHERING else ():
            state = self.by_address.get(id(child))
            if state is not None and state.cancel_cause is not None:
                return state.cancel_cause
        return None

    def _build_finish_step(self) -> Callable[[LoopState, TaskState, Any, Cause, int, int], None]:
        recorder = self._recorder
        futures, by_address = self._futures, self.by_address
        future_id = futures.by_address.get
        task_state = by_address.get
        read_stack, resource = self._stacks.read, self._stacks.resource
        record_crowd = Crowds(recorder, by_address, futures.by_address).record
        extend, next_id = recorder.buffer.extend, recorder.next_id
        origin = recorder.origin
        header, waiting, yielded = HEADERS[Step], StepEnd.WAITING, StepEnd.YIELDED
        yielded_header, task_kind = HEADERS[YieldedStep], WakerKind.TASK
        pack_step, pack_yielded = PACK[Step], PACK[YieldedStep]

        def finish_step(loop: LoopState, state: TaskState, task: Any, cause: Cause, start: int, end: int) -> None:
            end -= origin
            future = task._fut_waiter
            if future is not None:
                coro = task.get_coro()
                stack, depth, inner = read_stack(coro)
                address = id(future)
                if address == loop.made:
                    loop.made = 0
                    state.made = awaited = made = next_id()
                    made_ns = loop.made_ns
                else:
                    made = made_ns = 0
                    awaited = future_id(address, 0)
                    if not awaited:
                        other = task_state(address)
                        awaited = other.id if other is not None else futures.found(loop, future)
                if depth != NONE:
                    awaited = resource(coro, depth, inner) or awaited
                ready, kind, who, site = cause if cause is not YIELDED else (0, task_kind, state.id, 0)
                extend(
                    pack_step(
                        header,
                        state.id,
                        loop.id,
                        start - origin,
                        end,
                        waiting,
                        awaited,
                        stack,
                        ready,
                        kind,
                        who,
                        site,
                        made,
                        made_ns,
                    )
                )
                if type(future) is GATHERING or getattr(inner, "cr_code", None) in CODES:
                    record_crowd(state, future, inner)
            elif task.done():
                self._finish_task(loop, state, task, cause, start - origin, end)
            else:
                stack = read_stack(task.get_coro(), True)[0]
                if cause is YIELDED:
                    extend(pack_yielded(yielded_header, state.id, loop.id, start - origin, end, stack))
                else:
                    ready, kind, who, site = cause
                    extend(
                        pack_step(
                            header, state.id, loop.id, start - origin, end, yielded, 0, stack, ready, kind, who, site, 0, 0
                        )
                    )
                if state.wake is None:
                    state.wake = YIELDED
            if not state.steps:
                state.steps = 1
                self.note_name(task, state)
            if not state.wire and not task.done():
                stretch(task, state, self._tripped)

        return finish_step

    def _finish_task(self, loop: LoopState, state: TaskState, task: Any, cause: Cause, start: int, end: int) -> None:
        recorder = self._recorder
        if cause is YIELDED:
            cause = (0, WakerKind.TASK, state.id, 0)
        self.note_name(task, state)
        take_out(task)
        outcome, exception = Outcome.RETURNED, 0
        if task.cancelled():
            outcome = Outcome.CANCELLED
        elif (error := task._exception) is not None:  # task.exception() would mark it as retrieved
            kind = type(error)
            outcome = Outcome.RAISED
            prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
            exception = recorder.string(prefix + kind.__qualname__)
        recorder.add(Step, state.id, loop.id, start, end, StepEnd.DONE, 0, 0, *cause, 0, 0)
        recorder.add(TaskDone, state.id, end, outcome, exception)
        if state.cancels and outcome != Outcome.CANCELLED and task.cancelling():
            recorder.add(CancelIgnored, state.id, end)


def _signed(number: int) -> int:
    number &= 0xFFFF_FFFF_FFFF_FFFF
    return number - (1 << 64) if number >> 63 else number
