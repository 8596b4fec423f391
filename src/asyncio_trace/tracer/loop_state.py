"""What the tracer knows of one loop and of one task while they live."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any
from weakref import ReferenceType, ref

from asyncio_trace.events.records import LoopStarted
from asyncio_trace.tracer.recorder import Recorder

Cause = tuple[int, int, int, int]
"""What made something ready: instant, `WakerKind`, its id, site. The last four words of a `Step`."""

ATTRIBUTE = "_asyncio_trace"
"""Name under which a loop carries its `LoopState`; a class attribute of None marks classes whose methods are ours."""


class TaskState:
    """A task as the tracer sees it. Holds no strong reference to it."""

    __slots__ = ("cancel_cause", "cancels", "id", "made", "name", "reference", "steps", "wake", "wire")

    def __init__(self, number: int) -> None:
        self.id = number
        self.wake: Cause | None = None
        """What queued the step that has not run yet."""
        self.made = 0
        """Id of the future that asyncio made for the wait that is on."""
        self.steps = 0
        self.name: str | None = None
        self.cancels = 0
        """Cancellation requests seen so far; `task.cancelling()` beyond it means a new one."""
        self.cancel_cause: Cause | None = None
        self.reference: TaskReference | None = None
        self.wire = False
        """A `TripWire` is where a cancellation will remove it."""


class TaskReference(ref[Any]):
    """A weak reference that knows where its task lived, so that the table forgets an address before it is used again."""

    __slots__ = ("address",)
    address: int

    def __new__(cls, task: Any, callback: Callable[[TaskReference], object]) -> TaskReference:
        """Refer to `task`; call `callback` with the reference when the task is gone."""
        self = super().__new__(cls, task, callback)
        self.address = id(task)
        return self

    def __init__(self, task: Any, callback: Callable[[TaskReference], object]) -> None:
        super().__init__(task, callback)  # type: ignore[call-arg]


class LoopState:
    """A loop as the tracer sees it. Holds no strong reference to it."""

    __slots__ = (
        "callback",
        "cause",
        "current",
        "eager",
        "foreign",
        "fresh",
        "id",
        "ident",
        "made",
        "made_ns",
        "making",
        "nascent",
        "recorder",
        "reference",
        "resolved",
        "resolved_cause",
        "run_end",
        "select_end",
        "signals",
        "step_start",
        "step_wake",
    )

    def __init__(self, recorder: Recorder, loop: AbstractEventLoop, *, foreign: bool) -> None:
        self.recorder = recorder
        self.id = recorder.next_id()
        self.reference: ReferenceType[AbstractEventLoop] = ref(loop)
        self.foreign = foreign
        """The loop runs callbacks of its own, in C, that the tracer does not see."""
        self.ident = threading.get_ident()
        """Thread that runs the loop, or that made it."""
        self.current: TaskState | None = None
        """The task whose step is running."""
        self.cause: Cause | None = None
        """While a callback runs: what queued it."""
        self.callback: Any = None
        """While a callback runs: the callback."""
        self.step_start = 0
        self.step_wake: Cause | None = None
        self.resolved = 0
        """Address of the future that was resolved last in this run, with its cause: its wake-ups follow at once."""
        self.resolved_cause: Cause | None = None
        self.making = False
        """A future or task is being made in a way that its maker reports."""
        self.made = 0
        """Address of the future that asyncio made last for a wait of its own, with the instant."""
        self.made_ns = 0
        self.nascent: ReferenceType[Any] | None = None
        """A task whose constructor is running."""
        self.eager: list[EagerStep] = []
        """Eager first steps that are running, innermost last."""
        self.fresh: list[Any] = []
        """Tasks made or woken in this run; if they are cancelled when it ends, it did that."""
        self.select_end = recorder.now()
        self.run_end = self.select_end
        self.signals: dict[int, Cause] = {}
        """Address of a signal's handle to the instant it was queued."""
        kind = type(loop)
        recorder.add(
            LoopStarted, self.id, self.select_end, recorder.string(f"{kind.__module__}.{kind.__qualname__}"), recorder.thread()
        )


class EagerStep:
    """The eager first step of a task, inside the call that created it."""

    __slots__ = ("cause", "interrupted", "interrupted_callback", "interrupted_cause", "start", "state", "task")

    def __init__(self, task: Any, state: TaskState, start: int, cause: Cause, loop: LoopState) -> None:
        self.task = task
        self.state = state
        self.start = start
        self.cause = cause
        self.interrupted = loop.current
        self.interrupted_cause = loop.cause
        self.interrupted_callback = loop.callback
