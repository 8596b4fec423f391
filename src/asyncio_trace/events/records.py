"""The kinds of records and the fields of each: the one place that says what every word means.

As words, a record is a run of signed 64-bit integers: a header, then one word a field. The header is ``kind | fields << 8``, so
that a reader skips a kind that it does not know, and ignores fields that a later version adds at the end. The other way of
writing a record, a tenth as long, is `asyncio_trace.events.packing`.

Words are integers only. Text, code positions and await stacks are interned once in the recording's tables (see
`asyncio_trace.recording`) and named by their number there; 0 is "none" everywhere. Ids of tasks, futures, resources and jobs
come from one counter, so an id names one thing in the whole trace. Times are nanoseconds of the monotonic clock since the trace
began.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import ClassVar, NamedTuple


class WakerKind:
    """What made an awaited thing resolve; the word's value on the wire and its name in the timeline."""

    NONE = 0
    TASK = 1
    CALLBACK = 2
    TIMER = 3
    IO = 4
    THREAD = 5
    SIGNAL = 6
    LOOP = 7

    NAMES: ClassVar[tuple[str, ...]] = ("none", "task", "callback", "timer", "io", "thread", "signal", "loop")


class Outcome:
    """How a task, future or job ended; the word's value on the wire and its name in the timeline."""

    PENDING = 0
    RETURNED = 1
    RAISED = 2
    CANCELLED = 3

    NAMES: ClassVar[tuple[str, ...]] = ("pending", "returned", "raised", "cancelled")


class StepEnd:
    """How a task's step ended."""

    WAITING = 0
    """Suspended on the thing in `Step.awaited`."""
    YIELDED = 1
    """Suspended on nothing (a bare yield): queued again at once."""
    DONE = 2
    CUT = 3
    """Still running when the trace ended."""


class TaskFlag:
    """Bits of `TaskCreated.flags`."""

    EAGER = 1
    """The first step ran inside the call that created the task."""
    FOUND = 2
    """The task was alive before the tracer looked; creation time, parent and site are unknown."""


class TaskState:
    """What a task does at an instant; the values of `TaskAlive.state`."""

    QUEUED = 0
    """The loop will run it."""
    WAITING = 1
    """Suspended on the thing in `TaskAlive.awaited`."""
    RUNNING = 2


class LoopStarted(NamedTuple):
    """A loop came under the tracer's eyes."""

    loop: int
    ns: int
    type: int
    """String: the loop class's qualified name."""
    thread: int


class LoopClosed(NamedTuple):
    """`loop.close()` was called."""

    loop: int
    ns: int


class Idle(NamedTuple):
    """The loop waited in its selector with nothing to run."""

    loop: int
    start_ns: int
    end_ns: int


class TaskCreated(NamedTuple):
    """A task came into being."""

    task: int
    ns: int
    loop: int
    parent: int
    """The task that was running, or 0."""
    coroutine: int
    """String: the coroutine's qualified name."""
    site: int
    """Site of the program's own line that created it."""
    flags: int


class TaskNamed(NamedTuple):
    """The task's name as last seen (names may change while a task lives)."""

    task: int
    name: int


class Step(NamedTuple):
    """One step of a task: how it became ready, when it ran, what it then waited on."""

    task: int
    loop: int
    start_ns: int
    end_ns: int
    end: int
    """A `StepEnd`."""
    awaited: int
    """Id of the future, task or resource that the task now waits on, or 0."""
    stack: int
    """Stack of awaiting frames at the suspension, or 0."""
    ready_ns: int
    """When the task was queued for this step; 0 if by its own bare yield, when its last step ended."""
    waker: int
    """A `WakerKind`: what queued it."""
    waker_id: int
    """Task id for a task; string of the callback's name for a callback or timer; thread number for a thread."""
    waker_site: int
    made: int
    """Id of the future that asyncio made for this very wait (as `sleep` and `Queue.get` do), or 0. It has no `FutureCreated`,
    and a `FutureResolved` only if it did not get a plain result: it is resolved by what wakes the task."""
    made_ns: int
    """When that future was made."""


class YieldedStep(NamedTuple):
    """A step between two bare yields, the most frequent thing in a busy program: queued by itself when its last step ended."""

    task: int
    loop: int
    start_ns: int
    end_ns: int
    stack: int


class Woken(NamedTuple):
    """A task was queued for a step that never ran before the trace ended."""

    task: int
    ready_ns: int
    waker: int
    waker_id: int
    waker_site: int


class TaskDone(NamedTuple):
    """A task ended; follows its last `Step`."""

    task: int
    ns: int
    outcome: int
    exception: int
    """String: the exception's qualified type name, or 0."""


class CallbackRun(NamedTuple):
    """The loop ran a callback that is not a task's step."""

    loop: int
    name: int
    """String: the callback's qualified name."""
    start_ns: int
    end_ns: int
    ready_ns: int
    """When it was queued (its due time for a timer, the selector's return for I/O)."""
    origin: int
    """A `WakerKind`: what queued it."""
    origin_id: int


class FutureCreated(NamedTuple):
    """An `asyncio.Future` that is not a task came into being."""

    future: int
    ns: int
    loop: int
    creator: int
    """The task that was running, or 0."""
    site: int
    type: int
    """String: the class's name."""


class FutureResolved(NamedTuple):
    """A future got its result, exception or cancellation."""

    future: int
    ns: int
    outcome: int
    waker: int
    waker_id: int
    waker_site: int


class CancelRequested(NamedTuple):
    """Somebody asked a task to cancel."""

    task: int
    ns: int
    waker: int
    waker_id: int
    waker_site: int


class JobSubmitted(NamedTuple):
    """Work was handed to an executor."""

    job: int
    ns: int
    loop: int
    task: int
    future: int
    """The asyncio future that carries the result."""
    function: int
    """String: the function's qualified name."""
    site: int


class JobRan(NamedTuple):
    """A thread ran a job from start to end."""

    job: int
    start_ns: int
    end_ns: int
    thread: int
    outcome: int


class ThreadSeen(NamedTuple):
    """A thread that runs loops or jobs, or wakes a loop."""

    thread: int
    name: int
    native_id: int


class ResourceSeen(NamedTuple):
    """A lock, semaphore, event, condition, barrier or queue that a task waits on."""

    resource: int
    type: int
    """String: the class's name."""


class ParentSpan(NamedTuple):
    """The OpenTelemetry span that was active where a task was created."""

    task: int
    trace_id_high: int
    trace_id_low: int
    span_id: int
    trace_flags: int


class Dropped(NamedTuple):
    """Events that the tracer could not keep, here in the stream."""

    events: int


class Ended(NamedTuple):
    """The trace ended in order; a recording without it was cut."""

    ns: int


class NumberedName(NamedTuple):
    """The task has the name that asyncio gives to tasks without one, `Task-<number>`; no string need be kept for it."""

    task: int
    number: int


class LoopAlive(NamedTuple):
    """A loop that is there where a segment of the recording begins: all that a reader who begins here needs to know of it."""

    loop: int
    ns: int
    """Now."""
    type: int
    """String: the loop class's qualified name."""
    thread: int
    started_ns: int
    """`LoopStarted.ns`."""


class TaskAlive(NamedTuple):
    """A task that is alive where a segment of the recording begins: all that a reader who begins here needs to know of it."""

    task: int
    created_ns: int
    loop: int
    parent: int
    coroutine: int
    site: int
    flags: int
    name: int
    """String: the name as last seen, or 0 if none was seen yet."""
    state: int
    """A `TaskState`."""
    since_ns: int
    """When that state began: queued, suspended, or the start of the step."""
    awaited: int
    """Where it waits, as in `Step`; 0 unless `state` is waiting."""
    stack: int
    """Where it waits, as in `Step`; 0 unless `state` is waiting."""
    made: int
    made_ns: int


class ResourceRole:
    """What a resource is, whatever its class is called; the values of `ResourceState.role`."""

    LOCK = 1
    SEMAPHORE = 2
    EVENT = 3
    BARRIER = 4
    QUEUE = 5

    NAMES: ClassVar[tuple[str, ...]] = ("", "lock", "semaphore", "event", "barrier", "queue")


class ResourceState(NamedTuple):
    """How a resource stood before the first change of it that is recorded."""

    resource: int
    ns: int
    """When that change came."""
    role: int
    """A `ResourceRole`."""
    value: int
    """Units that are free (of a lock 0 or 1), an event's flag, tasks at a barrier, or a queue's length."""
    most: int
    """Most units of a bounded semaphore, parties of a barrier, `maxsize` of a queue; 0 where there is no limit."""


class ResourceTaken(NamedTuple):
    """A lock, or a unit of a semaphore, was taken."""

    resource: int
    ns: int
    task: int
    """The task that holds it now, or 0."""
    site: int
    """The program's own line that took it; 0 where a release gave it to a task that waits: that task's line is its wait's."""
    free: int
    """Units that are free now."""


class ResourceReleased(NamedTuple):
    """A lock, or a unit of a semaphore, was given back; maybe not by the task that held it."""

    resource: int
    ns: int
    waker: int
    """A `WakerKind`: who did it, as are the next two."""
    waker_id: int
    waker_site: int
    free: int
    """Units that are free now."""


class ResourceSet(NamedTuple):
    """An event was set (1) or cleared (0), a task came to a barrier or left it, a semaphore's units were changed otherwise."""

    resource: int
    ns: int
    waker: int
    waker_id: int
    waker_site: int
    value: int
    """As in `ResourceState`."""


class QueueLength(NamedTuple):
    """Something was put into a queue, or taken out."""

    resource: int
    ns: int
    waker: int
    waker_id: int
    waker_site: int
    length: int
    """Items that are in it now."""


class WaitsFor(NamedTuple):
    """The wait that began with a task's last `Step` is for several: children of a gather, what `wait` was given, tasks of a
    group. More than one record where their ids do not follow each other; those that were done by then are left out.
    """

    task: int
    first: int
    """Id of a task or future."""
    ids: int
    """How many, from that one on."""


class Blocked(NamedTuple):
    """Where a run stood that kept its loop from everything else, taken while it did. Its own record follows when it ends."""

    loop: int
    ns: int
    """When the stack was taken."""
    task: int
    """The task whose step it is, or 0 for a callback."""
    since_ns: int
    """When the run began, or, for a callback, was first seen."""
    stack: int
    """Stack of the frames that were running, the innermost last."""
    late_ns: int
    """0 if the run stood there; else it kept the GIL to itself for so long before the stack could be taken, and may have gone
    on by a line or a few since.
    """


class NeverAwaited(NamedTuple):
    """A coroutine object was thrown away that nobody had begun to await."""

    ns: int
    coroutine: int
    """String: the coroutine's qualified name."""
    site: int
    """Site that created it, or 0 if that is not known."""
    defined: int
    """Site of the coroutine function itself."""


class NeverRetrieved(NamedTuple):
    """A task or future was thrown away with an exception that nobody had asked for."""

    task: int
    """Id of the task or future, or 0 if it is not known any more."""
    ns: int
    name: int
    """String: the task's name, or 0 for a future."""
    coroutine: int
    """String: the qualified name of the task's coroutine, or 0 for a future."""
    exception: int
    """String: the exception's qualified type name."""
    site: int
    """Site that raised it, or 0."""


class CancelIgnored(NamedTuple):
    """A task ended otherwise than by the cancellation that was asked of it, and took none of it back (`uncancel`)."""

    task: int
    ns: int


Record = (
    LoopStarted | LoopClosed | Idle | TaskCreated | TaskNamed | Step | Woken | TaskDone | CallbackRun | FutureCreated
    | FutureResolved | CancelRequested | JobSubmitted | JobRan | ThreadSeen | ResourceSeen | ParentSpan | Dropped | Ended
    | YieldedStep | NumberedName | LoopAlive | TaskAlive | Blocked | NeverAwaited | NeverRetrieved | CancelIgnored
    | ResourceState | ResourceTaken | ResourceReleased | ResourceSet | QueueLength | WaitsFor
)  # fmt: skip

KINDS: dict[int, type[Record]] = {
    **dict(enumerate(
        (
            LoopStarted, LoopClosed, Idle, TaskCreated, TaskNamed, Step, Woken, TaskDone, CallbackRun, FutureCreated,
            FutureResolved, CancelRequested, JobSubmitted, JobRan, ThreadSeen, ResourceSeen, ParentSpan, Dropped, Ended,
            YieldedStep, NumberedName, LoopAlive, TaskAlive, Blocked, NeverAwaited, NeverRetrieved, CancelIgnored,
        ),
        start=1,
    )),
    **dict(enumerate((ResourceState, ResourceTaken, ResourceReleased, ResourceSet, QueueLength, WaitsFor), start=30)),
}  # fmt: skip
"""Number on the wire to record type. Numbers are never reused."""

HEADERS: dict[type[Record], int] = {record: kind | len(record._fields) << 8 for kind, record in KINDS.items()}
"""The first word of each record type on the wire."""

PACK: dict[type[Record], Callable[..., bytes]] = {
    record: struct.Struct(f"<{1 + len(record._fields)}q").pack for record in HEADERS
}
"""Makes a record's bytes from its header and its fields; quicker by far than gathering the integers."""


def pack(record: Record) -> bytes:
    """A record as it stands on the wire."""
    return PACK[type(record)](HEADERS[type(record)], *record)
