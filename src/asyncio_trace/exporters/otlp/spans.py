"""A trace as spans, after the mapping in docs/reference/otlp-attributes.md. Pure: no OpenTelemetry, no clock, no network."""

from __future__ import annotations

import os
import random
from bisect import bisect_left

from asyncio_trace.exporters.otlp import describe
from asyncio_trace.exporters.otlp.fold import Extra, ExtraKind, Folded, Selection, select
from asyncio_trace.exporters.otlp.layout import Layout, Place, last_ns, lay_out
from asyncio_trace.exporters.otlp.span import Attributes, Event, Link, Span
from asyncio_trace.model import Job, Run, Site, Task, Trace, Wait, Waker

WAIT_THRESHOLD_NS = 1_000_000
"""Shorter waits get no span; the task's totals hold them."""
BLOCK_THRESHOLD_NS = 100_000_000
"""Longer runs get a span, for they kept the loop from everything else."""
MAX_SPANS = 2_000
"""Spans in one trace, beyond which Jaeger's UI gets slow and its critical path fails."""


def build_spans(
    trace: Trace,
    *,
    wait_threshold_ns: int = WAIT_THRESHOLD_NS,
    block_threshold_ns: int = BLOCK_THRESHOLD_NS,
    max_spans: int = MAX_SPANS,
    rng: random.Random | None = None,
) -> list[Span]:
    """Map `trace` to spans, the root first and parents before their children.

    Args:
        trace: What to map.
        wait_threshold_ns: Waits of at least so many nanoseconds become spans.
        block_threshold_ns: Runs of more than so many nanoseconds become spans.
        max_spans: Spans in one trace at most; what is beyond is counted on the spans that stay.
        rng: Where ids come from; by default one that the system's seeds, so that ids never repeat.
    """
    rng = rng or random.Random(os.urandom(32))
    return _Builder(trace, wait_threshold_ns, block_threshold_ns, max_spans, rng).build()


class _Builder:
    """One conversion: the trace, the layout, and what has been built so far."""

    def __init__(self, trace: Trace, wait_ns: int, block_ns: int, max_spans: int, rng: random.Random) -> None:
        self.trace = trace
        self.rng = rng
        self.used_ids: set[int] = set()
        self.tasks = {task.id: task for task in trace.tasks}
        self.threads = {loop.id: (loop.thread, loop.thread_name) for loop in trace.program.loops}
        self.end_ns = last_ns(trace)
        self.layout: Layout = self._lay_out(wait_ns, max_spans)
        self.waits: dict[int, list[Wait]] = {}
        for wait in trace.waits:
            self.waits.setdefault(wait.task, []).append(wait)
        self.short: dict[int, tuple[int, int]] = {}
        extras = [*self._waits(wait_ns), *self._steps(block_ns), *self._jobs()]
        self.selection: Selection = select(self.layout, extras, max_spans)
        self.root = self._span(
            describe.program_name(trace.program), self.layout.trace_id, None, self.layout.start, self.layout.end
        )
        self.of_task: dict[int, Span] = {}
        self.stacks: dict[int, tuple[tuple[Site, ...], Attributes]] = {}
        """Attributes of await stacks by the stack's identity: a trace has few, and each wait refers to one."""

    def build(self) -> list[Span]:
        self.root.name = f"asyncio: {self.root.name}"
        self.root.attributes = describe.root_attributes(self.trace)
        traces = sum(place.top for place in self.layout.places.values())
        if traces:
            self.root.attributes["asyncio.program.traces"] = traces
        spans = [self.root]
        for place in self.layout.places.values():
            if place.task.id in self.selection.tasks:
                spans += self._task(place)
        spans += [self._extra(extra) for extra in self.selection.extras]
        self._futures()
        self._account()
        for span in spans:
            span.limit()
        return spans

    def _lay_out(self, wait_ns: int, max_spans: int) -> Layout:
        """One trace if all fits into it, or if it would be one anyway; else one for each top-level task."""
        trace_id = self._trace_id()
        spans = len(self.tasks) + sum((wait.end_ns or self.end_ns) - wait.start_ns >= wait_ns for wait in self.trace.waits)
        if spans > max_spans:
            layout = lay_out(self.trace, trace_id, self._trace_id)
            if sum(place.top for place in layout.places.values()) > 1:
                return layout
        return lay_out(self.trace, trace_id)

    def _trace_id(self) -> int:
        return self.rng.getrandbits(128) or 1

    def _span(self, name: str, trace_id: int, parent_id: int | None, start: int, end: int) -> Span:
        span_id = 0
        while not span_id or span_id in self.used_ids:
            span_id = self.rng.getrandbits(64)
        self.used_ids.add(span_id)
        return Span(name, trace_id, span_id, parent_id, start, end)

    # Candidates

    def _waits(self, threshold_ns: int) -> list[Extra]:
        out = []
        for wait in self.trace.waits:
            place = self.layout.places.get(wait.task)
            if place is None:
                continue
            end_ns = self.end_ns if wait.end_ns is None else wait.end_ns
            duration = end_ns - wait.start_ns
            if duration >= threshold_ns:
                out.append(self._within(place, "wait", wait, wait.start_ns, end_ns))
            else:
                count, total = self.short.get(wait.task, (0, 0))
                self.short[wait.task] = count + 1, total + duration
        return out

    def _steps(self, threshold_ns: int) -> list[Extra]:
        long = (run for run in self.trace.runs if run.end_ns - run.start_ns > threshold_ns)
        return [self._within(self._place_of(run.task), "step", run, run.start_ns, run.end_ns) for run in long]

    def _jobs(self) -> list[Extra]:
        out = []
        for job in self.trace.jobs:
            start_ns = job.submitted_ns if job.started_ns is None else job.started_ns
            end_ns = self.end_ns if job.ended_ns is None else job.ended_ns
            place = self._place_of(job.task)
            # A thread can't be cancelled, so a job may outlive its task. The root has room for it; but where the task is in a
            # trace of the program's own, that has no root of ours, and `_within` clips.
            if place is not None and place.trace_id == self.layout.trace_id and self.layout.clock.at(end_ns) > place.end:
                place = None
            out.append(self._within(place, "job", job, start_ns, end_ns))
        return out

    def _place_of(self, task: int | None) -> Place | None:
        return self.layout.places.get(task) if task is not None else None

    def _within(self, place: Place | None, kind: ExtraKind, row: Wait | Run | Job, start_ns: int, end_ns: int) -> Extra:
        low, high = (place.start, place.end) if place else (self.layout.start, self.layout.end)
        start = min(max(low, self.layout.clock.at(start_ns)), high)
        end = min(max(start, self.layout.clock.at(end_ns)), high)
        trace_id = place.trace_id if place else self.layout.trace_id
        return Extra(kind, row, place.task.id if place else None, trace_id, start, end, max(0, end_ns - start_ns))

    # Spans

    def _task(self, place: Place) -> list[Span]:
        task = place.task
        parent = None if place.top else self.root if place.parent is None else self.of_task[place.parent]
        out: list[Span] = []
        if place.detached and parent is not None:
            start = min(place.start, parent.end_unix_ns)
            producer = self._span(
                f"create_task {task.coroutine}", place.trace_id, parent.span_id, start, min(start + 1000, parent.end_unix_ns)
            )
            producer.kind = "producer"
            producer.attributes = {"asyncio.task.id": task.id, **describe.code(task.created_at)}
            out.append(producer)
            parent = producer
        parent_id = place.remote[1] if place.remote else parent.span_id if parent is not None else None
        span = self._span(task.coroutine or task.name, place.trace_id, parent_id, place.start, place.end)
        span.kind = "consumer" if place.detached else "internal"
        span.parent_is_remote = place.remote is not None
        span.attributes = describe.task_attributes(task, self.threads.get(task.loop))
        if place.top:
            span.attributes["asyncio.program.trace_id"] = f"{self.layout.trace_id:032x}"
        if task.id in self.short:
            span.attributes["asyncio.waits.short"], span.attributes["asyncio.waits.short_ns"] = self.short[task.id]
        self._outcome(span, task)
        self.of_task[task.id] = span
        return [*out, span]

    def _outcome(self, span: Span, task: Task) -> None:
        if task.outcome == "raised":
            span.error = task.exception or "exception"
            attributes: Attributes = {"exception.type": task.exception} if task.exception else {}
            span.events.append(Event("exception", span.end_unix_ns, attributes, vital=True))
        if task.cancelled_by is not None:
            attributes = describe.canceller_attributes(task.cancelled_by, self.tasks)
            span.events.append(Event("cancel requested", self._instant(span, task.cancelled_by.ns), attributes, vital=True))

    def _extra(self, extra: Extra) -> Span:
        parent = self.root if extra.owner is None else self.of_task[extra.owner]
        span = self._span("", extra.trace_id, parent.span_id, extra.start, extra.end)
        match extra.row:
            case Wait():
                self._fill_wait(span, extra.row)
            case Run():
                self._fill_step(span, extra.row)
            case Job():
                self._fill_job(span, extra.row, extra)
        return span

    def _fill_wait(self, span: Span, wait: Wait) -> None:
        span.name = describe.wait_name(wait, self.tasks)
        span.attributes = describe.wait_attributes(wait, self.end_ns if wait.end_ns is None else wait.end_ns)
        span.attributes |= self._stack(wait.stack)
        if wait.waker is not None:
            woken = describe.waker_attributes(wait.waker, self.tasks)
            span.attributes |= woken
            span.events.append(Event("woken", self._instant(span, wait.waker.ns), {**woken, **describe.code(wait.waker.at)}))
            self._link(span, wait.waker.task, "woken by")
        if wait.ready_ns is not None:
            span.events.append(Event("ready", self._instant(span, wait.ready_ns)))

    def _stack(self, stack: tuple[Site, ...]) -> Attributes:
        known = self.stacks.get(id(stack))
        if known is None or known[0] is not stack:
            known = self.stacks[id(stack)] = (stack, describe.stack_attributes(stack))
        return known[1]

    def _fill_step(self, span: Span, run: Run) -> None:
        span.name = "blocking step"
        span.attributes = {"asyncio.step.ns": run.end_ns - run.start_ns, "asyncio.loop.id": run.loop}
        if run.callback:
            span.attributes["asyncio.callback"] = run.callback
        # What blocked lies between the await that the task came back from and the one that it went into next.
        waits = self.waits.get(run.task, []) if run.task is not None else []
        index = bisect_left(waits, run.start_ns, key=lambda wait: wait.start_ns)
        before = describe.innermost(waits[index - 1].stack) if index > 0 else None
        after = describe.innermost(waits[index].stack) if index < len(waits) else None
        if before:
            span.attributes["asyncio.step.after"] = describe.place_text(before)
        if after:
            span.attributes["asyncio.step.before"] = describe.place_text(after)

    def _fill_job(self, span: Span, job: Job, extra: Extra) -> None:
        span.name = f"job {job.function}"
        span.attributes = describe.job_attributes(job)
        if job.task is not None and extra.owner is None:
            span.attributes["asyncio.job.outlived_task"] = True
            self._link(span, job.task, "handed over by")
        elif (clipped := self.layout.clock.at(job.ended_ns or self.end_ns) - extra.end) > 0:
            span.attributes["asyncio.job.clipped_ns"] = clipped

    def _link(self, span: Span, task: int | None, relation: str) -> None:
        target = self.of_task.get(task) if task is not None else None
        # Jaeger would turn a link to the parent into the parent reference itself, of another type.
        if target is not None and target.span_id != span.parent_id:
            span.links.append(Link(target.trace_id, target.span_id, {"asyncio.link": relation}))

    def _instant(self, span: Span, ns: int) -> int:
        return min(max(span.start_unix_ns, self.layout.clock.at(ns)), span.end_unix_ns)

    # Events and accounts on spans that exist

    def _futures(self) -> None:
        # Those inside a `sleep` or a `gather` are asyncio's own, though the site may be the program's line that called it.
        inner = {wait.awaited.id for wait in self.trace.waits if wait.kind not in ("future", "other")}
        for future in self.trace.futures:
            if future.created_at is None or describe.is_asyncio(future.created_at) or future.id in inner:
                continue
            facts: Attributes = {"asyncio.future.id": future.id, "asyncio.future.type": future.type}
            self._event("future created", future.created_by, future.created_ns, {**facts, **describe.code(future.created_at)})
            if future.resolved_ns is not None:
                by = future.resolved_by or Waker("callback", None, future.resolved_ns, None)
                facts |= {"asyncio.future.outcome": future.outcome, **describe.waker_attributes(by, self.tasks)}
                self._event("future resolved", by.task, future.resolved_ns, {**facts, **describe.code(by.at)})

    def _event(self, name: str, task: int | None, ns: int, attributes: Attributes) -> None:
        span = self.of_task.get(task) if task is not None else None
        if span is not None:
            span.events.append(Event(name, self._instant(span, ns), attributes))
        elif task is None or task not in self.tasks:
            self.root.events.append(Event(name, self._instant(self.root, ns), attributes))
        else:
            self._span_of(self.selection.home[task]).omitted_events += 1

    def _span_of(self, task: int | None) -> Span:
        return self.root if task is None else self.of_task[task]

    def _account(self) -> None:
        total = Folded()
        for owner, folded in self.selection.folded.items():
            self._span_of(owner).attributes |= folded.attributes()
            total.add(folded)
        for key, value in total.attributes().items():
            # The root's own account is part of the total, so the names differ.
            self.root.attributes[key.replace("asyncio.", "asyncio.program.", 1)] = value
        if total.tasks or total.extras:
            parts = [f"{total.tasks.total()} tasks"] if total.tasks else []
            names = {"wait": "waits", "step": "blocking steps", "job": "jobs"}
            parts += [f"{total.extras[kind]} {name}" for kind, name in names.items() if total.extras[kind]]
            self.root.attributes["asyncio.program.folded"] = (
                f"{', '.join(parts)} were counted, not drawn, to keep the trace readable"
            )
