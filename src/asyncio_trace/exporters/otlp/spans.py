"""A trace as spans, after the mapping in docs/reference/otlp-attributes.md. Pure: no OpenTelemetry, no clock, no network."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field

from asyncio_trace.exporters.otlp import describe
from asyncio_trace.exporters.otlp.describe import Totals
from asyncio_trace.exporters.otlp.fold import Extra, ExtraKind, Folded, Selection, select
from asyncio_trace.exporters.otlp.layout import Layout, Place, lay_out
from asyncio_trace.exporters.otlp.rows import Rows, rows_of, totals_of
from asyncio_trace.exporters.otlp.span import Attributes, Event, Link, Span
from asyncio_trace.model import Job, Run, Site, Task, Trace, Wait, Waker

WAIT_THRESHOLD_NS = 1_000_000
"""Shorter waits get no span; the task's totals hold them."""
MAX_SPANS = 2_000
"""Spans in one trace, beyond which Jaeger's UI gets slow and its critical path fails."""


def build_spans(
    trace: Trace,
    *,
    wait_threshold_ns: int = WAIT_THRESHOLD_NS,
    block_threshold_ns: int | None = None,
    max_spans: int = MAX_SPANS,
    rng: random.Random | None = None,
) -> list[Span]:
    """Map `trace` to spans, the root first and parents before their children.

    Args:
        trace: What to map.
        wait_threshold_ns: Waits of at least so many nanoseconds become spans.
        block_threshold_ns: Runs of more than so many nanoseconds become spans; by default what the tracer took for blocking.
        max_spans: Spans in one trace at most; what is beyond is counted on the spans that stay.
        rng: Where ids come from; by default one that the system's seeds, so that ids never repeat.
    """
    block_ns = trace.program.block_threshold_ns if block_threshold_ns is None else block_threshold_ns
    rows = rows_of(trace, wait_threshold_ns, block_ns)
    builder = _Builder(rows, max_spans, rng or new_rng(), None)
    return builder.build(totals_of(trace, rows.tasks))


def new_rng() -> random.Random:
    """A source of ids that never repeats another's."""
    return random.Random(os.urandom(32))


@dataclass(slots=True)
class Whole:
    """What is known of a program that is told part by part, with what one task set off never in two parts."""

    trace_id: int
    """The program's trace. Each top-level task is a trace of its own."""
    folded: Folded = field(default_factory=Folded)
    """All that has been left out so far."""
    traces: int = 0
    """Top-level tasks so far."""


def build_part(
    rows: Rows, whole: Whole, rng: random.Random, max_spans: int = MAX_SPANS, totals: Totals | None = None
) -> list[Span]:
    """Map a part of a program to spans; the last, which comes with totals, has the program's own span, first."""
    return _Builder(rows, max_spans, rng, whole).build(totals)


class _Builder:
    """One conversion: the rows, the layout, and what has been built so far."""

    def __init__(self, rows: Rows, max_spans: int, rng: random.Random, whole: Whole | None) -> None:
        self.rows = rows
        self.rng = rng
        self.whole = whole
        self.used_ids: set[int] = set()
        self.tasks = {**rows.others, **{task.id: task for task in rows.tasks}}
        self.threads = {loop.id: (loop.thread, loop.thread_name) for loop in rows.program.loops}
        self.end_ns = rows.end_ns
        self.layout: Layout = self._lay_out(max_spans)
        extras = [*self._waits(), *self._steps(), *self._jobs()]
        self.selection: Selection = select(self.layout, extras, max_spans)
        name = f"asyncio: {describe.program_name(rows.program)}"
        self.root = self._span(name, self.layout.trace_id, None, self.layout.start, self.layout.end)
        self.of_task: dict[int, Span] = {}
        self.stacks: dict[int, tuple[tuple[Site, ...], Attributes]] = {}
        """Attributes of await stacks by the stack's identity: a trace has few, and each wait refers to one."""

    def build(self, totals: Totals | None) -> list[Span]:
        spans = []
        traces = sum(place.top for place in self.layout.places.values())
        if self.whole is not None:
            traces = self.whole.traces = self.whole.traces + traces
        if totals is not None:
            spans = [self.root]
            self.root.attributes = describe.root_attributes(self.rows.program, totals)
            if traces:
                self.root.attributes["asyncio.program.traces"] = traces
        for place in self.layout.places.values():
            if place.task.id in self.selection.tasks:
                spans += self._task(place)
        spans += [self._extra(extra) for extra in self.selection.extras]
        self._futures()
        self._account()
        for span in spans:
            span.limit()
        return spans

    def _lay_out(self, max_spans: int) -> Layout:
        """One trace if all fits into it, or if it would be one anyway; else one for each top-level task."""
        if self.whole is not None:
            return lay_out(self.rows, self.whole.trace_id, self._trace_id)
        trace_id = self._trace_id()
        if len(self.rows.tasks) + len(self.rows.waits) > max_spans:
            layout = lay_out(self.rows, trace_id, self._trace_id)
            if sum(place.top for place in layout.places.values()) > 1:
                return layout
        return lay_out(self.rows, trace_id)

    def _trace_id(self) -> int:
        return self.rng.getrandbits(128) or 1

    def _span(self, name: str, trace_id: int, parent_id: int | None, start: int, end: int) -> Span:
        span_id = 0
        while not span_id or span_id in self.used_ids:
            span_id = self.rng.getrandbits(64)
        self.used_ids.add(span_id)
        return Span(name, trace_id, span_id, parent_id, start, end)

    # Candidates

    def _waits(self) -> list[Extra]:
        out = []
        for wait in self.rows.waits:
            place = self.layout.places.get(wait.task)
            if place is not None:
                out.append(
                    self._within(place, "wait", wait, wait.start_ns, self.end_ns if wait.end_ns is None else wait.end_ns)
                )
        return out

    def _steps(self) -> list[Extra]:
        return [self._within(self._place_of(run.task), "step", run, run.start_ns, run.end_ns) for run in self.rows.runs]

    def _jobs(self) -> list[Extra]:
        out = []
        for job in self.rows.jobs:
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
        left = self.rows.left_out.get(task.id)
        if left is not None and left.short_waits:
            span.attributes["asyncio.waits.short"], span.attributes["asyncio.waits.short_ns"] = (
                left.short_waits,
                left.short_waits_ns,
            )
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
        places = self.rows.around.get((run.loop, run.start_ns))
        if places is not None:
            if places.sample is not None:
                span.attributes |= describe.sample_attributes(places.sample)
                span.events.append(Event("seen", self._instant(span, places.sample.ns)))
            # What blocked lies between the await that the task came back from and the one that it went into next.
            if places.before:
                span.attributes["asyncio.step.after"] = describe.place_text(places.before)
            if places.after:
                span.attributes["asyncio.step.before"] = describe.place_text(places.after)

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
        for future in self.rows.futures:
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
        total = self.whole.folded if self.whole is not None else Folded()
        for task, left in self.rows.left_out.items():
            if left.counts or left.tasks:
                account = Folded(Counter(left.tasks), left.tasks_ns, Counter(left.counts), Counter(left.ns))
                self.selection.folded.setdefault(self.selection.home.get(task, task), Folded()).add(account)
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
