"""The graph of who waits for whom, told from a recording, is the one that CPython itself keeps (from 3.14 on)."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from asyncio_trace.model.waiting import wait_for_graph
from tracer.generated import Program, World, programs
from tracer.test_tracer_properties import EXAMPLES, LIMITS
from tracer.tracing import traced
from tracer.virtual_loop import VirtualLoop

pytestmark = [
    pytest.mark.skipif(not hasattr(asyncio, "capture_call_graph"), reason="CPython keeps a call graph from 3.14 on"),
    pytest.mark.filterwarnings("ignore:coroutine 'World.body' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*World.body:pytest.PytestUnraisableExceptionWarning"),
]

WANTED = int(os.environ.get("ASYNCIO_TRACE_CALL_GRAPHS", "0"))
"""Samples to take at least; the issue's figure is 10,000."""

Graph = dict[str, frozenset[str]]

_GATHERING: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]
_WAIT: Any = asyncio.tasks._wait.__code__  # type: ignore[attr-defined]
_LEAVES_GROUP: Any = getattr(asyncio.TaskGroup, "_aexit", asyncio.TaskGroup.__aexit__).__code__


def cpythons_graph() -> Graph:
    """The tasks that are suspended now, each with those that it waits for, by name; from `capture_call_graph` of each task.

    CPython notes who will wait for a task from its creation in a group on, and what stands behind a `shield`; only those for
    which the waiting task is suspended now are taken.
    """
    capture: Any = asyncio.capture_call_graph  # type: ignore[attr-defined]
    graph: dict[str, set[str]] = {}
    for task in asyncio.all_tasks():
        for edge in capture(task).awaited_by:
            waiting: Any = edge.future
            if not isinstance(waiting, asyncio.Task) or waiting is asyncio.current_task():
                continue
            if task in suspended_for(waiting, edge.call_stack):
                graph.setdefault(waiting.get_name(), set()).add(task.get_name())
    return {name: frozenset(names) for name, names in graph.items()}


def suspended_for(waiting: Any, stack: Any) -> set[Any]:
    """What a task is suspended for, from where it is."""
    future, frame = waiting._fut_waiter, stack[0].frame if stack else None
    if type(future) is _GATHERING:
        return children_of(future)
    if frame is not None and frame.f_code is _WAIT:
        return set(frame.f_locals["fs"])
    if frame is not None and frame.f_code is _LEAVES_GROUP:
        return set(frame.f_locals["self"]._tasks)
    return {future}


def children_of(gathering: Any) -> set[Any]:
    """What a gather is for, through gathers in it."""
    members: set[Any] = set()
    for child in gathering._children:
        members |= children_of(child) if type(child) is _GATHERING else {child}
    return members


class Sampled(World):
    """Takes CPython's graph at random instants."""

    def __init__(self, loop: VirtualLoop, random: Random, origin: int) -> None:
        super().__init__(loop)
        self._random = random
        self._origin = origin
        self.samples: list[tuple[int, Graph]] = []

    def note(self, *what: object) -> None:
        """Write down an effect, and now and then the graph."""
        super().note(*what)
        if self._random.random() < 0.9 and asyncio._get_running_loop() is not None and asyncio.current_task() is not None:
            graph = cpythons_graph()
            self.samples.append((time.monotonic_ns() - self._origin, graph))

    async def do_gather(self, here: str, programs: list[Program], keep: bool) -> object:
        """Run them together, and wait for all even if one fails: CPython keeps what nobody waits for any more."""
        return await super().do_gather(here, programs, True)

    async def do_shield_task(self, here: str, index: int) -> None:
        """Do nothing: it may make a circle, of which CPython's graph has no end."""

    async def do_generator(self, here: str, program: Program) -> object:
        """Run it without a generator: CPython's stack ends there."""
        return await self.body(program, here)


def samples_of(core: str, program: Program, seed: int) -> tuple[list[tuple[int, Graph]], list[Graph]]:
    """What CPython said, and what the trace says of the same instants."""
    with traced(core) as recording, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop: Any = runner.get_loop()
        loop.slow_callback_duration = 1000
        world = Sampled(loop, Random(seed), recording.session.recorder.origin)
        with suppress(asyncio.CancelledError):
            runner.run(world.main(program))
        runner.run(world.drain())
        world.tasks.clear()
        world.futures.clear()
        loop.seen.clear()
    names = {task.id: task.name for task in recording.trace.tasks}
    graphs = [wait_for_graph(recording.trace, ns) for ns, _ in world.samples]
    told = [
        {names[task]: frozenset(names[number] for number in numbers) for task, numbers in graph.items()} for graph in graphs
    ]
    return world.samples, told


@settings(max_examples=EXAMPLES, **LIMITS)
@given(program=programs())
def test_the_graph_is_cpythons(core: str, program: Program) -> None:
    """At random instants of generated programs: the same tasks wait for the same tasks."""
    samples, told = samples_of(core, program, len(repr(program)))
    for (_, theirs), ours in zip(samples, told, strict=True):
        assert ours == theirs


def test_a_group_a_gather_and_a_wait_at_once(core: str) -> None:
    """A program that has all of them says which task waits for which."""

    async def work(depth: int) -> None:
        if depth == 0:
            await asyncio.sleep(0.01)
            graphs.append((time.monotonic_ns() - recording.session.recorder.origin, cpythons_graph()))
            await asyncio.sleep(0.01)
        elif depth == 1:
            await asyncio.gather(work(0), asyncio.gather(work(0), work(0)))
        elif depth == 2:
            await asyncio.wait([asyncio.create_task(work(1)), asyncio.create_task(work(0))])
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(work(2))
                group.create_task(work(0))

    graphs: list[tuple[int, Graph]] = []
    with traced(core) as recording:
        asyncio.run(work(3))
    names = {task.id: task.name for task in recording.trace.tasks}
    for ns, theirs in graphs:
        graph = wait_for_graph(recording.trace, ns)
        assert {names[task]: frozenset(map(names.__getitem__, numbers)) for task, numbers in graph.items()} == theirs
        assert sum(map(len, theirs.values())) == 7
    assert len(graphs) == 5


@pytest.mark.skipif(not WANTED, reason="takes minutes: ASYNCIO_TRACE_CALL_GRAPHS=10000 takes so many samples")
def test_many_graphs_are_cpythons(core: str) -> None:
    """As many samples as were asked for, all equal."""
    taken = edges = 0

    @settings(max_examples=100_000, **LIMITS)
    @given(program=programs())
    def compare(program: Program) -> None:
        nonlocal taken, edges
        if taken < WANTED:
            samples, told = samples_of(core, program, taken)
            assert told == [graph for _, graph in samples]
            taken += len(samples)
            edges += sum(len(names) for graph in told for names in graph.values())

    compare()
    print(f"{core}: {taken} graphs with {edges} edges are equal")
    assert taken >= WANTED
