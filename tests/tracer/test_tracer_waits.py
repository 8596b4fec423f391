"""Each thing of asyncio's that a task can wait on shows as its own kind of wait, and what woke the task is told."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tracer.look import line_of, task_named, wait_of, waits_of
from tracer.tracing import ASYNCIO, Main, Traced, traced

TraceMain = Callable[[Main], Traced]

TINY = 0.002


async def wait_for_lock() -> None:
    """Wait for a lock that another holds."""
    lock = asyncio.Lock()
    await lock.acquire()
    await asyncio.gather(named("waiter", enter(lock)), release_soon(lock))


async def wait_for_semaphore() -> None:
    """Wait for a semaphore that another holds."""
    semaphore = asyncio.Semaphore(1)
    await semaphore.acquire()
    await asyncio.gather(named("waiter", enter(semaphore)), release_soon(semaphore))


async def enter(lock: Any) -> None:
    """Hold a lock for no time."""
    async with lock:
        pass


async def release_soon(lock: Any) -> None:
    """Release it, after the others have run."""
    await asyncio.sleep(0)
    lock.release()


async def wait_for_event() -> None:
    """Wait for an event."""
    event = asyncio.Event()
    await asyncio.gather(named("waiter", event.wait()), after_a_turn(event.set))


async def wait_for_condition() -> None:
    """Wait for a condition."""
    condition = asyncio.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    async def notify() -> None:
        await asyncio.sleep(0)
        async with condition:
            condition.notify()

    await asyncio.gather(named("waiter", wait()), notify())


async def wait_for_barrier() -> None:
    """Wait for a barrier."""
    barrier = asyncio.Barrier(2)
    await asyncio.gather(named("waiter", barrier.wait()), barrier.wait())


async def wait_for_get() -> None:
    """Wait for an item."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    await asyncio.gather(named("waiter", queue.get()), after_a_turn(lambda: queue.put_nowait(1)))


async def wait_for_put() -> None:
    """Wait for room."""
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    queue.put_nowait(1)
    await asyncio.gather(named("waiter", queue.put(2)), after_a_turn(queue.get_nowait))


async def wait_for_task() -> None:
    """Wait for a task."""
    await named("waiter", awaiting(asyncio.create_task(after_a_turn(int))))


async def wait_for_shielded_task() -> None:
    """Wait for a future that stands for a shielded task."""
    await named("waiter", awaiting(asyncio.shield(after_a_turn(int))))


async def wait_for_some() -> None:
    """Wait for tasks."""
    await named("waiter", asyncio.wait([asyncio.create_task(after_a_turn(int))]))


async def wait_for_group() -> None:
    """Wait for a group."""

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(after_a_turn(int))

    await named("waiter", group())


async def wait_for_gather() -> None:
    """Wait for several."""

    async def gather() -> None:
        await asyncio.gather(after_a_turn(int), after_a_turn(int))

    await named("waiter", gather())


async def wait_for_next() -> None:
    """Wait for whichever is first."""

    async def as_completed() -> None:
        for coro in asyncio.as_completed([after_a_turn(int)]):
            await coro

    await named("waiter", as_completed())


async def wait_for_future() -> None:
    """Wait for a bare future."""
    future = asyncio.get_running_loop().create_future()
    await asyncio.gather(named("waiter", awaiting(future)), after_a_turn(lambda: future.set_result(1)))


async def wait_for_sleep() -> None:
    """Sleep."""
    await named("waiter", asyncio.sleep(TINY))


async def wait_with_limit() -> None:
    """Wait for a future, with a time limit."""
    future = asyncio.get_running_loop().create_future()
    await asyncio.gather(named("waiter", asyncio.wait_for(future, 60)), after_a_turn(lambda: future.set_result(1)))


async def wait_for_yield() -> None:
    """Give way."""
    await named("waiter", asyncio.sleep(0))


async def wait_for_line() -> None:
    """Read from a stream."""
    reader, writer, other = await stream_pair()
    await asyncio.gather(named("waiter", reader.readline()), after_a_turn(lambda: other.send(b"line\n")))
    writer.close()
    await writer.wait_closed()
    other.close()


async def wait_for_drain() -> None:
    """Write to a stream that is full."""
    _, writer, other = await stream_pair()
    writer.write(b"x" * 4_000_000)
    draining = named("waiter", writer.drain())
    reading = named("reading", asyncio.to_thread(read_all, other))
    await draining
    writer.close()
    await reading
    other.close()


def read_all(sock: socket.socket) -> None:
    """Read until the end."""
    sock.setblocking(True)
    while sock.recv(1 << 20):
        pass


async def stream_pair() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]:
    """A stream and the socket at its other end."""
    ours, other = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    return reader, writer, other


async def wait_for_socket() -> None:
    """Read from a socket."""
    ours, other = socket.socketpair()
    ours.setblocking(False)
    receiving = named("waiter", asyncio.get_running_loop().sock_recv(ours, 10))
    await asyncio.gather(receiving, after_a_turn(lambda: other.send(b"data")))
    ours.close()
    other.close()


async def wait_for_thread() -> None:
    """Have a thread do something."""
    gate = threading.Event()
    await asyncio.gather(named("waiter", asyncio.to_thread(gate.wait)), after_a_turn(gate.set))


async def wait_for_executor() -> None:
    """Have the executor do something."""
    gate = threading.Event()
    job = asyncio.get_running_loop().run_in_executor(None, gate.wait)
    await asyncio.gather(named("waiter", awaiting(job)), after_a_turn(gate.set))


async def wait_for_process() -> None:
    """Wait for a child process."""

    async def run() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "pass")
        await process.wait()

    await named("waiter", run())


async def awaiting(thing: Any) -> Any:
    """Await it."""
    return await thing


async def after_a_turn(call: Callable[[], object]) -> None:
    """Call, when the others have run."""
    await asyncio.sleep(0)
    call()


def named(name: str, coro: Any) -> asyncio.Task[Any]:
    """A task of that name."""
    return asyncio.get_running_loop().create_task(coro, name=name)


KINDS: dict[Callable[[], Any], tuple[str, str | None]] = {
    wait_for_lock: ("lock", "task"),
    wait_for_semaphore: ("semaphore", "task"),
    wait_for_event: ("event", "task"),
    wait_for_condition: ("condition", "task"),
    wait_for_barrier: ("barrier", "task"),
    wait_for_get: ("queue.get", "task"),
    wait_for_put: ("queue.put", "task"),
    wait_for_task: ("task", "task"),
    wait_for_shielded_task: ("future", "task"),
    wait_for_some: ("task", "task"),
    wait_for_group: ("task", "task"),
    wait_for_gather: ("gather", "task"),
    wait_for_next: ("task", "task"),
    wait_for_future: ("future", "task"),
    wait_for_sleep: ("sleep", "timer"),
    wait_with_limit: ("timeout", "task"),
    wait_for_yield: ("yield", "task"),
    wait_for_line: ("stream.read", "io"),
    wait_for_drain: ("stream.write", "io"),
    wait_for_socket: ("socket", "io"),
    wait_for_thread: ("executor", "thread"),
    wait_for_executor: ("executor", "thread"),
    wait_for_process: ("process", None),
}


@pytest.mark.parametrize("main", KINDS, ids=lambda main: main.__name__)
def test_each_wait_has_its_kind_and_waker(trace_main: TraceMain, loop_kind: Any, main: Main) -> None:
    """The wait's kind, its stack and the kind of its waker are those of what the task awaits."""
    if loop_kind.eager and main is wait_for_process:
        pytest.skip("a child watcher's own tasks are not what this is about")
    recording = trace_main(main)
    kind, waker = KINDS[main]
    if loop_kind.name == "uvloop" and main is wait_for_socket:
        kind = "future"  # its sockets are in C: no frame tells what the future is for
    wait = wait_of(recording.trace, "waiter")
    assert wait.kind == kind
    assert wait.waker is not None
    assert waker is None or wait.waker.kind == waker
    if waker == "task":
        assert wait.waker.task is not None
    assert task_named(recording.trace, "waiter").outcome == "returned"


def test_the_line_that_resolves_is_the_wakers(trace_main: TraceMain) -> None:
    """A task that is woken by a line of another task names that task, that line and an instant in its run."""

    async def resolver(future: asyncio.Future[int]) -> None:
        await asyncio.sleep(0)
        future.set_result(7)  # here

    async def main() -> int:
        future = asyncio.get_running_loop().create_future()
        named("resolver", resolver(future))
        return int(await named("waiter", awaiting(future)))

    recording = trace_main(main)
    waker = wait_of(recording.trace, "waiter").waker
    assert waker is not None
    assert (waker.kind, waker.task) == ("task", task_named(recording.trace, "resolver").id)
    assert line_of(waker.at).endswith("# here")
    assert [site.function.rpartition(".")[2] for site in wait_of(recording.trace, "waiter").stack] == ["awaiting"]


def test_a_gather_is_woken_by_its_last_child(trace_main: TraceMain) -> None:
    """Who awaits a gather is woken by the child that ended last."""

    async def main() -> None:
        first = named("first", asyncio.sleep(0))
        last = named("last", asyncio.sleep(TINY))

        async def gather() -> None:
            await asyncio.gather(last, first)

        await named("waiter", gather())

    recording = trace_main(main)
    waker = wait_of(recording.trace, "waiter").waker
    assert waker is not None
    assert waker.task == task_named(recording.trace, "last").id


def test_a_timer_that_is_never_due_is_a_timer(trace_main: TraceMain) -> None:
    """Sleeping for ever is a wait like another, and costs no event."""

    async def main() -> None:
        sleeper = named("sleeper", asyncio.sleep(float("inf")))
        handle = asyncio.get_running_loop().call_later(float("inf"), int)
        await asyncio.sleep(0)
        handle.cancel()
        sleeper.cancel()
        await asyncio.wait([sleeper])

    wait = wait_of(trace_main(main).trace, "sleeper")
    assert wait.kind == "sleep"


def test_a_sleep_is_ready_when_its_time_has_come(trace_main: TraceMain) -> None:
    """A sleeper that finds the loop busy was ready at its due time, and not when the loop got to it."""

    async def main() -> None:
        sleeper = named("sleeper", asyncio.sleep(TINY))
        await asyncio.sleep(0)
        threading.Event().wait(10 * TINY)  # blocks the loop
        await sleeper

    wait = wait_of(trace_main(main).trace, "sleeper")
    assert wait.ready_ns is not None
    assert wait.end_ns is not None
    assert wait.ready_ns - wait.start_ns < 6 * TINY * 1e9
    assert wait.end_ns - wait.ready_ns > 3 * TINY * 1e9


def test_a_thread_that_wakes_is_named(trace_main: TraceMain) -> None:
    """call_soon_threadsafe wakes as a thread, with its name and line."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def work() -> None:
            loop.call_soon_threadsafe(future.set_result, 1)  # here

        thread = threading.Thread(target=work, name="worker")
        waiter = named("waiter", awaiting(future))
        await asyncio.sleep(0)
        thread.start()
        await waiter
        thread.join()

    waker = wait_of(trace_main(main).trace, "waiter").waker
    assert waker is not None
    assert (waker.kind, waker.label, waker.task) == ("thread", "worker", None)


@pytest.mark.skipif(os.name != "posix", reason="signal handlers of loops need POSIX")
def test_a_signal_wakes(trace_main: TraceMain) -> None:
    """What a loop's signal handler resolves is woken by a signal."""

    async def main() -> None:
        event = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, event.set)
        waiter = named("waiter", event.wait())
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGUSR1)
        await waiter
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)

    waker = wait_of(trace_main(main).trace, "waiter").waker
    assert waker is not None
    assert waker.kind == "signal"


def test_a_callback_wakes(trace_main: TraceMain) -> None:
    """A line of the program's own in a callback wakes as that callback."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()

        def resolve() -> None:
            future.set_result(1)  # here

        waiter = named("waiter", awaiting(future))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(resolve)
        await waiter

    waker = wait_of(trace_main(main).trace, "waiter").waker
    assert waker is not None
    assert (waker.kind, waker.task) == ("callback", None)
    assert waker.label is not None
    assert waker.label.endswith("resolve")
    assert line_of(waker.at).endswith("# here")


def test_a_timers_callback_wakes_as_a_timer(trace_main: TraceMain) -> None:
    """What call_later's callback resolves is woken by the timer."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        waiter = named("waiter", awaiting(future))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(TINY, future.set_result, 1)
        await waiter

    waker = wait_of(trace_main(main).trace, "waiter").waker
    assert waker is not None
    assert waker.kind == "timer"


def test_waits_on_one_lock_share_its_identity(trace_main: TraceMain) -> None:
    """Two tasks that wait on one lock wait on one thing, and another lock is another."""

    async def main() -> None:
        locks = [asyncio.Lock(), asyncio.Lock()]
        for lock in locks:
            await lock.acquire()
        waiters = [named(f"waiter {number}", enter(locks[number // 2])) for number in range(3)]
        await asyncio.sleep(0)
        for lock in locks:
            lock.release()
        await asyncio.gather(*waiters)

    trace = trace_main(main).trace
    one, two, three = (wait_of(trace, f"waiter {number}").awaited for number in range(3))
    assert one.type == two.type == "Lock"
    assert one.id == two.id != three.id


def test_a_stack_goes_through_async_generators(trace_main: TraceMain) -> None:
    """The await stack leads from the task's coroutine through async for and a generator to the innermost frame."""

    async def items() -> Any:
        await asyncio.sleep(TINY)
        yield 1

    async def loop_over() -> None:
        async for _ in items():
            pass

    async def main() -> None:
        await named("waiter", loop_over())

    stack = wait_of(trace_main(main).trace, "waiter").stack
    assert [site.function.rpartition(".")[2] for site in stack] == ["loop_over", "items", "sleep"]


def test_executor_jobs_are_told(trace_main: TraceMain) -> None:
    """A job in the executor has its function, its task, its thread, and instants in order."""

    def work() -> int:
        return 5

    async def main() -> int:
        return int(await named("waiter", asyncio.to_thread(work)))

    recording = trace_main(main)
    assert recording.result == 5
    (job,) = recording.trace.jobs
    assert job.function.endswith("work")
    assert job.task == task_named(recording.trace, "waiter").id
    assert job.thread_name
    assert job.outcome == "returned"
    assert job.started_ns is not None
    assert job.ended_ns is not None
    assert job.submitted_ns <= job.started_ns <= job.ended_ns


def test_blocking_shows_as_ready_but_not_running(core: str) -> None:
    """A task that is queued while another blocks the loop was ready for as long as the block lasted."""

    async def main() -> None:
        other = named("other", asyncio.sleep(0))
        threading.Event().wait(5 * TINY)
        await other

    with traced(core) as recording:
        ASYNCIO.run(main)
    assert task_named(recording.trace, "other").ready_ns >= 5 * TINY * 1e9


def test_waits_follow_each_other(trace_main: TraceMain) -> None:
    """A task's waits come in order, with a run between any two."""

    async def main() -> None:
        async def several() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(TINY)
            await asyncio.sleep(0)

        await named("waiter", several())

    trace = trace_main(main).trace
    waits = waits_of(trace, "waiter")
    assert [wait.kind for wait in waits] == ["yield", "sleep", "yield"]
    for before, after in itertools.pairwise(waits):
        assert before.end_ns is not None
        assert before.end_ns <= after.start_ns
    assert task_named(trace, "waiter").steps == 4
