"""Locks and semaphores of a graph: who takes and gives back what, in which step.

A replay lets tasks take them in the order in which they come there, so that a wider semaphore or another order of things has
the effect that it would have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from asyncio_trace.analysis.what_if.graph import Acquire, Action, Graph, Life, Step
from asyncio_trace.model import Hold, Trace, Wait

if TYPE_CHECKING:
    from asyncio_trace.analysis.what_if.build import Spans

_ROLES = frozenset({"lock", "semaphore"})
_KINDS = frozenset({"lock", "semaphore"})
"""Kinds of wait that end with the task having it; a condition's wait for its lock is not among them."""


class Holds:
    """The takings and givings back that a replay can have as such."""

    def __init__(self, trace: Trace, waits: Mapping[int, Sequence[Wait]], spans: Mapping[int, Spans]) -> None:
        self._spans = spans
        self._free = {row.id: row.value for row in trace.resources if row.role in _ROLES and row.value >= 0}
        self._waited: dict[int, tuple[int, int]] = {}
        """By id of a wait that led to a hold: task, and the step that it ends."""
        self._holds = [hold for hold in trace.holds if hold.resource in self._free and hold.task in spans]
        of_task: defaultdict[tuple[int, int], list[Hold]] = defaultdict(list)
        for hold in sorted(self._holds, key=lambda hold: hold.from_ns):
            if hold.task is not None:
                of_task[hold.task, hold.resource].append(hold)
        self._after_wait: dict[int, Wait] = {}
        """By id of a hold, the wait that led to it."""
        for task, of_one in waits.items():
            for number, wait in enumerate(of_one):
                if wait.kind in _KINDS and wait.awaited.id is not None and wait.end_ns is not None:
                    self._pair(wait, number, of_task.get((task, wait.awaited.id), []))

    def _pair(self, wait: Wait, number: int, holds: list[Hold]) -> None:
        """A lock is taken when the waiter runs, a semaphore's unit is given to it while it still waits."""
        over = self._spans[wait.task].ends[number + 1]
        found = next((hold for hold in holds if wait.start_ns <= hold.from_ns <= over), None)
        if found is not None:
            holds.remove(found)
            self._after_wait[id(found)] = wait
            self._waited[id(wait)] = wait.task, number

    def waited(self, wait: Wait) -> bool:
        """Whether a wait ended with its task having what it waited for."""
        return id(wait) in self._waited

    def put_into(self, graph: Graph) -> None:
        """Make acquisitions and releases of the graph's steps."""
        graph.tokens.update(self._free)
        cuts: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for hold in self._holds:
            task, wait = hold.task, self._after_wait.get(id(hold))
            at = self._spans[task].position(hold.from_ns) if task is not None else None
            if task is None or (wait is None and at is None):
                continue
            if wait is not None:
                graph.lives[task].steps[self._waited[id(wait)][1]].ending = Acquire(hold.resource)
            elif at is not None:
                cuts[task].append((*at, hold.resource))
            self._give_back(graph, hold)
        for task, of_task in cuts.items():
            _cut(graph.lives[task], of_task)

    def _give_back(self, graph: Graph, hold: Hold) -> None:
        """By whoever did it; by the holder where the recording does not know of a running task."""
        by = hold.released_by.task if hold.released_by is not None else hold.task
        task = by if by in self._spans else hold.task
        at = self._spans[task].position(hold.to_ns) if task is not None and hold.to_ns is not None else None
        if task is not None and at is not None:
            graph.lives[task].steps[at[0]].actions.append(Action(at[1], "release", hold.resource))


def _cut(life: Life, cuts: Sequence[tuple[int, int, int]]) -> None:
    """Cut steps where the task found a lock free: it then went on at once, in a replay perhaps later."""
    of_step: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, offset, resource in cuts:
        of_step[number].append((offset, resource))
    steps: list[Step] = []
    for number, step in enumerate(life.steps):
        steps.append(step)
        done = 0
        for offset, resource in sorted(of_step.get(number, ()), key=lambda cut: cut[0]):
            last = steps[-1]
            here = offset - done
            rest = Step(last.cost_ns - here, 0, [], last.ending, None, last.after)
            rest.actions = [Action(a.offset_ns - here, a.what, a.number) for a in last.actions if a.offset_ns > here]
            last.actions = [action for action in last.actions if action.offset_ns <= here]
            last.cost_ns, last.ending, last.after, done = here, Acquire(resource), None, offset
            steps.append(rest)
    life.steps = steps
