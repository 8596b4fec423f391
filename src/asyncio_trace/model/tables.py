"""The tables of a trace, one dataclass a row.

Times are integer nanoseconds since the trace began. `None` means "not known" or "has not happened", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Site:
    """A place in code."""

    function: str
    """Qualified name."""
    file: str
    line: int
    module: str = ""
    """Name of the module that the code belongs to, or empty."""


@dataclass(frozen=True, slots=True)
class Waker:
    """What made an awaited thing resolve, or asked for a cancellation."""

    kind: str
    """`task`, `callback`, `timer`, `io`, `thread`, `signal` or `loop`."""
    task: int | None
    """The task that did it, if `kind` is `task`; it was running at `ns`."""
    ns: int
    at: Site | None
    """The program's own line that did it, where Python code did."""
    label: str | None = None
    """Name of the callback, timer callback or thread."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a wait is on."""

    type: str
    """Class name: `Future`, `Task`, `Lock`, `Queue`, ...; empty for a bare yield."""
    id: int | None
    """Id of the task, future or resource."""
    label: str
    """What a person calls it: `sleep`, `Queue.get`, a task's name, ..."""


@dataclass(slots=True)
class Task:
    """An `asyncio.Task`."""

    id: int
    name: str
    coroutine: str
    """The coroutine's qualified name."""
    parent: int | None
    """The task that was running when this one was created."""
    loop: int
    created_ns: int
    started_ns: int | None = None
    ended_ns: int | None = None
    outcome: str = "pending"
    """`returned`, `raised`, `cancelled` or `pending`."""
    exception: str | None = None
    """Type name of the exception that left the task."""
    created_at: Site | None = None
    running_ns: int = 0
    ready_ns: int = 0
    waiting_ns: int = 0
    steps: int = 0
    cancelled_by: Waker | None = None
    eager: bool = False
    parent_span: tuple[int, int, int] | None = None
    """OpenTelemetry trace id, span id and trace flags active at creation."""


@dataclass(frozen=True, slots=True)
class Run:
    """One uninterrupted stretch in which a loop executes a task's step or a callback."""

    task: int | None
    callback: str | None
    """Qualified name of the callback, if it is not a task's step."""
    loop: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Wait:
    """From a task's suspension to its resumption."""

    task: int
    start_ns: int
    ready_ns: int | None
    """When the awaited thing had resolved and the task was queued."""
    end_ns: int | None
    """When the task ran again."""
    kind: str
    awaited: Awaited
    stack: tuple[Site, ...]
    """Awaiting frames, outermost first."""
    waker: Waker | None


@dataclass(slots=True)
class Future:
    """An `asyncio.Future` that is not a task."""

    id: int
    type: str
    loop: int
    created_ns: int
    created_by: int | None
    created_at: Site | None
    resolved_ns: int | None = None
    resolved_by: Waker | None = None
    outcome: str = "pending"


@dataclass(slots=True)
class Job:
    """Work handed to an executor."""

    id: int
    loop: int
    task: int | None
    """The task that handed it over."""
    future: int | None
    function: str
    at: Site | None
    submitted_ns: int
    started_ns: int | None = None
    ended_ns: int | None = None
    thread: int | None = None
    """The operating system's id of the thread that ran it."""
    thread_name: str | None = None
    outcome: str = "pending"


@dataclass(frozen=True, slots=True)
class Idle:
    """A stretch in which a loop waited in its selector."""

    loop: int
    start_ns: int
    end_ns: int


@dataclass(slots=True)
class Loop:
    """An event loop."""

    id: int
    type: str
    thread: int
    thread_name: str
    created_ns: int
    closed_ns: int | None = None


@dataclass(slots=True)
class Program:
    """The traced program."""

    argv: list[str] = field(default_factory=list)
    python: str = ""
    platform: str = ""
    pid: int = 0
    loops: list[Loop] = field(default_factory=list)
    started_unix_ns: int = 0
    duration_ns: int = 0
    core: str = ""
    recorded_from_ns: int = 0
    """The first instant that the recording tells of: 0 unless it is only the last part of a trace."""


@dataclass(slots=True)
class Trace:
    """Everything that a recording says. Rows are ordered by their start."""

    program: Program
    tasks: list[Task] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    futures: list[Future] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)
    dropped_events: int = 0
    complete: bool = True
    """False if anything is missing between the recording's begin and its end."""
    cut: bool = False
    """True if the recording ends before the trace did."""
    gaps: int = 0
    """Places in the recording, before its end, at which something is missing because the file is damaged there."""
    lost_bytes: int = 0
    """Bytes of the file that are damaged and were left out."""
