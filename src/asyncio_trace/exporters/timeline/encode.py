"""From the rows of a trace to the objects of the JSON timeline. Places in code recur, so each is converted once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from asyncio_trace import model
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.exporters.timeline import document


class Encoder:
    """Converts rows; use one for each document."""

    def __init__(self, cancelled_through: Mapping[int, tuple[int, ...]] | None = None) -> None:
        self._cancelled_through = cancelled_through or {}
        self._sites: dict[model.Site, document.Site] = {}
        self._stacks: dict[tuple[model.Site, ...], list[document.Site]] = {}

    def site(self, site: model.Site | None) -> document.Site | None:
        """A place in code, or null."""
        return None if site is None else self._site(site)

    def _site(self, site: model.Site) -> document.Site:
        known = self._sites.get(site)
        if known is None:
            known = self._sites[site] = {"function": site.function, "file": site.file, "line": site.line}
        return known

    def _stack(self, stack: tuple[model.Site, ...]) -> list[document.Site]:
        known = self._stacks.get(stack)
        if known is None:
            known = self._stacks[stack] = [self._site(site) for site in stack]
        return known

    def waker(self, waker: model.Waker | None) -> document.Waker | None:
        """A waker, or null."""
        if waker is None:
            return None
        return {
            "kind": cast(document.WakerKind, waker.kind),
            "task": waker.task,
            "ns": waker.ns,
            "at": self.site(waker.at),
            "label": waker.label,
        }

    def program(self, program: model.Program) -> document.Program:
        """The program and its loops."""
        return {
            "argv": list(program.argv),
            "python": program.python,
            "platform": program.platform,
            "pid": program.pid,
            "loops": [
                {
                    "id": loop.id,
                    "type": loop.type,
                    "thread": loop.thread,
                    "thread_name": loop.thread_name,
                    "created_ns": loop.created_ns,
                    "closed_ns": loop.closed_ns,
                }
                for loop in program.loops
            ],
            "started_unix_ns": program.started_unix_ns,
            "duration_ns": program.duration_ns,
            "core": program.core,
            "recorded_from_ns": program.recorded_from_ns,
        }

    def task(self, task: model.Task) -> document.Task:
        """A row of `tasks`."""
        span: document.ParentSpan | None = None
        if task.parent_span is not None:
            trace_id, span_id, flags = task.parent_span
            span = {"trace_id": f"{trace_id:032x}", "span_id": f"{span_id:016x}", "trace_flags": flags}
        return {
            "id": task.id,
            "name": task.name,
            "coroutine": task.coroutine,
            "parent": task.parent,
            "loop": task.loop,
            "created_ns": task.created_ns,
            "started_ns": task.started_ns,
            "ended_ns": task.ended_ns,
            "outcome": cast(document.Outcome, task.outcome),
            "exception": task.exception,
            "created_at": self.site(task.created_at),
            "running_ns": task.running_ns,
            "ready_ns": task.ready_ns,
            "waiting_ns": task.waiting_ns,
            "steps": task.steps,
            "cancelled_by": self.waker(task.cancelled_by),
            "cancelled_through": list(self._cancelled_through.get(task.id, ())),
            "eager": task.eager,
            "parent_span": span,
        }

    def run(self, run: model.Run) -> document.TaskRun | document.CallbackRun:
        """A row of `runs`."""
        if run.task is not None:
            return {"task": run.task, "loop": run.loop, "start_ns": run.start_ns, "end_ns": run.end_ns}
        return {"callback": run.callback or "", "loop": run.loop, "start_ns": run.start_ns, "end_ns": run.end_ns}

    def wait(self, wait: model.Wait) -> document.Wait:
        """A row of `waits`."""
        awaited = wait.awaited
        return {
            "task": wait.task,
            "start_ns": wait.start_ns,
            "ready_ns": wait.ready_ns,
            "end_ns": wait.end_ns,
            "kind": cast(document.WaitKind, wait.kind),
            "awaited": {"type": awaited.type, "id": awaited.id, "label": awaited.label},
            "stack": self._stack(wait.stack),
            "waker": self.waker(wait.waker),
        }

    def future(self, future: model.Future) -> document.Future:
        """A row of `futures`."""
        return {
            "id": future.id,
            "type": future.type,
            "loop": future.loop,
            "created_ns": future.created_ns,
            "created_by": future.created_by,
            "created_at": self.site(future.created_at),
            "resolved_ns": future.resolved_ns,
            "resolved_by": self.waker(future.resolved_by),
            "outcome": cast(document.Outcome, future.outcome),
        }

    def job(self, job: model.Job) -> document.Job:
        """A row of `jobs`."""
        return {
            "id": job.id,
            "loop": job.loop,
            "task": job.task,
            "future": job.future,
            "function": job.function,
            "at": self.site(job.at),
            "submitted_ns": job.submitted_ns,
            "started_ns": job.started_ns,
            "ended_ns": job.ended_ns,
            "thread": job.thread,
            "thread_name": job.thread_name,
            "outcome": cast(document.Outcome, job.outcome),
        }

    def idle(self, idle: model.Idle) -> document.Idle:
        """A row of `idle`."""
        return {"loop": idle.loop, "start_ns": idle.start_ns, "end_ns": idle.end_ns}

    def finding(self, finding: Finding) -> document.Finding:
        """A row of `findings`."""
        severity = finding.severity if finding.severity in ("error", "warning", "info") else "warning"
        return {
            "rule": finding.rule,
            "severity": cast(document.Severity, severity),
            "task": finding.task,
            "start_ns": finding.start_ns,
            "end_ns": finding.end_ns,
            "at": self.site(finding.at),
            "message": finding.message,
            "advice": finding.advice,
        }
