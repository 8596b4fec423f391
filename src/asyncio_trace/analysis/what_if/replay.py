"""Replays a graph on simulated loops: each has one thread and one queue, first in, first out, in turns as asyncio's have.

A turn (`BaseEventLoop._run_once`) runs what is queued when it begins. What the selector and the timers have brought meanwhile
is queued behind it, before the next turn. Steps never overlap on one loop; executor threads run beside it.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from dataclasses import dataclass

from asyncio_trace.analysis.what_if.graph import Acquire, After, Graph, Life, Token, Until, Yielded


@dataclass(slots=True)
class Replayed:
    """When things happened, in nanoseconds."""

    created: dict[int, int]
    ended: dict[int, int]
    """By task."""


def replay(graph: Graph) -> Replayed:
    """Run the graph to its end, or until nothing can happen any more."""
    world = _World(graph)
    world.run()
    return Replayed(world.created, world.ended)


class _Loop:
    __slots__ = ("left", "now", "outside", "queue")

    def __init__(self) -> None:
        self.now = 0
        self.queue: deque[tuple[int, int, int]] = deque()
        """(ready, task, hops left): what runs next. A callback that fires a wake has its number below zero as task."""
        self.left = 0
        """How many of the queue belong to this turn."""
        self.outside: list[tuple[int, int, str, int]] = []
        """(due, order, what, number): a heap of what comes from timers, I/O and threads."""


class _World:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.created: dict[int, int] = {}
        self.ended: dict[int, int] = {}
        self._loops: defaultdict[int, _Loop] = defaultdict(_Loop)
        self._at: dict[int, int] = {}
        """By task, the number of its next step."""
        self._happened: set[Token] = set()
        self._missing: dict[int, set[Token]] = {}
        """By waiting task, what has not happened yet."""
        self._waiting_for: defaultdict[Token, list[int]] = defaultdict(list)
        self._free = dict(graph.tokens)
        self._line: defaultdict[int, deque[int]] = defaultdict(deque)
        """By resource, who waits for it."""
        self._threads = [0] * (graph.threads or 0)
        self._order = 0
        self._followers: defaultdict[Token, list[Life]] = defaultdict(list)
        for life in graph.lives.values():
            if life.follows is not None:
                self._followers[life.follows].append(life)
            elif life.begins_ns is not None:
                self._from_outside(life.loop, life.begins_ns, "begin", life.id)

    def run(self) -> None:
        while True:
            soonest: tuple[int, int] | None = None
            for number, loop in self._loops.items():
                at = self._next(loop)
                if at is not None and (soonest is None or (at, number) < soonest):
                    soonest = at, number
            if soonest is None:
                return
            self._turn(self._loops[soonest[1]])

    @staticmethod
    def _next(loop: _Loop) -> int | None:
        """When a loop next does something."""
        if loop.queue:
            return max(loop.now, loop.queue[0][0])
        return max(loop.now, loop.outside[0][0]) if loop.outside else None

    def _turn(self, loop: _Loop) -> None:
        """Run one thing, after a look at the outside if a turn begins."""
        if not loop.left:
            horizon = loop.now
            if not loop.queue:
                loop.now = max(loop.now, loop.outside[0][0])
                horizon = loop.now + self._late(loop.outside[0])
            while loop.outside and loop.outside[0][0] <= horizon:
                due, _, what, number = heapq.heappop(loop.outside)
                self._came(due, what, number)
            loop.left = len(loop.queue)
            if not loop.left:
                return
        loop.left -= 1
        ready, task, hops = loop.queue.popleft()
        if hops > 1:
            loop.queue.append((ready, task, hops - 1))
            return
        if task < 0:
            loop.now = max(loop.now, ready) + self.graph.calls[-task].overhead_ns
            self._happen(("wake", -task), loop.now)
            return
        life = self.graph.lives[task]
        start = max(loop.now, ready) + life.steps[self._at[task]].overhead_ns
        loop.now = self._step(life, start)

    def _late(self, event: tuple[int, int, str, int]) -> int:
        """By how much the selector oversleeps: what is due by then comes in the same turn (epoll counts in milliseconds)."""
        _, _, what, task = event
        return self.graph.lives[task].steps[self._at[task]].overhead_ns if what == "resume" else 0

    def _came(self, due: int, what: str, number: int) -> None:
        if what == "begin":
            self._create(self.graph.lives[number], due)
        elif what == "resume":
            life = self.graph.lives[number]
            self._queue(life, due, 2)
        elif what == "job":
            self._happen(("job", number), due)
        else:
            self._queue(self.graph.lives[number], due, 1)

    def _from_outside(self, loop: int, due: int, what: str, number: int) -> None:
        self._order += 1
        heapq.heappush(self._loops[loop].outside, (due, self._order, what, number))

    def _queue(self, life: Life, ready: int, hops: int) -> None:
        self._loops[life.loop].queue.append((ready, life.id, hops))

    # -- steps ------------------------------------------------------------------------------------------------------------

    def _create(self, life: Life, now: int) -> None:
        self.created[life.id] = now
        self._at[life.id] = 0
        if life.steps:
            self._queue(life, now, 1)

    def _step(self, life: Life, start: int) -> int:
        """Run a task until it has to wait; when that is."""
        now = start
        while True:
            step = life.steps[self._at[life.id]]
            self._at[life.id] += 1
            ran = 0
            for action in step.actions:
                now, ran = now + action.offset_ns - ran, action.offset_ns
                now = self._act(action.what, action.number, life, now)
            now += step.cost_ns - ran
            ending = step.ending
            if ending is None or self._at[life.id] >= len(life.steps):
                if ending is None:
                    self.ended[life.id] = now
                    self._happen(("end", life.id), now, life.loop)
                return now
            if isinstance(ending, Until):
                missing = ending.tokens - self._happened
                if not missing:
                    continue
                self._missing[life.id] = set(missing)
                for token in missing:
                    self._waiting_for[token].append(life.id)
            elif isinstance(ending, Acquire):
                if self._free[ending.resource] > 0 and not self._line[ending.resource]:
                    self._free[ending.resource] -= 1
                    continue
                self._line[ending.resource].append(life.id)
            elif isinstance(ending, After):
                self._from_outside(life.loop, now + ending.delay_ns, "resume", life.id)
            elif isinstance(ending, Yielded):
                self._queue(life, now, 1)
            return now

    def _act(self, what: str, number: int, life: Life, now: int) -> int:
        """Do what a step does at an instant; when the step goes on."""
        if what == "fire":
            self._happen(("wake", number), now, life.loop)
        elif what == "call":
            self._loops[life.loop].queue.append((now, -number, self.graph.calls[number].hops))
        elif what == "create":
            child = self.graph.lives[number]
            if child.eager and child.steps and child.loop == life.loop:
                self.created[number] = now
                self._at[number] = 0
                return self._step(child, now)
            self._create(child, now)
        elif what == "submit":
            self._submit(number, now)
        elif self._line[number]:
            self._resume(self._line[number].popleft(), now, 1, life.loop)
        else:
            self._free[number] += 1
        return now

    def _submit(self, number: int, now: int) -> None:
        job = self.graph.jobs[number]
        start = now + job.latency_ns
        if job.pooled and self._threads:
            start = max(start, heapq.heappop(self._threads))
            heapq.heappush(self._threads, start + job.cost_ns)
        self._from_outside(job.loop, start + job.cost_ns, "job", number)

    def _happen(self, token: Token, now: int, loop: int | None = None) -> None:
        self._happened.add(token)
        for task in self._waiting_for.pop(token, ()):
            missing = self._missing[task]
            missing.discard(token)
            if not missing:
                del self._missing[task]
                ending = self.graph.lives[task].steps[self._at[task] - 1].ending
                self._resume(task, now, ending.hops if ending is not None else 1, loop)
        for life in self._followers.pop(token, ()):
            self._from_outside(life.loop, now + (life.begins_ns or 0), "begin", life.id)

    def _resume(self, task: int, now: int, hops: int, loop: int | None) -> None:
        """Queue a task; on another loop than the one that does it, as from a thread."""
        life = self.graph.lives[task]
        if loop is None or loop == life.loop:
            self._queue(life, now, hops)
        else:
            self._from_outside(life.loop, now, "wake", task)
