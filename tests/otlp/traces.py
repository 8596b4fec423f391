"""Traces made by hand, for the tests of this folder."""

from __future__ import annotations

from asyncio_trace.model import Awaited, Future, Job, Loop, Program, Run, Site, Task, Trace, Wait, Waker

MS = 1_000_000
STARTED = 1_790_000_000_123_456_789
"""An origin that is no whole microsecond, as real ones are."""

MAIN = Site("main", "/srv/gather.py", 12, "__main__")
WORK = Site("work", "/srv/gather.py", 5, "__main__")
SLEEP = Site("sleep", "/usr/lib/python3.11/asyncio/tasks.py", 639, "asyncio.tasks")


def program(duration_ns: int, *argv: str) -> Program:
    """A program of one loop that ran for `duration_ns`."""
    loop = Loop(1, "_UnixSelectorEventLoop", 4242, "MainThread", 0, duration_ns)
    return Program(list(argv or ("gather", "--seed", "7")), "3.11.7", "Linux", 4242, [loop], STARTED, duration_ns, "python")


def task(
    number: int, parent: int | None, start: int, end: int | None, outcome: str = "returned", coroutine: str = "work"
) -> Task:
    """A task of loop 1; times in nanoseconds, `end` None for one that is pending."""
    row = Task(number, f"Task-{number}", coroutine, parent, 1, start, start, end, outcome if end is not None else "pending")
    row.created_at = MAIN
    row.steps = 2
    row.waiting_ns = max(0, (end or start) - start)
    return row


def sleep(task: int, start: int, end: int | None) -> Wait:
    """A wait in `asyncio.sleep`, ready a microsecond before it ends."""
    ready = None if end is None else max(start, end - 1000)
    waker = None if ready is None else Waker("timer", None, ready, None, "sleep")
    return Wait(task, start, ready, end, "sleep", Awaited("Future", None, "sleep"), (WORK, SLEEP), waker)


def gather_trace(tasks: int = 10) -> Trace:
    """`main` gathers `tasks` tasks that sleep 2 ms, 4 ms, ...; the last one wakes main."""
    last = 2 * MS * tasks + 500
    trace = Trace(program(last + 2 * MS))
    trace.tasks.append(task(1, None, 1_001, last + MS, coroutine="main"))
    for number in range(tasks):
        begin, end = 2_003 + number, 2 * MS * (number + 1) + 500
        trace.tasks.append(task(number + 2, 1, begin, end))
        trace.waits.append(sleep(number + 2, begin + 10, end - 10))
    waker = Waker("task", tasks + 1, last - 5, WORK)
    stack = (MAIN,)
    trace.waits.append(Wait(1, 1_900, last, last + 900, "gather", Awaited("_GatheringFuture", 99, "gather"), stack, waker))
    trace.runs.append(Run(1, None, 1, 1_001, 1_900))
    return trace


def eventful_trace() -> Trace:
    """One of everything: a failure, a cancellation, a pending task, fire-and-forget, a blocking step, futures and jobs."""
    trace = Trace(program(900 * MS, "/srv/app.py"))
    failed = task(2, 1, 10 * MS, 20 * MS, "raised", "fail")
    failed.exception = "ValueError"
    cancelled = task(3, 1, 10 * MS, 40 * MS, "cancelled", "victim")
    cancelled.cancelled_by = Waker("task", 1, 35 * MS, MAIN)
    trace.tasks = [
        task(1, None, 1 * MS, 500 * MS, coroutine="main"),
        failed,
        cancelled,
        task(4, 1, 50 * MS, 800 * MS, coroutine="background"),
        task(5, 4, 60 * MS, None, coroutine="stuck"),
    ]
    trace.waits = [
        sleep(1, 2 * MS, 100 * MS),
        sleep(1, 260 * MS, 480 * MS),
        sleep(5, 61 * MS, None),
        sleep(2, 11 * MS, 11 * MS + 9),
    ]
    trace.waits.append(
        Wait(1, 485 * MS, 490 * MS, 495 * MS, "task", Awaited("Task", 4, "Task-4"), (MAIN,), Waker("task", 4, 490 * MS, WORK))
    )
    trace.runs = [
        Run(1, None, 1, 100 * MS, 260 * MS),
        Run(None, "app.on_timer", 1, 510 * MS, 700 * MS),
        Run(1, None, 1, 1 * MS, 2 * MS),
    ]
    asyncio_site = Site("create_future", "base_events.py", 420, "asyncio.base_events")
    trace.futures = [
        Future(50, "Future", 1, 3 * MS, 1, MAIN, 70 * MS, Waker("task", 4, 70 * MS, WORK), "returned"),
        Future(51, "Future", 1, 3 * MS, 1, asyncio_site, 70 * MS, Waker("task", 4, 70 * MS, WORK), "returned"),
        Future(52, "Future", 1, 4 * MS, None, MAIN),
    ]
    trace.jobs = [
        Job(60, 1, 1, None, "read", MAIN, 110 * MS, 111 * MS, 150 * MS, 777, "pool_0", "returned"),
        Job(61, 1, 2, None, "slow", WORK, 12 * MS, 12 * MS, 600 * MS, 778, "pool_1", "returned"),
    ]
    return trace
