"""Names and attributes: how rows of a trace read in OpenTelemetry's vocabulary.

Stable semantic conventions (`code.*`, `error.type`, `thread.*`) where they exist, `asyncio.*` for the rest. No name is also the
beginning of another (`asyncio.tasks` beside `asyncio.tasks.folded`): stores that nest attributes at their dots reject that.
docs/reference/otlp-attributes.md lists them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from asyncio_trace.exporters.otlp.span import Attributes
from asyncio_trace.model import Job, Program, Site, Task, Wait, Waker
from asyncio_trace.model.kinds import own_place
from asyncio_trace.model.witnesses import Sample

STACK_FRAMES = 64
"""Frames written into one `code.stacktrace`; of a deeper stack the outermost and innermost halves are kept."""


def program_name(program: Program) -> str:
    """What a person calls the program: a scenario's or script's name, or the module that `-m` ran."""
    match program.argv:
        case ["-m", module, *_]:
            return module.removeprefix("asyncio_trace.scenarios.")
        case ["-c", *_]:
            return "python -c"
        case [script, *_]:
            path = PurePath(script)
            return (path.parent.name if path.name == "__main__.py" else path.name) or "python"
    return "python"


def place_text(site: Site) -> str:
    """A site in one line."""
    return f"{site.function} ({site.file}:{site.line})"


def code(site: Site | None) -> Attributes:
    """The `code.*` attributes of a site."""
    if site is None:
        return {}
    return _known({"code.function.name": site.function, "code.file.path": site.file, "code.line.number": site.line})


def stack_text(stack: tuple[Site, ...]) -> str:
    """An await stack in Python's own layout, outermost first."""
    lines = [f'File "{site.file}", line {site.line}, in {site.function}' for site in stack]
    if len(lines) > STACK_FRAMES:
        half = STACK_FRAMES // 2
        lines[half:-half] = [f"... {len(lines) - 2 * half} more frames ..."]
    return "\n".join(lines)


def task_attributes(task: Task, loop_thread: tuple[int, str] | None) -> Attributes:
    """A task's own facts and totals; `loop_thread` is the id and name of the thread that its loop ran on."""
    out: Attributes = {
        "asyncio.task.id": task.id,
        "asyncio.task.name": task.name,
        "asyncio.task.outcome": task.outcome,
        "asyncio.task.steps": task.steps,
        "asyncio.task.running_ns": task.running_ns,
        "asyncio.task.ready_ns": task.ready_ns,
        "asyncio.task.waiting_ns": task.waiting_ns,
        "asyncio.loop.id": task.loop,
        "code.function.name": task.coroutine,
    }
    if loop_thread is not None:
        out["thread.id"], out["thread.name"] = loop_thread
    if task.parent is not None:
        out["asyncio.task.creator"] = task.parent
    if task.created_at is not None:
        out["asyncio.task.created_at"] = place_text(task.created_at)
    if task.eager:
        out["asyncio.task.eager"] = True
    if task.outcome == "raised":
        out["error.type"] = task.exception or "_OTHER"  # the conventions' word for "not known"
    return out


def waker_attributes(waker: Waker, tasks: dict[int, Task]) -> Attributes:
    """Who made the awaited thing resolve, and where in the code."""
    out: Attributes = {"asyncio.wake.kind": waker.kind}
    if waker.task is not None:
        out["asyncio.wake.task"] = waker.task
        woken_by = tasks.get(waker.task)
        if woken_by is not None and woken_by.coroutine:
            out["asyncio.wake.coroutine"] = woken_by.coroutine
    if waker.label:
        out["asyncio.wake.label"] = waker.label
    if waker.at is not None:
        out["asyncio.wake.at"] = place_text(waker.at)
    return out


def canceller_attributes(waker: Waker, tasks: dict[int, Task]) -> Attributes:
    """Who asked for a cancellation, and where in the code."""
    asked = tasks.get(waker.task) if waker.task is not None else None
    who = {
        "asyncio.cancel.kind": waker.kind,
        "asyncio.cancel.task": waker.task,
        "asyncio.cancel.coroutine": asked.coroutine if asked else None,
        "asyncio.cancel.label": waker.label,
    }
    return {**_known(who), **code(waker.at)}


def wait_name(wait: Wait, tasks: dict[int, Task]) -> str:
    """The span's name: few different ones, so a task goes by its coroutine and not by its own name."""
    awaited = tasks.get(wait.awaited.id) if wait.awaited.id is not None else None
    return f"await {awaited.coroutine if awaited else wait.awaited.label or wait.awaited.type or wait.kind}"


def wait_attributes(wait: Wait, end_ns: int) -> Attributes:
    """What a wait is on and how long; `end_ns` is its end, or the trace's if it has none."""
    ready_ns = end_ns if wait.ready_ns is None else wait.ready_ns
    awaited = wait.awaited
    out: Attributes = {
        "asyncio.wait.kind": wait.kind,
        "asyncio.wait.waiting_ns": ready_ns - wait.start_ns,
        "asyncio.wait.ready_ns": end_ns - ready_ns,
    }
    if awaited.type:
        out["asyncio.awaited.type"] = awaited.type
    if awaited.id is not None:
        out["asyncio.awaited.id"] = awaited.id
    if awaited.label:
        out["asyncio.awaited.label"] = awaited.label
    if wait.end_ns is None:
        out["asyncio.wait.pending"] = True
    return out


def stack_attributes(stack: tuple[Site, ...]) -> Attributes:
    """Where a wait or a run is: the program's own innermost line, and the whole stack."""
    return {**code(own_place(stack)), "code.stacktrace": stack_text(stack)} if stack else {}


def sample_attributes(sample: Sample) -> Attributes:
    """Where a step stood while it blocked."""
    out = stack_attributes(sample.stack)
    if sample.late_ns:
        out["asyncio.step.late_ns"] = sample.late_ns
    return out


def job_attributes(job: Job) -> Attributes:
    """An executor job's facts; the code is the line that handed it over."""
    out = _known(
        {
            "asyncio.job.id": job.id,
            "asyncio.job.function": job.function,
            "asyncio.job.outcome": job.outcome,
            "asyncio.job.task": job.task,
            "thread.id": job.thread,
            "thread.name": job.thread_name,
        }
    )
    if job.started_ns is not None:
        out["asyncio.job.queued_ns"] = job.started_ns - job.submitted_ns
    return {**out, **code(job.at)}


@dataclass(frozen=True, slots=True)
class Totals:
    """What the program's span says in numbers. Times in nanoseconds, summed over loops."""

    outcomes: Mapping[str, int]
    """Tasks by outcome."""
    waits: int
    runs: int
    futures: int
    jobs: int
    running_ns: int
    idle_ns: int
    dropped_events: int
    complete: bool


def root_attributes(program: Program, totals: Totals) -> Attributes:
    """The program as a whole: its totals, and how far the recording can be trusted."""
    out: Attributes = {
        "asyncio.program.name": program_name(program),
        "asyncio.python": program.python,
        "asyncio.core": program.core,
        "asyncio.loops.types": sorted({loop.type for loop in program.loops}),
        "asyncio.loops.total": len(program.loops),
        "asyncio.tasks.total": sum(totals.outcomes.values()),
        **{f"asyncio.tasks.{outcome}": count for outcome, count in sorted(totals.outcomes.items())},
        "asyncio.waits.total": totals.waits,
        "asyncio.runs.total": totals.runs,
        "asyncio.futures.total": totals.futures,
        "asyncio.jobs.total": totals.jobs,
        "asyncio.running_ns": totals.running_ns,
        "asyncio.idle_ns": totals.idle_ns,
        "asyncio.dropped_events": totals.dropped_events,
        "asyncio.complete": totals.complete,
    }
    # The program's arguments stay here: they may hold secrets, and a span travels to places that a recording does not.
    return {key: value for key, value in out.items() if value not in ("", [])}


def _known(values: dict[str, str | int | None]) -> Attributes:
    return {key: value for key, value in values.items() if value is not None and value != ""}
