"""The rows of a trace's tables, one dataclass a table.

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


@dataclass(slots=True)
class Resource:
    """A lock, semaphore, event, condition, barrier or queue that a task waited on, or that changed."""

    id: int
    type: str
    """The class's name."""
    role: str = ""
    """`lock`, `semaphore`, `event`, `barrier` or `queue`, whatever the class is called; empty if it never changed."""
    most: int = 0
    """Units of a bounded semaphore, parties of a barrier, `maxsize` of a queue; 0 where there is no limit."""
    value: int = -1
    """Before the first change: free units (of a lock 0 or 1), an event's flag, tasks at a barrier, a queue's length. -1 if it
    never changed.
    """


@dataclass(slots=True)
class Hold:
    """From the moment at which a lock, or a unit of a semaphore, is taken until it is given back."""

    resource: int
    task: int | None
    """The task that holds it; None if no task took it, or if that was before the trace."""
    from_ns: int
    to_ns: int | None
    """None if it was not given back."""
    at: Site | None = None
    """The program's own line that took it."""
    released_by: Waker | None = None
    """Who gave it back, where; maybe not the holder."""


@dataclass(frozen=True, slots=True)
class Level:
    """A queue's length, an event's flag (1 or 0), the number of tasks at a barrier, from an instant until the resource's next.

    Of a semaphore: the free units, where they were changed otherwise than by taking and giving back.
    """

    resource: int
    ns: int
    value: int
    by: Waker | None


@dataclass(frozen=True, slots=True)
class Idle:
    """A stretch in which a loop waited in its selector."""

    loop: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback that is not a task's step, from when it was queued."""

    name: str
    """Qualified name."""
    loop: int
    ready_ns: int
    """When it was queued: its due time for a timer, the selector's return for I/O."""
    start_ns: int
    end_ns: int
    """What ran inside it (an eager task's first step) counts too; rows of `Run` are told apart."""
    origin: Waker | None
    """What queued it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of several tasks and futures that a wait is for: a child of a gather, one of those that `asyncio.wait` was given, a
    task of a group that is being left. Those that were done when the wait began have no row.
    """

    wait: int
    """Number of the row in `Trace.waits`."""
    id: int
    """Id of the task or future."""


@dataclass(frozen=True, slots=True)
class Wake:
    """An edge of the graph of causes: what made a wait ready."""

    wait: int
    """Number of the row in `Trace.waits`."""
    run: int | None
    """Number of the row in `Trace.runs` that did it; None where no run did, as for timers and I/O."""
    kind: str
    """`Waker.kind`."""
    ns: int
    """`Waker.ns`."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """What a loop did between two waits in its selector; a loop that always has something to run has long ones."""

    loop: int
    start_ns: int
    end_ns: int
    idle_ns: int
    """How long it had waited in its selector before."""
    runs: int
    """Rows of `Trace.runs` that began in it."""
    running_ns: int
    """How long those took together."""


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
    block_threshold_ns: int = 100_000_000
    """Runs that are longer block their loop: what the tracer was told; whoever reads the trace may set it otherwise."""
    unread: list[str] = field(default_factory=list)
    """Recordings of child processes that can't be read."""
