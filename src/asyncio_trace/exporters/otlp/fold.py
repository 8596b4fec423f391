"""What is left out of a trace too large for Jaeger's UI, and the totals that stand in for it."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from asyncio_trace.exporters.otlp.layout import Layout, Place
from asyncio_trace.exporters.otlp.span import Attributes
from asyncio_trace.model import Job, Run, Wait

ExtraKind = Literal["wait", "step", "job"]
COROUTINES_NAMED = 20
"""Coroutines named in the account of folded tasks; the rest is summed up."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A span that is not a task's: a wait, a blocking step or an executor job."""

    kind: ExtraKind
    row: Wait | Run | Job
    owner: int | None
    """Id of the task whose child it is; None: the root's."""
    trace_id: int
    start: int
    end: int
    """Unix nanoseconds, whole microseconds."""
    duration_ns: int


@dataclass(slots=True)
class Folded:
    """What was left out under one span: numbers and their summed durations in nanoseconds."""

    tasks: Counter[str] = field(default_factory=Counter)
    """Number of tasks by coroutine."""
    tasks_ns: int = 0
    extras: Counter[str] = field(default_factory=Counter)
    """Number of waits, steps and jobs by kind."""
    extras_ns: Counter[str] = field(default_factory=Counter)

    def add(self, other: Folded) -> None:
        """Take over what was left out under a span that is itself left out."""
        self.tasks += other.tasks
        self.tasks_ns += other.tasks_ns
        self.extras += other.extras
        self.extras_ns += other.extras_ns

    def add_extra(self, extra: Extra) -> None:
        """Leave one span out."""
        self.extras[extra.kind] += 1
        self.extras_ns[extra.kind] += extra.duration_ns

    def attributes(self) -> Attributes:
        """The account, as attributes of the span that it stands on."""
        out: Attributes = {}
        if self.tasks:
            out["asyncio.tasks.folded"] = self.tasks.total()
            out["asyncio.tasks.folded_ns"] = self.tasks_ns
            named = self.tasks.most_common(COROUTINES_NAMED)
            names = [f"{name} x {count}" for name, count in named]
            if len(named) < len(self.tasks):
                names.append(f"others x {self.tasks.total() - sum(count for _, count in named)}")
            out["asyncio.tasks.folded_coroutines"] = names
        for kind in ("wait", "step", "job"):
            if self.extras[kind]:
                out[f"asyncio.{kind}s.folded"] = self.extras[kind]
                out[f"asyncio.{kind}s.folded_ns"] = self.extras_ns[kind]
        return out


@dataclass(slots=True)
class Selection:
    """What becomes spans, and what was left out, by the id of the task on whose span the account stands (None: the root)."""

    tasks: set[int]
    extras: list[Extra]
    folded: dict[int | None, Folded]
    home: dict[int, int | None]
    """For each task left out, the nearest creator that was kept (None: the root)."""


def select(layout: Layout, extras: list[Extra], max_spans: int) -> Selection:
    """Choose at most `max_spans` spans for each trace, the root included.

    Tasks come first; if they are too many, the shortest that have no children left go. Then blocking steps, jobs and waits fill
    what room is left, blocking steps first, the shortest left out.
    """
    folded: dict[int | None, Folded] = {}
    room = Counter({layout.trace_id: max_spans - 1})
    by_trace: dict[int, list[Place]] = {}
    for place in layout.places.values():
        by_trace.setdefault(place.trace_id, []).append(place)
    left_out: set[int] = set()
    for trace_id, places in by_trace.items():
        budget = room[trace_id] if trace_id == layout.trace_id else max_spans
        room[trace_id] = budget - _fold_tasks(places, budget, left_out, folded)
    home: dict[int, int | None] = {}
    for place in layout.places.values():  # creators come first, so theirs is known
        if place.task.id in left_out:
            home[place.task.id] = home.get(place.parent, place.parent) if place.parent is not None else None

    kept: list[Extra] = []
    ranked = sorted(extras, key=lambda extra: (extra.kind != "step", -extra.duration_ns))
    for extra in ranked:
        if extra.owner not in left_out and room[extra.trace_id] > 0:
            room[extra.trace_id] -= 1
            kept.append(extra)
        else:
            owner = home.get(extra.owner, extra.owner) if extra.owner is not None else None
            folded.setdefault(owner, Folded()).add_extra(extra)
    kept.sort(key=lambda extra: extra.start)
    return Selection(layout.places.keys() - left_out, kept, folded, home)


def _fold_tasks(places: list[Place], budget: int, left_out: set[int], folded: dict[int | None, Folded]) -> int:
    """Leave out the shortest leaf tasks of one trace until the rest fits `budget`; return the number of spans that stay."""
    spans = sum(1 + place.detached for place in places)
    if spans <= budget:
        return spans
    by_id = {place.task.id: place for place in places}
    children = Counter(place.parent for place in places if place.parent is not None)
    leaves = [(place.end - place.start, place.task.id) for place in places if not children[place.task.id]]
    heapq.heapify(leaves)
    while spans > budget and leaves:
        _, task_id = heapq.heappop(leaves)
        place = by_id[task_id]
        spans -= 1 + place.detached
        left_out.add(task_id)
        account = folded.setdefault(place.parent, Folded())
        account.tasks[place.task.coroutine] += 1
        account.tasks_ns += place.end - place.start
        account.add(folded.pop(task_id, Folded()))
        if place.parent is not None:
            children[place.parent] -= 1
            if not children[place.parent]:
                parent = by_id[place.parent]
                heapq.heappush(leaves, (parent.end - parent.start, place.parent))
    return spans
