"""Who holds a lock or a semaphore from when to when, and how long a queue is, also where nobody waits; and that the program
does not notice that we look.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import re
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from asyncio_trace.model import Hold, Level, Resource, Trace
from tracer.look import line_of, task_named
from tracer.tracing import ASYNCIO, Main, Traced, traced

TraceMain = Callable[[Main], Traced]
WATCHED = [
    (asyncio.Lock, "_locked"),
    (asyncio.Semaphore, "_value"),
    (asyncio.Event, "set"),
    (asyncio.Barrier, "_count"),
    (asyncio.Queue, "_wakeup_next"),
]
BEFORE = asyncio.Lock()
"""Made before any trace."""


def named(name: str, coro: Any) -> asyncio.Task[Any]:
    """A task of that name."""
    return asyncio.get_running_loop().create_task(coro, name=name)


def resource(trace: Trace, role: str) -> Resource:
    """The one resource of that role."""
    (found,) = [resource for resource in trace.resources if resource.role == role]
    return found


def holds_of(trace: Trace, role: str) -> list[Hold]:
    """Who held the one resource of that role, in order."""
    number = resource(trace, role).id
    return [hold for hold in trace.holds if hold.resource == number]


def levels_of(trace: Trace, role: str) -> list[Level]:
    """The levels of the one resource of that role, in order."""
    number = resource(trace, role).id
    return [level for level in trace.levels if level.resource == number]


def names(trace: Trace, tasks: list[int | None]) -> list[str | None]:
    """The names of tasks."""
    return [next((task.name for task in trace.tasks if task.id == number), None) for number in tasks]


# -- who holds ----------------------------------------------------------------------------------------------------------


def test_a_lock_taken_without_waiting_has_its_holder(trace_main: TraceMain) -> None:
    """The hold has the task, both lines, and ends when the lock is given back."""

    async def main() -> None:
        lock = asyncio.Lock()
        await lock.acquire()  # taken
        await asyncio.sleep(0)
        lock.release()  # given back

    trace = trace_main(main).trace
    (hold,) = holds_of(trace, "lock")
    assert [task.id for task in trace.tasks] == [hold.task]
    assert line_of(hold.at).endswith("# taken")
    assert hold.released_by is not None
    assert (hold.released_by.kind, hold.released_by.task) == ("task", hold.task)
    assert line_of(hold.released_by.at).endswith("# given back")
    assert hold.to_ns is not None
    assert hold.from_ns < hold.to_ns == hold.released_by.ns
    assert resource(trace, "lock").value == 1


def test_a_lock_goes_from_holder_to_holder(trace_main: TraceMain) -> None:
    """Each that waited holds it once, one after the other; the wait is on the lock that is held."""

    async def use(lock: asyncio.Lock) -> None:
        async with lock:
            await asyncio.sleep(0)

    async def main() -> None:
        lock = asyncio.Lock()
        await asyncio.gather(*(named(name, use(lock)) for name in "abc"))

    trace = trace_main(main).trace
    holds = holds_of(trace, "lock")
    assert names(trace, [hold.task for hold in holds]) == ["a", "b", "c"]
    for earlier, later in pairwise(holds):
        assert earlier.to_ns is not None
        assert earlier.to_ns <= later.from_ns
    waits = [wait for wait in trace.waits if wait.kind == "lock"]
    assert {wait.awaited.id for wait in waits} == {resource(trace, "lock").id}
    assert len(waits) == 2


def test_a_lock_that_is_never_given_back_is_held_to_the_end(trace_main: TraceMain) -> None:
    """Its hold has no end, even if the holder is long over."""

    async def take(lock: asyncio.Lock) -> None:
        await lock.acquire()

    async def main() -> None:
        await named("taker", take(asyncio.Lock()))

    trace = trace_main(main).trace
    (hold,) = holds_of(trace, "lock")
    assert hold.task == task_named(trace, "taker").id
    assert (hold.to_ns, hold.released_by) == (None, None)


def test_another_may_give_a_lock_back(trace_main: TraceMain) -> None:
    """The hold is the taker's, and ends by who gave it back: here a callback."""

    async def main() -> None:
        lock = asyncio.Lock()
        await lock.acquire()

        def give_back() -> None:
            lock.release()

        asyncio.get_running_loop().call_soon(give_back)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    trace = trace_main(main).trace
    (hold,) = holds_of(trace, "lock")
    assert hold.task is not None
    assert hold.released_by is not None
    assert (hold.released_by.kind, hold.released_by.task) == ("callback", None)
    assert hold.released_by.label is not None
    assert hold.released_by.label.endswith("give_back")


def test_a_semaphore_has_as_many_holders_as_units(trace_main: TraceMain) -> None:
    """Those that wait hold from the instant at which a unit is given to them, at the line at which they wait."""

    async def use(semaphore: asyncio.Semaphore) -> None:
        async with semaphore:  # here
            await asyncio.sleep(0.001)

    async def main() -> None:
        semaphore = asyncio.Semaphore(2)
        await asyncio.gather(*(named(name, use(semaphore)) for name in "abcde"))

    trace = trace_main(main).trace
    holds = holds_of(trace, "semaphore")
    assert names(trace, [hold.task for hold in holds]) == [*"abcde"]
    assert all(line_of(hold.at).endswith("# here") for hold in holds)
    assert all(hold.to_ns is not None for hold in holds)
    for hold in holds:
        at_once = [other for other in holds if other.from_ns <= hold.from_ns < (other.to_ns or 0)]
        assert len(at_once) <= 2
    found = resource(trace, "semaphore")
    assert (found.value, found.most) == (2, 0)


def test_a_unit_that_was_given_to_a_cancelled_task_goes_back(trace_main: TraceMain) -> None:
    """It holds it from then until it wakes and gives it back; then the next one holds it."""

    async def use(semaphore: asyncio.BoundedSemaphore) -> None:
        async with semaphore:
            await asyncio.sleep(0)

    async def main() -> None:
        semaphore = asyncio.BoundedSemaphore(1)
        await semaphore.acquire()
        victim, other = named("victim", use(semaphore)), named("other", use(semaphore))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        semaphore.release()
        victim.cancel()
        await asyncio.wait([victim, other])

    trace = trace_main(main).trace
    holds = holds_of(trace, "semaphore")
    assert names(trace, [hold.task for hold in holds])[1:] == ["victim", "other"]
    assert all(hold.to_ns is not None for hold in holds)
    assert holds[1].released_by is not None
    assert holds[1].released_by.task == task_named(trace, "victim").id
    assert resource(trace, "semaphore").most == 1


def test_a_lock_held_when_the_trace_begins_has_an_unknown_holder(core: str) -> None:
    """It is held from the start; instances made before the trace are followed like others."""

    async def main() -> None:
        await BEFORE.acquire()
        with traced(core) as recording:
            await asyncio.sleep(0)
            BEFORE.release()
            async with BEFORE:
                await asyncio.sleep(0)
        results.append(recording)

    results: list[Traced] = []
    ASYNCIO.run(main)
    first, second = holds_of(results[0].trace, "lock")
    assert (first.task, first.from_ns, first.at) == (None, 0, None)
    assert first.to_ns is not None
    assert first.to_ns <= second.from_ns
    assert second.task is not None


# -- how long, how set ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue])
def test_a_queue_has_its_length_over_time(trace_main: TraceMain, kind: Callable[[int], Any]) -> None:
    """Each item that comes or goes is a step, with who did it; without waiting as well as with."""

    async def take(queue: asyncio.Queue[int]) -> None:
        for _ in range(4):
            await queue.get()

    async def main() -> None:
        queue = kind(2)
        queue.put_nowait(1)
        queue.put_nowait(2)
        taker = named("taker", take(queue))
        await queue.put(3)
        await queue.put(4)
        await taker
        with suppress(asyncio.QueueEmpty):
            queue.get_nowait()

    trace = trace_main(main).trace
    levels = levels_of(trace, "queue")
    steps = [level.value for level in levels]
    assert [abs(after - before) for before, after in zip([0, *steps], steps, strict=False)] == [1] * 8
    taker = task_named(trace, "taker").id
    takes = [level.by for level, before in zip(levels, [0, *steps], strict=False) if level.value < before]
    assert [by.task for by in takes if by is not None] == [taker] * 4
    found = resource(trace, "queue")
    assert (found.type, found.most, found.value) == (kind.__name__, 2, 0)
    assert {wait.awaited.id for wait in trace.waits if wait.kind.startswith("queue")} <= {found.id}


@pytest.mark.skipif(not hasattr(asyncio.Queue, "shutdown"), reason="from 3.13 on")
def test_a_queue_that_is_shut_down_is_empty(trace_main: TraceMain) -> None:
    """Shut down at once it loses its items at once, by who did it."""

    async def main() -> None:
        queue: Any = asyncio.Queue()
        queue.put_nowait(1)
        queue.put_nowait(2)
        queue.shutdown(immediate=True)  # here

    levels = levels_of(trace_main(main).trace, "queue")
    assert [level.value for level in levels] == [1, 2, 0]
    assert levels[-1].by is not None
    assert line_of(levels[-1].by.at).endswith("# here")


def test_an_event_tells_who_set_it(trace_main: TraceMain) -> None:
    """Set and cleared, with the lines; setting what is set is no change."""

    async def main() -> None:
        event = asyncio.Event()
        event.set()  # on
        event.set()
        event.clear()  # off

    levels = levels_of(trace_main(main).trace, "event")
    assert [level.value for level in levels] == [1, 0]
    assert [line_of(level.by.at)[-5:] for level in levels if level.by] == [" # on", "# off"]


def test_the_event_inside_a_queue_is_not_told(trace_main: TraceMain) -> None:
    """It is the queue's own business."""

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        queue.put_nowait(1)
        queue.get_nowait()
        queue.task_done()
        await queue.join()

    assert [resource.role for resource in trace_main(main).trace.resources] == ["queue"]


def test_a_barrier_tells_how_many_are_there(trace_main: TraceMain) -> None:
    """One more as each comes, one less as each goes."""

    async def come(barrier: asyncio.Barrier) -> None:
        await barrier.wait()

    async def main() -> None:
        barrier = asyncio.Barrier(3)
        await asyncio.gather(*(come(barrier) for _ in range(3)))

    trace = trace_main(main).trace
    assert [level.value for level in levels_of(trace, "barrier")] == [1, 2, 3, 2, 1, 0]
    assert resource(trace, "barrier").most == 3


def test_a_thread_without_a_loop_is_told(core: str) -> None:
    """Setting a known event from a thread, which asyncio forbids and people do, is a thread's deed."""

    async def main() -> None:
        event = asyncio.Event()
        event.set()
        event.clear()
        thread = threading.Thread(target=event.set, name="forbidden")
        thread.start()
        thread.join()

    with traced(core) as recording:
        ASYNCIO.run(main)
    last = levels_of(recording.trace, "event")[-1]
    assert last.value == 1
    assert last.by is not None
    assert (last.by.kind, last.by.label) == ("thread", "forbidden")


def test_a_loop_that_is_not_followed_leaves_no_records(core: str) -> None:
    """What happens on it is none of ours."""

    async def main() -> None:
        async with asyncio.Lock():
            asyncio.Queue[int]().put_nowait(1)

    with traced(core, every_loop=False) as recording:
        ASYNCIO.run(main)
    assert recording.trace.resources == []


def test_many_short_lived_locks_are_told_apart(core: str) -> None:
    """Addresses are used again by others; each lock is a resource of its own."""

    async def main() -> None:
        for _ in range(500):
            async with asyncio.Lock():
                pass

    with traced(core) as recording:
        ASYNCIO.run(main)
    holds = recording.trace.holds
    assert len({hold.resource for hold in holds}) == len(holds) == 500


# -- identity -----------------------------------------------------------------------------------------------------------


def awaited_by_kind(trace: Trace, kind: str) -> list[tuple[str, int | None]]:
    """Class and id of what each wait of a kind is on, in order."""
    return [(wait.awaited.type, wait.awaited.id) for wait in trace.waits if wait.kind == kind]


def test_waits_on_one_socket_are_on_the_same(core: str) -> None:
    """A socket that is waited on twice is one thing, and not that of another."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(2)]
        try:
            for (ours, theirs), times in zip(pairs, (2, 1), strict=True):
                ours.setblocking(False)
                for _ in range(times):
                    loop.call_later(0.001, theirs.send, b"x")
                    await loop.sock_recv(ours, 1)
        finally:
            for pair in pairs:
                for end in pair:
                    end.close()

    with traced(core) as recording:
        ASYNCIO.run(main)
    kinds, ids = zip(*awaited_by_kind(recording.trace, "socket"), strict=True)
    assert set(kinds) == {"socket"}
    assert ids[0] == ids[1] != ids[2]


def test_waits_on_one_process_are_on_the_same(core: str) -> None:
    """A process is one thing for `wait` and `communicate`."""

    async def main() -> None:
        code = "import sys; sys.stdin.read()"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE)
        waiting = named("waiting", process.wait())
        await asyncio.sleep(0)
        await process.communicate(b"text")
        await waiting

    with traced(core) as recording:
        ASYNCIO.run(main)
    trace = recording.trace
    ids = {wait.awaited.id for wait in trace.waits if wait.awaited.type == "Process"}
    (waiting,) = [wait for wait in trace.waits if wait.awaited.label == "Process.wait"]
    assert ids == {waiting.awaited.id}
    assert waiting.kind == "process"


def test_waits_on_one_stream_are_on_the_same(trace_main: TraceMain) -> None:
    """Each end of a connection has its reader and its writer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readline()
            await asyncio.sleep(0.001)
            writer.write(b"answer\n")
        await named("write", big(writer))
        writer.close()

    async def big(writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(1 << 24))
        await writer.drain()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for _ in range(2):
                await asyncio.sleep(0.001)
                writer.write(b"question\n")
                await reader.readline()
            await reader.read()
            writer.close()
            await writer.wait_closed()

    trace = trace_main(main).trace
    by_task: dict[int, set[int | None]] = {}
    for wait in trace.waits:
        if wait.kind == "stream.read":
            assert wait.awaited.type == "StreamReader"
            by_task.setdefault(wait.task, set()).add(wait.awaited.id)
    ours, theirs = by_task.values()
    assert len(ours) == len(theirs) == 1
    assert ours != theirs
    assert {wait.awaited.type for wait in trace.waits if wait.kind == "stream.write"} == {"StreamWriter"}


# -- the guest's manners --------------------------------------------------------------------------------------------------


@pytest.fixture
def around(core: str) -> Iterator[None]:
    """A trace around the test."""
    with traced(core):
        yield


def test_classes_are_afterwards_what_they_were(core: str) -> None:
    """No class keeps an attribute of ours."""
    before = [dict(vars(kind)) for kind, _ in WATCHED]
    with traced(core):
        assert all(name in vars(kind) for kind, name in WATCHED)
    assert [dict(vars(kind)) for kind, _ in WATCHED] == before


def test_an_instance_looks_the_same_in_between(core: str) -> None:
    """`__dict__`, `repr`, copies, weak references and attributes are as without us, and after the trace as well."""

    class Own(asyncio.Semaphore):
        __slots__ = ("extra",)

    def looks(make: Callable[[], Any]) -> list[Any]:
        thing = make()
        names = sorted(vars(thing))
        values = {name: value for name, value in vars(thing).items() if isinstance(value, int)}
        copied = vars(copy.copy(thing))
        return [
            names,
            values,
            sorted(copied),
            re.sub("0x[0-9a-f]+", "", repr(thing)),
            weakref.ref(thing)() is thing,
            sorted(dir(thing)),
        ]

    makers: list[Callable[[], Any]] = [
        asyncio.Lock,
        asyncio.Event,
        lambda: asyncio.Semaphore(3),
        lambda: asyncio.BoundedSemaphore(3),
        lambda: Own(2),
        lambda: asyncio.Barrier(2),
        asyncio.Queue,
        asyncio.PriorityQueue,
    ]
    plain = [looks(make) for make in makers]
    with traced(core):
        made = [make() for make in makers]
        assert [looks(make) for make in makers] == plain
    assert [sorted(vars(thing)) for thing in made] == [row[0] for row in plain]
    assert [thing for thing in made if isinstance(thing, asyncio.Lock) and thing.locked()] == []


def test_a_lock_pickles_as_without_us(around: None) -> None:
    """State goes through `__dict__`."""
    lock: Any = pickle.loads(pickle.dumps(asyncio.Event()))
    assert not lock.is_set()
    lock.set()
    assert vars(pickle.loads(pickle.dumps(lock)))["_value"] is True


def test_what_is_not_there_fails_in_the_same_words(core: str) -> None:
    """An attribute of the class, one that was deleted, one that is deleted twice."""

    def fails() -> list[str]:
        told = []
        lock: Any = asyncio.Lock()
        del lock._locked
        for act in (
            lambda: lock._locked,
            lambda: asyncio.Lock._locked,  # type: ignore[attr-defined]
            lambda: delattr(lock, "_locked"),
            lambda: lock.locked(),
        ):
            with pytest.raises(AttributeError) as caught:
                act()
            told.append(f"{caught.value} {caught.value.name}")
        lock._locked = True
        told.append(str(lock.locked()))
        return told

    plain = fails()
    with traced(core):
        assert fails()[:2] == plain[:2]
        assert fails()[-1] == "True"
    assert not hasattr(asyncio.Lock, "_locked")


def test_a_subclass_may_have_its_own(around: None) -> None:
    """A class attribute, a slot, a property of that name, and `__getattr__` work as without us."""

    class Counted(asyncio.Semaphore):
        @property
        def _value(self) -> int:
            return self.units

        @_value.setter
        def _value(self, value: int) -> None:
            self.units = value

    class Wordy(asyncio.Lock):
        def __getattr__(self, name: str) -> str:
            return f"no {name}"

    async def main() -> None:
        semaphore = Counted(2)
        async with semaphore:
            assert semaphore.units == 1
        wordy: Any = Wordy()
        async with wordy:
            assert wordy.locked()
        del wordy._locked
        assert wordy._locked == "no _locked"

    ASYNCIO.run(main)


def test_a_queue_of_ones_own_is_never_asked_for_its_length(core: str) -> None:
    """`qsize` and a container's `__len__` are the program's code: they run when the program calls them."""
    asked: list[str] = []

    class Items(list[int]):
        def __len__(self) -> int:
            asked.append("len")
            return super().__len__()

    class Own(asyncio.Queue[int]):
        def _init(self, maxsize: int) -> None:
            self._queue = Items()

        def qsize(self) -> int:
            asked.append("qsize")
            return len(self._queue)

        def _get(self) -> int:
            return self._queue.pop(0)

    async def main() -> None:
        queue = Own()
        queue.put_nowait(1)
        await queue.get()

    ASYNCIO.run(main)
    plain = list(asked)
    asked.clear()
    with traced(core):
        ASYNCIO.run(main)
    assert asked == plain


def test_nothing_is_kept_alive(around: None) -> None:
    """A lock goes when the program lets go of it."""

    async def main() -> None:
        lock = asyncio.Lock()
        async with lock:
            pass
        gone = weakref.ref(lock)
        del lock
        assert gone() is None

    gc.collect()
    ASYNCIO.run(main)
