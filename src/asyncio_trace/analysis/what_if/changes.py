"""The changes that can be asked for, and what each makes of a graph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from asyncio_trace.analysis.what_if.gathering import gather
from asyncio_trace.analysis.what_if.graph import Acquire, Action, After, Graph, Life, Step, Until, Work
from asyncio_trace.analysis.what_if.places import Place, place
from asyncio_trace.errors import UsageError
from asyncio_trace.model import Wait
from asyncio_trace.model.kinds import is_asyncio

LEAST_NS = 1_000_000
"""Steps shorter than this stay on the loop: the way to a thread and back costs as much as it saves."""
FORMS = "thread:PLACE, semaphore:ID=WIDTH, shorter:PLACE=TIME or gather:PLACE"
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "": 1_000_000_000}


class Change(Protocol):
    """Something that could be otherwise."""

    @property
    def text(self) -> str:
        """As it was asked for."""

    def apply(self, graph: Graph) -> str:
        """Change the graph; what was changed, in a few words.

        Raises:
            UsageError: The run has nothing of the kind.
        """


def parse(text: str) -> Change:
    """Read a change: `thread:app.py:42`, `semaphore:12=20`, `shorter:app.py:42=10ms`, `gather:app.py:40-44`.

    Raises:
        UsageError: It is none.
    """
    kind, colon, rest = text.partition(":")
    where, equals, value = rest.rpartition("=")
    if not equals:
        where, value = rest, ""
    if colon and where:
        if kind == "thread" and (not equals or (value.isdecimal() and int(value))):
            return ToThread(text, place(where), int(value or 32))
        if kind == "semaphore" and value.isdecimal() and int(value):
            return Widen(text, where.removeprefix("#"), int(value))
        if kind == "shorter" and value:
            return Shorten(text, place(where), *_time(text, value))
        if kind == "gather" and not equals:
            return Gather(text, place(where))
    raise UsageError(f"{text!r} is no change that can be tried; write {FORMS}")


def _time(text: str, value: str) -> tuple[int | None, float]:
    share = re.fullmatch(r"(\d+(?:\.\d*)?)\s*%", value)
    if share is not None:
        return None, float(share[1]) / 100
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|)", value)
    if match is None:
        raise UsageError(f"{text!r}: {value!r} is no time; write 10ms, 0.5s or, of what it was, 50%")
    return int(float(match[1]) * _UNITS[match[2]]), 1.0


def at(where: Place, wait: Wait | None) -> bool:
    """Whether a wait has a frame at a place."""
    return wait is not None and any(where.has(site) for site in wait.stack if not is_asyncio(site))


@dataclass(frozen=True, slots=True)
class ToThread:
    """Steps run in an executor's thread instead."""

    text: str
    where: Place
    threads: int
    """The executor has so many, if it is not known how many it has."""

    def apply(self, graph: Graph) -> str:
        """Cut each such step in two, with a job between."""
        moved = ns = 0
        for life in graph.lives.values():
            steps: list[Step] = []
            for step in life.steps:
                steps.append(step)
                if self._is_there(life, step) and (rest := _move(graph, life, step)) is not None:
                    steps.append(rest)
                    moved, ns = moved + 1, ns + graph.jobs[graph.last_number].cost_ns
            life.steps = steps
        if not moved:
            raise UsageError(
                f"{self.text!r}: no step of {LEAST_NS // 1_000_000} ms or more was seen to block at {self.where.text}, or lies"
                " before or after an await there; `asyncio-trace report` lists lines that blocked, and the longest steps"
            )
        if graph.threads is None:
            graph.threads = self.threads
        return f"{_plural(moved, 'step')} of {_time_of(ns)} in all would run in a thread"

    def _is_there(self, life: Life, step: Step) -> bool:
        if step.cost_ns < LEAST_NS:
            return False
        seen = any(self.where.has(site) for stack in step.seen for site in stack)
        return seen or self.where.names(life.coroutine) or at(self.where, step.before) or at(self.where, step.after)


def _move(graph: Graph, life: Life, step: Step) -> Step | None:
    """Move the longest stretch of a step in which it does nothing to others; what is left of the step behind it."""
    marks = [0, *(action.offset_ns for action in step.actions), step.cost_ns]
    length, begin = max((later - earlier, earlier) for earlier, later in pairwise(marks))
    if length < LEAST_NS:
        return None
    number = graph.new_number()
    end = begin + length
    rest = Step(step.cost_ns - end, 0, [], step.ending, None, step.after)
    step.after = None
    after = [action for action in step.actions if action.offset_ns >= end]
    rest.actions = [Action(action.offset_ns - end, action.what, action.number) for action in after]
    step.actions = [action for action in step.actions if action.offset_ns < end]
    step.actions.append(Action(begin, "submit", number))
    step.cost_ns, step.ending = begin, Until(frozenset({("job", number)}), 2)
    graph.jobs[number] = Work(number, life.loop, length)
    return rest


@dataclass(frozen=True, slots=True)
class Widen:
    """A semaphore lets more in at once, or fewer."""

    text: str
    which: str
    width: int

    def apply(self, graph: Graph) -> str:
        """Set its width."""
        found = [resource for resource in graph.tokens if self._is_it(graph, resource)]
        if len(found) != 1:
            known = ", ".join(f"#{resource}" for resource in graph.tokens)
            several = f"{len(found)} are waited for there" if found else "there is none for which a task had to wait"
            raise UsageError(f"{self.text!r}: {several}{'; known are ' * bool(known)}{known}")
        [resource] = found
        was = graph.tokens[resource]
        if self.width == was:
            raise UsageError(f"{self.text!r}: {was} at once is what it let in")
        graph.tokens[resource] = self.width
        return f"#{resource} would let in {self.width} at once, and not {was}"

    def _is_it(self, graph: Graph, resource: int) -> bool:
        if self.which.isdecimal():
            return resource == int(self.which)
        where = place(self.which)
        return any(
            isinstance(step.ending, Acquire) and step.ending.resource == resource and at(where, step.after)
            for life in graph.lives.values()
            for step in life.steps
        )


@dataclass(frozen=True, slots=True)
class Shorten:
    """Waits for the world outside, or jobs, take less time."""

    text: str
    where: Place
    most_ns: int | None
    share: float

    def apply(self, graph: Graph) -> str:
        """Shorten each wait there."""
        shortened = saved = 0
        for life in graph.lives.values():
            for step in life.steps:
                if not at(self.where, step.after):
                    continue
                if isinstance(step.ending, After):
                    was, step.ending.delay_ns = step.ending.delay_ns, self._shorter(step.ending.delay_ns)
                    shortened, saved = shortened + 1, saved + was - step.ending.delay_ns
                elif isinstance(step.ending, Until):
                    for what, number in step.ending.tokens:
                        if what == "job" and number in graph.jobs:
                            job = graph.jobs[number]
                            was, job.cost_ns = job.cost_ns, self._shorter(job.cost_ns)
                            shortened, saved = shortened + 1, saved + was - job.cost_ns
        if not shortened:
            raise UsageError(
                f"{self.text!r}: no wait for a timer, for I/O or for a job is at {self.where.text}; what waits for other tasks"
                " gets shorter if those do"
            )
        return f"{_plural(shortened, 'wait')} would be shorter by {_time_of(saved)} in all"

    def _shorter(self, ns: int) -> int:
        return round(ns * self.share) if self.most_ns is None else min(ns, self.most_ns)


@dataclass(frozen=True, slots=True)
class Gather:
    """Awaits that stand one after another are done together."""

    text: str
    where: Place

    def apply(self, graph: Graph) -> str:
        """Make a task of each await, or of each call that awaits."""
        groups, together = gather(graph, self.where)
        if not groups:
            raise UsageError(f"{self.text!r}: no task has two awaits at {self.where.text} one after another")
        return f"{_plural(together, 'await')} in {_plural(groups, 'group')} would be done together"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _time_of(ns: int) -> str:
    return f"{ns / 1e9:.3g} s" if ns >= 1_000_000_000 else f"{ns / 1e6:.3g} ms"
