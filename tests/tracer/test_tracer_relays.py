"""Whom a wait names where asyncio's own callbacks, or the task itself, stand between cause and effect."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

from tracer.tracing import traced


def run_traced(main: Any, *, debug: bool = False) -> Any:
    """Trace `main()` on a new loop; the trace."""
    with traced("python") as recording, asyncio.Runner(debug=debug) as runner:
        runner.run(main())
    return recording.trace


def test_a_bare_yield_is_ready_at_once() -> None:
    """A task that only yields never waits: all that it does not run, it is ready."""

    async def main() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    trace = run_traced(main)
    (task,) = trace.tasks
    assert task.waiting_ns == 0
    assert [(wait.kind, wait.ready_ns == wait.start_ns) for wait in trace.waits] == [("yield", True)] * 5


def test_a_callback_that_the_task_queued_itself_wakes_it_when_it_runs() -> None:
    """A task that queues the very callback that resolves its future is woken by that callback, not by itself beforehand."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future

    trace = run_traced(main)
    (wait,) = trace.waits
    assert wait.waker.kind == "callback"
    assert wait.waker.label == "Future.set_result"
    assert wait.ready_ns > wait.start_ns


def test_a_task_cancelled_in_the_step_that_woke_it_names_its_canceller() -> None:
    """Cancelling a task that the same step has just made ready shows who did it."""

    async def waiting(event: asyncio.Event) -> None:
        await event.wait()

    async def main() -> None:
        event = asyncio.Event()
        task = asyncio.create_task(waiting(event))
        await asyncio.sleep(0)
        event.set()
        task.cancel()
        await asyncio.wait([task])

    trace = run_traced(main)
    cancelled = next(task for task in trace.tasks if task.coroutine.endswith("waiting"))
    canceller = next(task for task in trace.tasks if task.coroutine.endswith("main"))
    assert cancelled.outcome == "cancelled"
    assert cancelled.cancelled_by is not None
    assert (cancelled.cancelled_by.kind, cancelled.cancelled_by.task) == ("task", canceller.id)


def test_a_debug_loop_remembers_as_many_frames_as_without_us() -> None:
    """In debug mode the stack that a handle remembers is the one it remembers untraced, to asyncio's limit of frames."""
    stacks: list[traceback.StackSummary] = []

    async def main() -> None:
        def deep(depth: int) -> None:
            if depth:
                deep(depth - 1)
            else:
                handle: Any = asyncio.get_running_loop().call_soon(int)
                stacks.append(handle._source_traceback)

        await asyncio.sleep(0)
        deep(12)

    asyncio.run(main(), debug=True)
    run_traced(main, debug=True)
    plain, ours = ([(frame.name, frame.lineno) for frame in stack] for stack in stacks)
    assert ours == plain
