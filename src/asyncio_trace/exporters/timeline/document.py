"""The shape of the JSON timeline, and the only place where it is written down.

The JSON Schema that the package ships is generated from this module (see `asyncio_trace.exporters.timeline.schema`): types
become constraints, and the text beneath each class and key becomes its description. Keys may be added; what stands here does
not change within a version.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypedDict


class Minimum(NamedTuple):
    """The least value that a number may have."""

    value: int


Nanoseconds = Annotated[int, Minimum(0)]
"""An instant since the trace began, or a duration."""

WaitKind = Literal[
    "task",
    "gather",
    "future",
    "sleep",
    "timeout",
    "lock",
    "semaphore",
    "event",
    "condition",
    "barrier",
    "queue.get",
    "queue.put",
    "stream.read",
    "stream.write",
    "socket",
    "process",
    "executor",
    "yield",
    "other",
]
WakerKind = Literal["task", "callback", "timer", "io", "thread", "signal", "loop"]
Outcome = Literal["returned", "raised", "cancelled", "pending"]
Severity = Literal["error", "warning", "info"]


class Site(TypedDict):
    """A place in code."""

    function: str
    """Qualified name."""
    file: str
    line: int


class Waker(TypedDict):
    """What made an awaited thing resolve, or asked for a cancellation."""

    kind: WakerKind
    task: int | None
    """The task that did it; it was running at that instant."""
    ns: Nanoseconds
    at: Site | None
    """The program's own line that did it, where Python code did."""
    label: str | None
    """Name of the callback, timer callback or thread."""


class Awaited(TypedDict):
    """What a wait is on."""

    type: str
    """Class name; empty for a bare yield."""
    id: int | None
    """Id of the task, future or resource."""
    label: str
    """What a person calls it."""


class ParentSpan(TypedDict):
    """The OpenTelemetry span that was active where a task was created."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    trace_flags: int


class Loop(TypedDict):
    """An event loop."""

    id: int
    type: str
    """Class name."""
    thread: int
    """The operating system's id of the thread that ran it."""
    thread_name: str
    created_ns: Nanoseconds
    closed_ns: Nanoseconds | None


class Program(TypedDict):
    """The traced program."""

    argv: list[str]
    python: str
    """Version of Python."""
    platform: str
    pid: int
    loops: list[Loop]
    started_unix_ns: int
    """Wall-clock time of instant 0, in nanoseconds since 1970. Beyond 2 to the power of 53: read it as a 64-bit integer."""
    duration_ns: Nanoseconds
    """The last instant."""
    core: str
    """The tracer's core that recorded it: `native` or `python`."""
    recorded_from_ns: Nanoseconds
    """The first instant that the recording tells of: 0 unless it holds only the last part of a trace."""


class Task(TypedDict):
    """An `asyncio.Task`. Once it ended, running + ready + waiting = ended - created, unless a part of its life is missing."""

    id: int
    name: str
    coroutine: str
    """Qualified name of the coroutine."""
    parent: int | None
    """The task that was running when this one was created."""
    loop: int
    created_ns: Nanoseconds
    started_ns: Nanoseconds | None
    """Start of the first step."""
    ended_ns: Nanoseconds | None
    outcome: Outcome
    exception: str | None
    """Type name of the exception that left the task."""
    created_at: Site | None
    """The program's own line that created it."""
    running_ns: Nanoseconds
    ready_ns: Nanoseconds
    """Ready but not running: the loop was busy."""
    waiting_ns: Nanoseconds
    steps: int
    cancelled_by: Waker | None
    """Who asked for the cancellation."""
    cancelled_through: list[int]
    """Ids of the tasks through which the cancellation came, from the one that was asked first; empty if this one was."""
    eager: bool
    """The first step ran inside the call that created the task."""
    parent_span: ParentSpan | None


class TaskRun(TypedDict):
    """One step of a task."""

    task: int
    loop: int
    start_ns: Nanoseconds
    end_ns: Nanoseconds


class CallbackRun(TypedDict):
    """One run of a callback that is not a task's step."""

    callback: str
    """Qualified name."""
    loop: int
    start_ns: Nanoseconds
    end_ns: Nanoseconds


class Wait(TypedDict):
    """From a task's suspension to its resumption; start <= ready <= end."""

    task: int
    start_ns: Nanoseconds
    """The task suspended."""
    ready_ns: Nanoseconds | None
    """The awaited thing resolved and the task was queued."""
    end_ns: Nanoseconds | None
    """The task ran again."""
    kind: WaitKind
    awaited: Awaited
    stack: list[Site]
    """The awaiting frames, outermost first."""
    waker: Waker | None
    """What ended it; null while it lasts."""


class Future(TypedDict):
    """An `asyncio.Future` that is not a task."""

    id: int
    type: str
    """Class name."""
    loop: int
    created_ns: Nanoseconds
    created_by: int | None
    """The task that was running."""
    created_at: Site | None
    resolved_ns: Nanoseconds | None
    resolved_by: Waker | None
    outcome: Outcome


class Job(TypedDict):
    """Work handed to an executor."""

    id: int
    loop: int
    task: int | None
    """The task that handed it over."""
    future: int | None
    """The future that carries its result."""
    function: str
    at: Site | None
    submitted_ns: Nanoseconds
    started_ns: Nanoseconds | None
    ended_ns: Nanoseconds | None
    thread: int | None
    """The operating system's id of the thread that ran it."""
    thread_name: str | None
    outcome: Outcome


class Idle(TypedDict):
    """A stretch in which a loop waited in its selector with nothing to run."""

    loop: int
    start_ns: Nanoseconds
    end_ns: Nanoseconds


class Finding(TypedDict):
    """Something that the trace shows to be wrong or costly."""

    rule: str
    severity: Severity
    task: int | None
    start_ns: Nanoseconds
    end_ns: Nanoseconds
    at: Site | None
    message: str
    advice: str


class Timeline(TypedDict):
    """What an asyncio program did. Times are integer nanoseconds since the trace began; ids are unique over all tables."""

    format: Literal["asyncio-trace/timeline"]
    version: Literal[1]
    program: Program
    dropped_events: Annotated[int, Minimum(0)]
    """Events that the tracer could not keep. If not 0, the tables lack something."""
    complete: bool
    """False if anything is missing from `recorded_from_ns` on: the recording was cut before its end, or damaged."""
    tasks: list[Task]
    runs: list[TaskRun | CallbackRun]
    """Runs on one loop do not overlap."""
    waits: list[Wait]
    futures: list[Future]
    jobs: list[Job]
    idle: list[Idle]
    findings: list[Finding]
