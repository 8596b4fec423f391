"""Who held a lock or semaphore, and from when to when, as far as waits tell.

A recording has a wait only where a task had to wait for the lock. Whoever found it free shows later: its release woke somebody,
or it awaited something at a line at which tasks that had waited for the lock were holding it. So the lines of the waits between
the end of a wait for the lock and the release by the same task are learned first, and then looked for in the other tasks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncio_trace.analysis.what_if.graph import Acquire, Action, Graph, Life, Step
from asyncio_trace.model import Site, Task, Wait

if TYPE_CHECKING:
    from asyncio_trace.analysis.what_if.build import Spans

_Stack = tuple[Site, ...]
_KINDS = frozenset({"lock", "semaphore"})


@dataclass(slots=True)
class Hold:
    """A task has a lock."""

    task: int
    acquired: int
    """In the step of this number; a task that had waited for the lock acquires it as that step begins."""
    waited: bool
    """Whether the task had waited for it."""
    released: int
    """In the step of this number,"""
    offset: int | None
    """after so much running time; None if the release woke nobody, so that it is not known."""
    start_ns: int = 0
    end_ns: int = 0


class Holds:
    """The holders of all locks and semaphores that a task had to wait for."""

    def __init__(self, tasks: Mapping[int, Task], waits: Mapping[int, list[Wait]], spans: Mapping[int, Spans]) -> None:
        self._tasks = tasks
        self._waits = waits
        self._spans = spans
        self._of: defaultdict[int, list[Wait]] = defaultdict(list)
        for of_task in waits.values():
            for wait in of_task:
                if self.contended(wait) and wait.awaited.id is not None:
                    self._of[wait.awaited.id].append(wait)
        self._found = {resource: self._holds(of_one) for resource, of_one in self._of.items()}

    @staticmethod
    def contended(wait: Wait) -> bool:
        """Whether this is a wait for a lock or semaphore that a task ended by releasing it."""
        waker = wait.waker
        return (
            wait.kind in _KINDS
            and wait.awaited.id is not None
            and wait.end_ns is not None
            and waker is not None
            and waker.kind == "task"
            and waker.task != wait.task
        )

    def put_into(self, graph: Graph) -> None:
        """Make acquisitions and releases of the graph's steps out of the holds."""
        splits: defaultdict[int, list[tuple[int, int, bool]]] = defaultdict(list)
        for resource, holds in self._found.items():
            graph.tokens[resource] = self._at_once(resource, holds)
            for hold in holds:
                life = graph.lives[hold.task]
                if hold.waited:
                    life.steps[hold.acquired - 1].ending = Acquire(resource)
                else:
                    splits[hold.task].append((hold.acquired, resource, hold.released == hold.acquired))
                step = life.steps[hold.released]
                step.actions.append(Action(step.cost_ns if hold.offset is None else hold.offset, "release", resource))
        for task, of_task in splits.items():
            for number, resource, at_once in sorted(of_task, reverse=True):
                _acquire_in(graph.lives[task], number, resource, at_once=at_once)

    def _at_once(self, resource: int, holds: Sequence[Hold]) -> int:
        """How many held it at the same time."""
        if self._of[resource][0].kind == "lock":
            return 1
        changes = [(hold.start_ns, 1) for hold in holds] + [(hold.end_ns, -1) for hold in holds]
        most = now = 0
        for _, change in sorted(changes):
            now += change
            most = max(most, now)
        return max(1, most)

    def _holds(self, waits: list[Wait]) -> list[Hold]:
        """The holds of one lock or semaphore, of which these are the waits."""
        releases: defaultdict[int, list[int]] = defaultdict(list)
        for wait in waits:
            if wait.waker is not None and wait.waker.task is not None:
                releases[wait.waker.task].append(wait.waker.ns)
        acquired: defaultdict[int, list[int]] = defaultdict(list)
        for wait in waits:
            acquired[wait.task].append(bisect_right(self._spans[wait.task].starts, wait.end_ns or 0) - 1)
        holds: list[Hold] = []
        open_: list[tuple[int, int]] = []
        freed: list[tuple[int, tuple[int, int]]] = []
        for task in self._tasks:
            if task in acquired or task in releases:
                self._match(task, sorted(acquired[task]), sorted(releases[task]), holds, open_, freed)
        stacks = self._stacks_of(holds)
        length = Counter(hold.released - hold.acquired for hold in holds).most_common(1)
        steps = length[0][0] if length else 1
        for task, step in open_:
            last = self._last_of(task, step, stacks) if stacks else min(step + steps, len(self._spans[task].starts) - 1)
            holds.append(Hold(task, step, True, last, None))
        known = defaultdict(list)
        for hold in holds:
            known[hold.task].append((hold.acquired, hold.released))
        for task, (released, offset) in freed:
            first = self._first_of(task, released, stacks) if stacks else max(0, released - steps)
            holds.append(Hold(task, first, False, released, offset))
            known[task].append((first, released))
        holds += self._silent(stacks, known, {self._tasks[wait.task].coroutine for wait in waits})
        for hold in holds:
            spans = self._spans[hold.task]
            hold.start_ns = spans.starts[hold.acquired] if hold.waited else spans.ends[hold.acquired]
            hold.end_ns = spans.ends[hold.released]
            if hold.waited:
                hold.start_ns = self._waits[hold.task][hold.acquired - 1].ready_ns or hold.start_ns
            if hold.offset is not None:
                hold.end_ns = min(hold.end_ns, spans.starts[hold.released] + hold.offset)
        return holds

    def _match(
        self, task: int, acquired: list[int], releases: list[int], holds: list[Hold], open_: list[tuple[int, int]],
        freed: list[tuple[int, tuple[int, int]]],
    ) -> None:  # fmt: skip
        """Pair what one task acquired after a wait with the releases that woke somebody."""
        at = [place for ns in releases if (place := self._spans[task].position(ns)) is not None]
        for number, step in enumerate(acquired):
            until = acquired[number + 1] if number + 1 < len(acquired) else None
            own = next((place for place in at if place[0] >= step and (until is None or place[0] < until)), None)
            if own is None:
                open_.append((task, step))
            else:
                at.remove(own)
                holds.append(Hold(task, step, True, own[0], own[1]))
        freed += [(task, place) for place in at]

    def _stacks_of(self, holds: Sequence[Hold]) -> set[_Stack]:
        """Where tasks wait while they hold it."""
        return {wait.stack for hold in holds for wait in self._waits[hold.task][hold.acquired : hold.released]}

    def _last_of(self, task: int, step: int, stacks: set[_Stack]) -> int:
        """The last step of a hold that began in `step`: as long as the task waits at the lines at which holders wait."""
        waits = self._waits[task]
        last = len(self._spans[task].starts) - 1
        while step < last and step < len(waits) and waits[step].stack in stacks:
            step += 1
        return step

    def _first_of(self, task: int, step: int, stacks: set[_Stack]) -> int:
        waits = self._waits[task]
        while step > 0 and waits[step - 1].stack in stacks:
            step -= 1
        return step

    def _silent(self, stacks: set[_Stack], known: Mapping[int, list[tuple[int, int]]], coroutines: set[str]) -> Iterator[Hold]:
        """Holds of tasks that neither waited for the lock nor woke anybody: they wait where holders wait."""
        for number, task in self._tasks.items():
            if task.coroutine not in coroutines:
                continue
            waits, step = self._waits[number], 0
            last = len(self._spans[number].starts) - 1
            within = {step: end for begin, end in known.get(number, ()) for step in range(begin, end)}
            while step < min(len(waits), last):
                if step in within:
                    step = within[step]
                elif waits[step].stack in stacks:
                    end = self._last_of(number, step, stacks)
                    yield Hold(number, step, False, end, None)
                    step = end
                else:
                    step += 1


def _acquire_in(life: Life, number: int, resource: int, *, at_once: bool) -> None:
    """Split a step where the task found the lock free: it then went on at once, in a replay perhaps later.

    That is at the step's end, as it came to a wait while it held the lock; unless it released it `at_once`, in the same step.
    """
    step = life.steps[number]
    rest = Step(0, 0, [], step.ending, step.before, step.after)
    if at_once:
        cut = next(a.offset_ns for a in reversed(step.actions) if a.what == "release" and a.number == resource)
        rest.cost_ns = step.cost_ns - cut
        rest.actions = [Action(a.offset_ns - cut, a.what, a.number) for a in step.actions if a.offset_ns >= cut]
        step.actions = [action for action in step.actions if action.offset_ns < cut]
        step.cost_ns = cut
    step.ending = Acquire(resource)
    life.steps.insert(number + 1, rest)
