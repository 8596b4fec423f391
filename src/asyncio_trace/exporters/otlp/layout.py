"""Where each task goes: under which parent, in which trace, from when to when. Children never stick out of their parents.

All of a short program is one trace. A long one has a trace for each of its top-level tasks, which in a service are its requests
and connections, and one of its own. A task is top-level if no task created it, or one that lives so long that it is no request
itself: a main task that serves, a worker that takes jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asyncio_trace.exporters.otlp.rows import Rows
from asyncio_trace.model import Task

SAMPLED = 1
"""The bit of OpenTelemetry's trace flags that says that a span is recorded and will reach a collector."""


LONG_LIVED_NS = 30_000_000_000
"""A task that lives so many nanoseconds is no request; in a program that is split, those that it creates are top-level."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns times of a trace into Unix time."""

    origin_unix_ns: int

    def at(self, ns: int) -> int:
        """Unix nanoseconds of `ns` since the trace began, floored to a whole microsecond.

        Jaeger truncates start and duration to microseconds one by one, so that a child could stick out of its parent. Flooring
        absolute time is monotone: whatever lies inside before lies inside after, and nothing is left for Jaeger to truncate.
        """
        return (self.origin_unix_ns + ns) // 1000 * 1000


@dataclass(slots=True)
class Place:
    """A task's place among the spans. Times are Unix nanoseconds, whole microseconds."""

    task: Task
    trace_id: int
    parent: int | None
    """Id of the creating task if this one's span is under that task's; None: under `remote` or else the root."""
    remote: tuple[int, int, int] | None
    """Trace id, span id and flags of the program's own span that this one's is under."""
    context: tuple[int, int, int] | None
    """The program's own span that encloses this task, directly or through its creators."""
    start: int
    end: int
    detached: bool
    """True if the task outlived its creator: it goes under a PRODUCER span at its creation."""
    top: bool = False
    """True if it is the root of a trace of its own."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of all tasks, parents before their children, and the root's extent in Unix nanoseconds."""

    clock: Clock
    trace_id: int
    start: int
    end: int
    places: dict[int, Place]


def lay_out(rows: Rows, trace_id: int, new_trace_id: Callable[[], int] | None = None) -> Layout:
    """Find every task's place.

    Args:
        rows: Where the tasks are from.
        trace_id: The trace of the root and of all that the program's own spans don't claim.
        new_trace_id: Makes the id of a top-level task's trace; without it there are none.
    """
    # A damaged header may hold anything, but a span's times are unsigned 64-bit integers.
    clock = Clock(min(max(rows.program.started_unix_ns, 0), 1 << 62))
    start = max(0, clock.at(rows.program.recorded_from_ns))
    end = max(start, clock.at(rows.end_ns))
    places: dict[int, Place] = {}
    for task in _creators_first(rows.tasks):
        place = _place(task, places, clock, trace_id, start, end)
        if new_trace_id is not None and _is_top(place, places):
            place = Place(task, new_trace_id(), None, None, None, place.start, place.end, detached=False, top=True)
        places[task.id] = place
    return Layout(clock, trace_id, start, end, places)


def _creators_first(tasks: list[Task]) -> list[Task]:
    known = {task.id for task in tasks}
    children: dict[int | None, list[Task]] = {}
    for task in tasks:
        children.setdefault(task.parent if task.parent in known else None, []).append(task)
    ordered: list[Task] = []
    seen: set[int] = set()
    # A circle of creators is nonsense that only a damaged recording holds: its tasks come last, the first under the root.
    stack = [*tasks[::-1], *children.get(None, [])[::-1]]
    while stack:
        task = stack.pop()
        if task.id not in seen:
            seen.add(task.id)
            ordered.append(task)
            stack += children.get(task.id, [])[::-1]
    return ordered


def _place(task: Task, places: dict[int, Place], clock: Clock, trace_id: int, root_start: int, root_end: int) -> Place:
    creator = places.get(task.parent) if task.parent is not None else None
    span = task.parent_span
    if span is not None and not (span[0] and span[1] and span[2] & SAMPLED):
        span = None  # it will never arrive at a collector, and a span under it would be an orphan
    if span is not None and creator is not None and creator.context is not None and creator.context[:2] == span[:2]:
        span = None  # inherited from the creator, whose span lies under it already: the creator is the closer parent
    end = min(root_end, clock.at(task.ended_ns)) if task.ended_ns is not None else root_end
    start = min(max(root_start, clock.at(task.created_ns)), root_end)
    if span is not None:
        return Place(task, span[0], None, span, span, start, max(start, end), detached=False)
    if creator is None:
        return Place(task, trace_id, None, None, None, start, max(start, end), detached=False)
    start = max(start, creator.start)
    end = max(start, end)
    return Place(task, creator.trace_id, creator.task.id, None, creator.context, start, end, detached=end > creator.end)


def _is_top(place: Place, places: dict[int, Place]) -> bool:
    if place.context is not None:
        return False  # the program's own span holds it, however long that takes
    creator = places[place.parent] if place.parent is not None else None
    return creator is None or creator.end - creator.start >= LONG_LIVED_NS
