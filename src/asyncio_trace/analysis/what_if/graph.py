"""A run as what can be replayed: tasks as steps that cost time and do things, and what each of them then waits for.

Times are nanoseconds. Nothing here says when something happens: that is what a replay finds out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncio_trace.model import Site, Wait

Token = tuple[str, int]
"""Something that happens once: `("wake", wait)`, `("end", task)` or `("job", job)`."""


@dataclass(slots=True)
class After:
    """Resolves so long after the suspension: a timer, or the world outside."""

    delay_ns: int
    hops = 2
    """How often it goes through the loop's queue before the task runs: the handle that resolves the future, then the task."""


@dataclass(slots=True)
class Until:
    """Resolves when all of these have happened."""

    tokens: frozenset[Token]
    hops: int = 1


@dataclass(slots=True)
class Acquire:
    """Takes a lock or semaphore, in the order of arrival."""

    resource: int
    hops = 1


@dataclass(slots=True)
class Yielded:
    """Queued again at once."""

    hops = 1


@dataclass(slots=True)
class Never:
    """Nothing resolves it."""

    hops = 1


Ending = After | Until | Acquire | Yielded | Never


@dataclass(slots=True)
class Action:
    """What a step does on its way."""

    offset_ns: int
    """When, in running time of the step."""
    what: str
    """`fire` a wake, `call` a callback that fires one, `create` a task, `submit` a job, `release` a resource."""
    number: int
    """Of the wake, task, job or resource."""


@dataclass(slots=True)
class Step:
    """One stretch of a task between two awaits."""

    cost_ns: int
    """Running time."""
    overhead_ns: int = 0
    """What the loop did for it, from when the loop was free and the task ready until the task ran."""
    actions: list[Action] = field(default_factory=list)
    """In the order of their offsets."""
    ending: Ending | None = None
    """What it then waits for; None where the task ends."""
    before: Wait | None = None
    """The recorded wait that it came after."""
    after: Wait | None = None
    """The recorded wait that it came before."""
    seen: list[tuple[Site, ...]] = field(default_factory=list)
    """Stacks at which it stood while it blocked its loop, as the tracer's watchdog saw it."""


@dataclass(slots=True)
class Life:
    """A task."""

    id: int
    coroutine: str
    loop: int
    steps: list[Step] = field(default_factory=list)
    eager: bool = False
    """The first step runs inside the step that creates the task."""
    begins_ns: int | None = None
    """When it comes into being, if no step creates it: at that instant, or so long after `follows`."""
    follows: Token | None = None
    made_up: bool = False
    """It was not in the recording; a change made it."""


@dataclass(slots=True)
class Work:
    """An executor job."""

    id: int
    loop: int
    cost_ns: int
    latency_ns: int = 0
    """Until a free thread takes it."""
    pooled: bool = True
    """Needs one of the executor's threads."""


@dataclass(slots=True)
class Call:
    """A callback that a step queues, and that fires a wake."""

    hops: int
    """Through how many callbacks, one queuing the next, it goes."""
    queued_ns: int
    """In the recording it was queued then, and the last of them fired the wake then."""
    fired_ns: int
    overhead_ns: int = 0
    """From when the loop was free and the callback queued until it fired."""


@dataclass(slots=True)
class Graph:
    """A run."""

    main: int
    """The task whose end is the run's."""
    lives: dict[int, Life]
    jobs: dict[int, Work]
    tokens: dict[int, int] = field(default_factory=dict)
    """By lock or semaphore, how many may hold it at once."""
    calls: dict[int, Call] = field(default_factory=dict)
    """By number of the wake that a callback fires."""
    threads: int | None = None
    """Threads of the executor; None if it has always enough."""
    last_number: int = 0

    def new_number(self) -> int:
        """An id for a task or job that a change adds."""
        self.last_number = (self.last_number or max([0, *self.lives, *self.jobs])) + 1
        return self.last_number
