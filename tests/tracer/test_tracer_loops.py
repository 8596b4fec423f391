"""However a program comes by its loop, each of its tasks is traced."""

from __future__ import annotations

import asyncio
import sys
import threading
import unittest
import warnings
from asyncio import events, selector_events
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tracer.plain_loop import PlainLoop
from tracer.tracing import ASYNCIO, HAS_EAGER, HAS_UVLOOP, Main, Traced, UserLoop, traced

Tracing = Callable[[], AbstractContextManager[Traced]]

needs_uvloop = pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed")
has_policies = pytest.mark.skipif(sys.version_info >= (3, 16), reason="no policies from 3.16 on")


async def child(number: int) -> int:
    """Wait once."""
    await asyncio.sleep(0)
    return number


async def program() -> list[int]:
    """Seven tasks, each made in another way."""
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(child(0))
    second = asyncio.ensure_future(child(1))
    third = loop.create_task(child(2))
    fourth: asyncio.Task[int] = asyncio.Task(child(3), loop=loop)
    results = [*await asyncio.gather(first, second, third, fourth), await asyncio.shield(child(4))]
    async with asyncio.TaskGroup() as group:
        fifth = group.create_task(child(5))
    return [*results, await fifth]


def run_new_event_loop() -> object:
    """By hand."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(program())
    finally:
        loop.close()


def run_in_thread() -> object:
    """In a thread with a loop of its own."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(program())))
    thread.start()
    thread.join()
    return results[0]


def run_isolated_test_case() -> object:
    """By unittest."""
    results: list[object] = []

    class Case(unittest.IsolatedAsyncioTestCase):
        async def test_it(self) -> None:
            results.append(await program())

    outcome = Case("test_it").run()
    assert outcome is not None
    assert outcome.wasSuccessful(), outcome.errors
    return results[0]


def run_direct_loop(kind: Callable[[], asyncio.AbstractEventLoop]) -> object:
    """On a loop made by calling its class."""
    loop = kind()
    try:
        return loop.run_until_complete(program())
    finally:
        loop.close()


class BareLoop(selector_events.BaseSelectorEventLoop):
    """A user's subclass of the platform-neutral loop."""


def run_policy_none() -> object:
    """After the policy was reset."""
    asyncio.set_event_loop_policy(None)
    return asyncio.run(program())


def run_own_policy() -> object:
    """Under a policy of the user's own, built on the default one."""

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return UserLoop()

    asyncio.set_event_loop_policy(Policy())
    try:
        return asyncio.run(program())
    finally:
        asyncio.set_event_loop_policy(None)


def run_runner_factory() -> object:
    """By a runner with a loop factory."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(program())


def run_uvloop() -> object:
    """By uvloop's own front door."""
    import uvloop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if hasattr(uvloop, "run"):
            return uvloop.run(program())
        return run_uvloop_loop()


def run_uvloop_loop() -> object:
    """By hand, on uvloop."""
    import uvloop

    return run_direct_loop(uvloop.new_event_loop)


def run_uvloop_policy() -> object:
    """By uvloop's policy."""
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    try:
        return asyncio.run(program())
    finally:
        asyncio.set_event_loop_policy(None)


def run_own_loop() -> object:
    """On a loop that is a user's own through and through."""
    return run_direct_loop(PlainLoop)


WAYS: dict[str, Any] = {
    "asyncio.run": lambda: asyncio.run(program()),
    "asyncio.run in debug mode": lambda: asyncio.run(program(), debug=True),
    "new_event_loop": run_new_event_loop,
    "thread": run_in_thread,
    "IsolatedAsyncioTestCase": run_isolated_test_case,
    "Runner": run_runner_factory,
    "SelectorEventLoop()": lambda: run_direct_loop(asyncio.SelectorEventLoop),
    "subclass": lambda: run_direct_loop(BareLoop),
    "own loop": run_own_loop,
    "set_event_loop_policy(None)": pytest.param(run_policy_none, marks=has_policies),
    "own policy": pytest.param(run_own_policy, marks=has_policies),
    "uvloop.run": pytest.param(run_uvloop, marks=needs_uvloop),
    "uvloop.new_event_loop": pytest.param(run_uvloop_loop, marks=needs_uvloop),
    "uvloop.EventLoopPolicy": pytest.param(run_uvloop_policy, marks=[needs_uvloop, has_policies]),
}
if sys.version_info >= (3, 12):
    WAYS["asyncio.run(loop_factory=)"] = lambda: asyncio.run(program(), loop_factory=asyncio.SelectorEventLoop)


@pytest.fixture(autouse=True)
def same_policy_after() -> Iterator[None]:
    """No test leaves a policy or a current loop behind."""
    yield
    set_policy = getattr(events, "_set_event_loop_policy", None) or getattr(asyncio, "set_event_loop_policy", None)
    if set_policy is not None:
        set_policy(None)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_to_a_loop_is_traced(tracing: Tracing, way: Callable[[], object]) -> None:
    """Main and its six children are in the trace, with their parent, place and outcome."""
    with tracing() as recording:
        result = way()
    assert result == [0, 1, 2, 3, 4, 5]
    tasks = recording.trace.tasks
    children = [task for task in tasks if task.coroutine == "child"]
    assert len(children) == 6
    lines = set()
    for task in children:
        assert task.outcome == "returned"
        assert task.created_at is not None
        # the code of a user's own loop is the program's own code
        assert task.created_at.function in ("program", "PlainLoop.create_task")
        lines.add(task.created_at.line)
    assert len(lines) == 6 or way is run_own_loop
    (parent,) = {task.parent for task in children}
    assert parent in [task.id for task in tasks]
    assert all(task.outcome == "returned" for task in tasks)
    waits = Counter(wait.kind for wait in recording.trace.waits)
    assert waits["yield"] == 6
    assert waits["gather"] == 1


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_to_a_loop_runs_plain_afterwards(tracing: Tracing, way: Callable[[], object]) -> None:
    """The same way to a loop works before, during and after a trace."""
    assert way() == [0, 1, 2, 3, 4, 5]
    with tracing():
        assert way() == [0, 1, 2, 3, 4, 5]
    assert way() == [0, 1, 2, 3, 4, 5]


def test_loops_of_two_threads_are_told_apart(tracing: Tracing) -> None:
    """Two loops that run at once have their own tasks and their own thread."""
    with tracing() as recording:
        barrier = threading.Barrier(2)

        async def main(name: str) -> None:
            barrier.wait()
            await asyncio.create_task(child(1), name=name)
            barrier.wait()

        threads = [threading.Thread(target=lambda name=name: asyncio.run(main(name)), name=name) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    loops = {loop.id: loop.thread_name for loop in recording.trace.program.loops}
    assert sorted(loops.values()) == ["one", "two"]
    assert {task.name: loops[task.loop] for task in recording.trace.tasks if task.coroutine == "child"} == {
        "one": "one",
        "two": "two",
    }
    assert len(recording.trace.tasks) == 4


def test_a_custom_task_factory_is_kept(trace_main: Callable[[Main], Traced]) -> None:
    """A program's own task factory is called as ever, and its tasks are traced."""

    class OwnTask(asyncio.Task[Any]):
        pass

    calls: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> Any:
        calls.append(coro.__name__)
        return OwnTask(coro, loop=loop, **kwargs)

    async def main() -> str:
        asyncio.get_running_loop().set_task_factory(factory)
        task = asyncio.create_task(child(3), name="own")
        await task
        return type(task).__name__

    recording = trace_main(main)
    assert recording.result == "OwnTask"
    assert calls[:1] == ["child"]
    assert [task.coroutine for task in recording.trace.tasks if task.name == "own"] == ["child"]


@pytest.mark.skipif(not HAS_EAGER, reason="no eager tasks before 3.12")
def test_eager_tasks_are_seen_even_if_they_never_reach_the_loop(core: str) -> None:
    """An eager task that ends inside create_task is there with its parent, place and time, and splits its creator's run."""

    async def done_at_once() -> int:
        return 1

    async def main() -> None:
        newer: Any = asyncio
        asyncio.get_running_loop().set_task_factory(newer.eager_task_factory)
        await asyncio.create_task(done_at_once(), name="at once")
        await asyncio.create_task(child(1), name="suspends")

    with traced(core) as recording:
        ASYNCIO.run(main)
    trace = recording.trace
    tasks = {task.coroutine.rpartition(".")[2]: task for task in trace.tasks}
    assert len(trace.tasks) == len(tasks) == 3
    top = next(task for task in trace.tasks if task.coroutine.endswith("main"))
    for name in ("done_at_once", "child"):
        assert tasks[name].parent == top.id
        assert tasks[name].eager
        assert tasks[name].outcome == "returned"
        created_at = tasks[name].created_at
        assert created_at is not None
        assert created_at.function.endswith("main")
    assert len([run for run in trace.runs if run.task == top.id]) >= 3


def test_python_tasks_are_traced(trace_main: Callable[[Main], Traced]) -> None:
    """A task of asyncio's class in Python is traced as one in C is."""
    kind: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]

    async def main() -> int:
        task = kind(child(4), loop=asyncio.get_running_loop(), name="in Python")
        return int(await task)

    recording = trace_main(main)
    assert recording.result == 4
    task = next(task for task in recording.trace.tasks if task.name == "in Python")
    assert (task.coroutine, task.outcome) == ("child", "returned")
    assert task.created_at is not None
    assert task.created_at.function.endswith("main")


def test_one_loop_alone_can_be_followed(core: str) -> None:
    """With every_loop off, only the loop that was given is traced."""
    with traced(core, every_loop=False) as recording:
        run_direct_loop(asyncio.SelectorEventLoop)
        loop = asyncio.SelectorEventLoop()
        recording.session.follow(loop)
        loop.run_until_complete(child(1))
        loop.close()
    assert [task.coroutine for task in recording.trace.tasks] == ["child"]
    assert len(recording.trace.program.loops) == 1
