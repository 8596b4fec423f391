"""Each segment of the native core's can be read without those before it, and tells nothing but what the records told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asyncio_trace.events import records as r
from asyncio_trace.model import Trace, load
from asyncio_trace.recording import writer as writing
from asyncio_trace.recording.alive import Alive
from asyncio_trace.recording.format import SEGMENT, Segment
from asyncio_trace.recording.naming import named
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.tracer.session import record_to
from recording.files import frames_of
from recording.plain_reader import PlainReader
from tracer.tracing import CORES, check_invariants

pytestmark = pytest.mark.skipif("native" not in CORES, reason="there is no native core here")


async def program(flush: Callable[[], None]) -> None:
    """Tasks that come and go, some that wait all along, and a thread; what there is of it is written now and then."""
    loop = asyncio.get_running_loop()
    event, lock, future = asyncio.Event(), asyncio.Lock(), loop.create_future()

    async def wait_for_event() -> None:
        await event.wait()

    async def hold() -> None:
        async with lock:
            await event.wait()

    async def want() -> None:
        async with lock:
            pass

    async def wait_for_future() -> None:
        await future

    async def busy(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)
        await loop.run_in_executor(None, int)

    patient = [asyncio.create_task(wait(), name=f"{wait.__name__} all along") for wait in (wait_for_event, hold, want)]
    patient += [asyncio.create_task(wait_for_future()), asyncio.create_task(wait_for_event())]
    for number in range(40):
        await asyncio.gather(*(busy(number % 7) for _ in range(10)), return_exceptions=True)
        loop.create_future().add_done_callback(print)
        flush()
    event.set()
    future.set_result(None)
    await asyncio.gather(*patient)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of many segments."""
    path = tmp_path_factory.mktemp("alive") / "r.atrace"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SEGMENT_BYTES", 3000)
        session = record_to(str(path), core="native")
        asyncio.run(program(session.recorder.flush))
        assert session.end() is None
    return path


def parts(path: Path) -> tuple[bytes, list[int]]:
    """The bytes of a recording, and where its segments begin."""
    content = path.read_bytes()
    begins = [at for at, kind, _ in frames_of(content) if kind == SEGMENT]
    assert len(begins) > 5
    return content, begins


def check_times(trace: Trace) -> None:
    """What is known of a task's life is no more than its life."""
    for task in trace.tasks:
        parts_of_life = (task.running_ns, task.ready_ns, task.waiting_ns)
        assert min(parts_of_life) >= 0, task
        assert sum(parts_of_life) <= (trace.program.duration_ns if task.ended_ns is None else task.ended_ns) - task.created_ns
    for wait in trace.waits:
        assert wait.start_ns <= (wait.ready_ns or wait.start_ns) <= (wait.end_ns or trace.program.duration_ns), wait


def test_all_segments_together_are_the_trace(recording: Path) -> None:
    """What is told again changes nothing for who has read all before."""
    trace = load(recording)
    assert trace.complete
    assert trace.program.recorded_from_ns == 0
    check_invariants(trace)
    assert len([task for task in trace.tasks if task.name.endswith("all along")]) == 3
    assert {task.outcome for task in trace.tasks} == {"returned"}
    assert len(trace.tasks) == 406


def test_whatever_records_name_stands_in_their_segment(recording: Path) -> None:
    """Rows, and threads; futures and resources unless they are gone."""
    content, begins = parts(recording)
    for begin, end in zip(begins, [*begins[1:], len(content)], strict=True):
        reader = PlainReader(content[: begins[0]] + content[begin:end])
        assert not reader.damaged
        records = [r.KINDS[kind]._make(fields) for kind, fields in reader.records]
        tables: dict[str, Any] = {"strings": reader.strings, "sites": reader.sites, "stacks": reader.stacks}
        tables["thread"] = {record.thread for record in records if isinstance(record, r.ThreadSeen)}
        tables["thing"] = {record[0] for record in records if isinstance(record, (r.FutureCreated, r.ResourceSeen))}
        tables["thing"] |= {record[0] for record in records if isinstance(record, (r.TaskCreated, r.TaskAlive))}
        for record in records:
            for what, number in named(record):
                assert number in tables[what] or what == "thing", (record, what)
            if isinstance(record, r.TaskAlive) and record.awaited and not record.made:
                assert record.awaited in tables["thing"]


def is_known(alive: Alive, record: r.Record) -> bool:
    """A record that tells again what the records before it told."""
    if isinstance(record, r.ResourceTaken):
        return any(hold[:3] == record[:3] for hold in alive._holds.get(record.resource, ()))
    if isinstance(record, r.ResourceState):
        return record.resource in alive._states
    if isinstance(record, r.FutureResolved):
        return record in alive._resolved
    if isinstance(record, (r.ResourceSeen, r.FutureCreated)):
        return ("thing", record[0]) in alive._things
    return isinstance(record, r.ThreadSeen) and ("thread", record.thread) in alive._things


def test_what_a_segment_tells_is_what_the_records_before_it_say(recording: Path) -> None:
    """At each beginning the writer in C knows the same as the one in Python that read all of it."""
    alive = Alive()
    expected: list[r.Record] = []
    told = set()
    with RecordingReader(recording) as reader:
        for record in reader.records():
            if isinstance(record, Segment):
                assert not expected
                alive.begin_segment()
                if record.segment:
                    expected = list(alive.alive(record.ns))
                    expected += [thing for one in expected for thing in alive.things(one)]
            elif expected:
                assert record == expected.pop(0)
                told.add(type(record))
            elif not is_known(alive, record):
                alive.take(record)
    assert told >= {r.LoopAlive, r.TaskAlive, r.NumberedName, r.ThreadSeen, r.ResourceSeen, r.ResourceState, r.ResourceTaken}
    assert r.FutureCreated in told


def test_a_recording_from_any_segment_on_is_a_trace(recording: Path, tmp_path: Path) -> None:
    """It begins in mid-run, and tasks that were there already wait for what they wait for."""
    content, begins = parts(recording)
    path = tmp_path / "part.atrace"
    for begin in begins[1:-1]:
        path.write_bytes(content[: begins[0]] + content[begin:])
        trace = load(path)
        check_times(trace)
        assert trace.complete
        assert trace.program.recorded_from_ns > 0
        patient = [task for task in trace.tasks if task.name.endswith("all along")]
        assert len(patient) == 3
        (lock,) = [resource for resource in trace.resources if resource.role == "lock"]
        (hold,) = [hold for hold in trace.holds if hold.resource == lock.id][:1]
        assert [task.name for task in patient if task.id == hold.task] == ["hold all along"]
        kinds = {wait.kind for wait in trace.waits if wait.task in {task.id for task in patient}}
        assert kinds == {"event", "lock"}


def test_a_damaged_segment_costs_that_segment(recording: Path, tmp_path: Path) -> None:
    """Reading goes on with the next, and what was alive is still known."""
    content, begins = parts(recording)
    damaged = bytearray(content)
    damaged[begins[2] + 2] ^= 1
    path = tmp_path / "damaged.atrace"
    path.write_bytes(damaged)
    trace = load(path)
    assert trace.gaps == 1
    assert trace.lost_bytes == begins[3] - begins[2]
    check_times(trace)
    assert {task.outcome for task in trace.tasks if task.name.endswith("all along")} == {"returned"}
