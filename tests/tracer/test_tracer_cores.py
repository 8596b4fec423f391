"""Which core is taken, and that it makes no difference to what a trace says."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from asyncio_trace.errors import UsageError
from asyncio_trace.events import records as r
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.recording.writer import RecordingWriter
from asyncio_trace.tracer import core as cores
from asyncio_trace.tracer.session import Session
from tracer.generated import Program, World, programs
from tracer.test_tracer_properties import EXAMPLES, LIMITS, SETUPS
from tracer.virtual_loop import VirtualLoop

needs_native = pytest.mark.skipif(cores.why_not_native() is not None, reason=f"no native core: {cores.why_not_native()}")

STRINGS = frozenset(("type", "name", "coroutine", "function", "exception"))
"""Fields that name a text in the tables."""


@needs_native
def test_auto_is_the_native_core_where_there_is_one() -> None:
    """Whoever does not ask gets the fast core."""
    assert cores.resolve("auto") == "native"
    assert cores.resolve("python") == "python"


def test_asking_for_a_core_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """`native` without the extension is an error that says why and what to write; `auto` is then the Python core."""
    monkeypatch.setattr(cores, "why_not_native", lambda: "this build has none")
    with pytest.raises(UsageError, match="native core is not to be had here: this build has none; use --core python"):
        cores.resolve("native")
    assert cores.resolve("auto") == "python"


class Clock:
    """Tells the time of a virtual loop."""

    loop: VirtualLoop | None = None

    def __call__(self) -> int:
        """Nanoseconds."""
        return 0 if self.loop is None else round(self.loop.now * 1_000_000_000)


def events_of(core: str, setup: str, program: Program) -> list[Any]:
    """What a core records of a program on a virtual clock: each record with its texts, sites and stacks spelled out."""
    clock = Clock()

    def make() -> VirtualLoop:
        clock.loop = VirtualLoop()
        SETUPS[setup](clock.loop)
        return clock.loop

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.atrace"
        file = path.open("wb", buffering=0)
        session = Session(RecordingWriter(file, {}), core=core, clock=clock)
        try:
            with asyncio.Runner(loop_factory=make) as runner:
                loop = runner.get_loop()
                assert isinstance(loop, VirtualLoop)
                loop.slow_callback_duration = 1000
                world = World(loop)
                with suppress(asyncio.CancelledError):
                    runner.run(world.main(program))
                runner.run(world.drain())
            loop.seen.clear()
            world.tasks.clear()
            world.futures.clear()
            gc.collect()
        finally:
            assert session.end() is None
        with RecordingReader(path) as reader:
            return from_task_1([spelled(record, reader) for record in reader.records() if type(record) in r.HEADERS])


def from_task_1(events: list[Any]) -> list[Any]:
    """With default names counted from the first one here: asyncio counts on through the process."""
    names = (event[2] for event in events if event[0] == "TaskNamed")
    first = next((int(name[5:]) for name in names if name.startswith("Task-")), 0)

    def counted(part: Any) -> Any:
        number = part[5:] if isinstance(part, str) and part.startswith("Task-") else ""
        return f"Task-{int(number) - first}" if number.isdecimal() else part

    return [tuple(map(counted, event)) for event in events]


def spelled(record: Any, reader: RecordingReader) -> Any:
    """A record with what its numbers stand for."""
    tables = reader.tables
    if isinstance(record, r.NumberedName):
        return ("TaskNamed", record.task, f"Task-{record.number}")
    out: list[Any] = [type(record).__name__]
    for name, value in record._asdict().items():
        if name == "thread" or (name in ("waker_id", "origin_id") and out[-1] == r.WakerKind.THREAD):
            continue  # whether a thread is a new one is up to the system
        if name in STRINGS:
            out.append(tables.string(value))
        elif name in ("site", "waker_site"):
            out.append(tables.sites.get(value))
        elif name == "stack":
            out.append([tables.sites.get(site) for site in tables.stacks.get(value, ())])
        elif name in ("waker_id", "origin_id") and out[-1] in (r.WakerKind.CALLBACK, r.WakerKind.TIMER):
            out.append(tables.string(value))
        else:
            out.append(value)
    return tuple(tuple(part) if isinstance(part, list) else part for part in out)


def by_thread(events: list[Any]) -> tuple[list[Any], list[Any]]:
    """The records of the loop's thread in their order, and those of executor threads, which run in real time, sorted."""
    loops, jobs = [], []
    for event in events:
        if event[0] == "JobRan":
            jobs.append(event)
        elif event[0] != "ThreadSeen":
            loops.append(event)
    return loops, sorted(jobs)


@pytest.fixture(autouse=True)
def no_collections() -> Iterator[None]:
    """A collection may come at another moment with another core."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@needs_native
@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.filterwarnings("ignore:coroutine 'World.body' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:(?s).*World.body:pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=EXAMPLES, **LIMITS)
@given(program=programs())
def test_both_cores_record_the_same(setup: str, program: Program) -> None:
    """On a virtual clock, record for record, word for word; what a thread records comes when the thread does."""
    (ours, our_threads), (theirs, their_threads) = (by_thread(events_of(core, setup, program)) for core in ("native", "python"))
    assert ours == theirs
    assert our_threads == their_threads
