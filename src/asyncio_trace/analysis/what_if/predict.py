"""What a run would have taken with a change: the recording replayed without and with it, and the difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from asyncio_trace.analysis.totals import last_instant
from asyncio_trace.analysis.what_if.build import graph_of
from asyncio_trace.analysis.what_if.changes import Change
from asyncio_trace.analysis.what_if.graph import Graph
from asyncio_trace.analysis.what_if.replay import Replayed, replay
from asyncio_trace.errors import InputError, UsageError
from asyncio_trace.model import Trace

MOST_WAITS = 2_000_000
"""A replay goes through a run wait by wait; larger ones would take minutes and more memory than most have."""
EXACT = 0.01
"""A replay without any change is good if it takes as long as the recording within this share."""


@dataclass(frozen=True, slots=True)
class LifeChange:
    """The tasks of one coroutine."""

    coroutine: str
    tasks: int
    """Those that ended in both."""
    mean_ns: int
    """From creation to end, as recorded."""
    predicted_ns: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """One change, or several at once."""

    changes: tuple[str, ...]
    """As they were asked for."""
    effects: tuple[str, ...]
    """What each of them changed."""
    task: int
    """The task whose time this is about: the parentless one that lived longest, or if that has not ended the last that has."""
    recorded_ns: int
    """How long it lived,"""
    replayed_ns: int
    """how long it lives in a replay without any change,"""
    predicted_ns: int
    """and how long it would have lived."""
    coroutines: list[LifeChange]
    """Those whose tasks would live shorter or longer, what changes most in all first."""

    @property
    def replay_error(self) -> float:
        """By which share the replay without any change misses the recording."""
        return abs(self.replayed_ns - self.recorded_ns) / max(1, self.recorded_ns)


def predict(trace: Trace, changes: Iterable[Change]) -> Prediction:
    """What the run would have taken with all of the changes.

    Raises:
        UsageError: A change matches nothing in the run, or the run is too large.
        InputError: The run can't be replayed.
    """
    changes = tuple(changes)
    if len(trace.waits) > MOST_WAITS:
        raise UsageError(
            f"the recording has {len(trace.waits):,} waits, and {MOST_WAITS:,} at most can be replayed; trace less"
        )
    base, holds, task = _as_it_was(trace)
    graph = _graph(trace, holds=holds)
    effects = tuple(change.apply(graph) for change in changes)
    changed = replay(graph)
    if task not in changed.ended:
        raise InputError("the run can't be replayed with that change: what its tasks wait for would never happen")
    recorded = _lived(trace)[task]
    replayed = base.ended[task] - base.created[task]
    gained = replayed - (changed.ended[task] - changed.created[task])
    return Prediction(
        changes=tuple(change.text for change in changes),
        effects=effects,
        task=task,
        recorded_ns=recorded,
        replayed_ns=replayed,
        predicted_ns=recorded - gained,
        coroutines=_coroutines(trace, base, changed),
    )


def _as_it_was(trace: Trace) -> tuple[Replayed, bool, int]:
    """A replay without any change, whether it has locks as locks, and the task that it is judged by.

    What is known of holders is inferred. Where a replay with it does not do as the recording did, locks are replayed by who
    woke whom, and can't be changed.
    """
    graph = _graph(trace, holds=True)
    ended = {task.id: task.ended_ns for task in trace.tasks if task.ended_ns is not None and task.started_ns is not None}
    if not ended:
        raise InputError("no task of the recording has ended, so there is nothing to compare a replay with")
    task = graph.main if graph.main in ended else max(ended, key=lambda number: ended[number])
    base = replay(graph)
    error = _error(trace, task, base)
    if error > EXACT:
        other = replay(_graph(trace, holds=False))
        if _error(trace, task, other) < error:
            return other, False, task
    if task not in base.ended:
        raise InputError("the run can't be replayed: what its tasks wait for does not happen in the replay")
    return base, True, task


def _graph(trace: Trace, *, holds: bool) -> Graph:
    graph = graph_of(trace, holds=holds)
    if graph is None:
        raise InputError("the recording has no task, so there is nothing to replay")
    return graph


def _lived(trace: Trace) -> dict[int, int]:
    end = last_instant(trace)
    return {task.id: (end if task.ended_ns is None else task.ended_ns) - task.created_ns for task in trace.tasks}


def _error(trace: Trace, task: int, replayed: Replayed) -> float:
    if task not in replayed.ended:
        return float("inf")
    lived = _lived(trace)[task]
    return abs(replayed.ended[task] - replayed.created[task] - lived) / max(1, lived)


def _coroutines(trace: Trace, base: Replayed, changed: Replayed) -> list[LifeChange]:
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    lived = _lived(trace)
    for task in trace.tasks:
        if task.ended_ns is None or task.id not in base.ended or task.id not in changed.ended:
            continue
        gained = (base.ended[task.id] - base.created[task.id]) - (changed.ended[task.id] - changed.created[task.id])
        entry = sums[task.coroutine]
        entry[0] += 1
        entry[1] += lived[task.id]
        entry[2] += max(0, lived[task.id] - gained)
    rows = [
        LifeChange(coroutine, number, now // number, then // number)
        for coroutine, (number, now, then) in sums.items()
        if abs(then - now) > now * EXACT
    ]
    return sorted(rows, key=lambda row: -abs(row.mean_ns - row.predicted_ns) * row.tasks)
