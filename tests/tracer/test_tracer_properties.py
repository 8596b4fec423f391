"""Whatever a program does, it does the same when it is traced, and the trace keeps its promises."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from asyncio_trace.model import Trace
from tracer.generated import Program, World, eager_factory, programs
from tracer.tracing import HAS_EAGER, HAS_UVLOOP, UVLOOP, traced
from tracer.virtual_loop import VirtualLoop

SETUPS: dict[str, Callable[[VirtualLoop], object]] = {
    "plain": lambda loop: None,
    "debug": lambda loop: loop.set_debug(True),
    "factory": lambda loop: loop.set_task_factory(lambda loop, coro, **kw: asyncio.Task(coro, loop=loop, **kw)),
}
NAMED_LATE = sys.version_info < (3, 14)
"""An eager task gets its name only when its first step is over."""
if HAS_EAGER:
    SETUPS["eager"] = lambda loop: loop.set_task_factory(eager_factory(loop))

EXAMPLES = int(os.environ.get("ASYNCIO_TRACE_EXAMPLES", "60"))
"""More of them make a soak test."""

LIMITS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}


# a group that has failed takes no more tasks, and before 3.13 leaves their coroutines unawaited
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine 'World.body' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*World.body:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    """Collect what a program leaves behind, and nothing else, at points that are the same each time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


class Outcome:
    """What a run of a program was."""

    def __init__(self, program: Program, setup: Callable[[VirtualLoop], object]) -> None:
        loops: list[VirtualLoop] = []

        def make() -> VirtualLoop:
            loops.append(VirtualLoop())
            setup(loops[0])
            return loops[0]

        with asyncio.Runner(loop_factory=make) as runner:
            runner.get_loop().slow_callback_duration = 1000
            self.world = World(loops[0])
            with suppress(asyncio.CancelledError):
                runner.run(self.world.main(program))
            runner.run(self.world.drain())
        loop = loops[0]
        self.tasks = Counter(
            (task.get_name(), coroutine, _outcome(task))
            for task, coroutine in loop.seen.values()
            if not coroutine.startswith("BaseEventLoop.shutdown")
        )
        self.parents = self.world.parents
        self.futures = Counter(_outcome(future) for future in self.world.futures)
        self.ending = (loop.turns, loop.time())
        loop.seen.clear()
        ended = len(self.world.effects)
        self.world.tasks.clear()
        self.world.futures.clear()
        gc.collect()
        self.world.effects[ended:] = sorted(self.world.effects[ended:])  # the collector has an order of its own


def _outcome(future: asyncio.Future[Any]) -> str:
    if not future.done():
        return "pending"
    if future.cancelled():
        return "cancelled"
    return "returned" if future._exception is None else "raised"


def run_both(core: str, setup: str, program: Program) -> tuple[Outcome, Outcome, Trace]:
    """Run a program plain, then traced."""
    plain = Outcome(program, SETUPS[setup])
    with traced(core) as recording:
        observed = Outcome(program, SETUPS[setup])
    return plain, observed, recording.trace


@pytest.mark.parametrize("setup", SETUPS)
@settings(max_examples=EXAMPLES, **LIMITS)
@example(program=[("future", "Future"), ("resolve", 0, "exception"), ("repr",), ("bad callback",)])
@example(program=[("spawn", "Task", [("sleep", 1)]), ("cancel task", 0), ("await task", 0)])
@example(program=[("generator", [("yield",)]), ("group", [[("raise",)], [("sleep", 1)]], [("sleep", 3.25)])])
@given(program=programs())
def test_a_traced_program_does_the_same(core: str, setup: str, program: Program) -> None:
    """Effects, their order and instants, turns of the loop, names, reprs and complaints are those of the plain run, and every
    task and future of the program is in the trace with its outcome and creator."""
    plain, observed, trace = run_both(core, setup, program)
    assert observed.world.effects == plain.world.effects
    assert observed.ending == plain.ending
    assert_complete(observed, trace, names=not NAMED_LATE or setup != "eager")


def assert_complete(observed: Outcome, trace: Trace, *, names: bool = True) -> None:
    """The trace has what the program itself counted."""
    found = Counter((task.name, task.coroutine, task.outcome) for task in trace.tasks)
    if names:
        assert found == observed.tasks
    else:
        assert sorted(row[1:] for row in found.elements()) == sorted(row[1:] for row in observed.tasks.elements())
    name_of = {task.id: task.name for task in trace.tasks}
    for task in trace.tasks:
        if names and task.name in observed.parents:
            assert task.parent is not None
            assert name_of[task.parent] == observed.parents[task.name]
    ours = [future for future in trace.futures if future.created_at and future.created_at.function == "World.make_future"]
    assert Counter(future.outcome for future in ours) == observed.futures


@pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed")
@settings(max_examples=EXAMPLES // 3, **LIMITS)
@given(program=programs())
def test_invariants_hold_on_uvloop(core: str, program: Program) -> None:
    """The contract's invariants hold on a loop that is not asyncio's."""
    with traced(core) as recording:
        world = World(unit=0.0002)
        with suppress(asyncio.CancelledError):
            UVLOOP.run(lambda: world.main(program))
        world.tasks.clear()
        world.futures.clear()
        gc.collect()
    names = {task.id: task.name for task in recording.trace.tasks}
    assert set(world.parents) <= set(names.values())


def test_the_plain_run_is_the_same_each_time() -> None:
    """The programs are deterministic, or the comparison would prove nothing."""
    program: Program = [
        ("spawn", "create_task", [("sleep", 1), ("executor",), ("raise",)]),
        ("future", "Future"),
        ("resolve by thread", 0),
        ("await future", 0),
        ("gather", [[("sleep", 2)], [("put", 0), ("get", 0)]], True),
    ]
    assert Outcome(program, SETUPS["plain"]).world.effects == Outcome(program, SETUPS["plain"]).world.effects
