"""A trace that never ends stays within bounds: tables begin afresh, and what was recorded keeps its meaning."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any
from weakref import ref

import pytest

from asyncio_trace.model import Trace
from asyncio_trace.tracer import await_stack
from asyncio_trace.tracer import recorder as recorder_module
from asyncio_trace.tracer.await_stack import AwaitStacks
from asyncio_trace.tracer.recorder import MOST_NAMES, MOST_STRINGS, Recorder
from asyncio_trace.tracer.resources import Resources
from tracer.tracing import Main, Traced


class Kept:
    """A sink that keeps the rows of the tables."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, Any]] = {"strings": {}, "sites": {}, "stacks": {}}

    def write(self, tables: dict[str, list[Any]], records: bytes) -> None:
        """Keep the rows; a number that comes twice is an error."""
        for table, rows in tables.items():
            for number, *columns in rows:
                assert number not in self.rows[table]
                self.rows[table][number] = columns

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that begin afresh after a few rows."""
    for name, most in (("MOST_STRINGS", 8), ("MOST_NAMES", 4), ("MOST_SITES", 6), ("MOST_STACKED_SITES", 9)):
        monkeypatch.setattr(recorder_module, name, most)
    monkeypatch.setattr(await_stack, "MOST_STACKED_SITES", 9)


def program(number: int) -> dict[str, Any]:
    """A program of two functions, made anew: its code objects are nobody else's."""
    source = f"""
async def outer_{number}():
    await inner_{number}()

async def inner_{number}():
    await sleep(0.0001)
    await sleep(0)
"""
    names: dict[str, Any] = {"sleep": asyncio.sleep, "__name__": f"module_{number}"}
    exec(compile(source, f"file_{number}.py", "exec"), names)
    return names


def codes(count: int) -> Iterator[CodeType]:
    """Code objects that are alive one at a time."""
    for number in range(count):
        yield program(number)[f"inner_{number}"].__code__


def test_names_and_texts_do_not_stay() -> None:
    """However many tasks had names of their own, a bounded number of them is in memory, and each was written once."""
    sink = Kept()
    recorder = Recorder(sink)
    numbers = [recorder.name(f"request {number}") for number in range(3 * MOST_NAMES)]
    numbers += [recorder.string(f"callback {number}") for number in range(3 * MOST_STRINGS)]
    assert len(set(numbers)) == len(numbers)
    assert len(recorder._names) <= MOST_NAMES
    assert len(recorder._strings) <= MOST_STRINGS
    recorder.flush()
    assert sink.rows["strings"][numbers[5]] == ["request 5"]
    assert sink.rows["strings"][numbers[-1]] == [f"callback {3 * MOST_STRINGS - 1}"]


def test_a_name_that_comes_again_is_written_once() -> None:
    """Names that many tasks share do not fill the file."""
    sink = Kept()
    recorder = Recorder(sink)
    assert len({recorder.name("worker") for _ in range(100)}) == 1


@pytest.mark.usefixtures("small_tables")
def test_places_do_not_stay() -> None:
    """Sites and stacks are forgotten after a while; their rows then come again under new numbers."""
    sink = Kept()
    recorder = Recorder(sink)
    first = recorder.site(program.__code__, 0, __name__)
    first_stack = recorder.stack((first,))
    for code in codes(20):
        recorder.stack((first, recorder.site(code, 0, "module")))
        assert len(recorder._sites) <= 6
        assert len(recorder._code_kept) <= 6
        assert sum(map(len, recorder._stacks)) <= 9
    again = recorder.site(program.__code__, 0, __name__)
    assert again > first
    assert recorder.stack((again,)) > first_stack
    recorder.flush()
    strings = sink.rows["strings"]
    for site in (first, again):
        function, file, line, module = sink.rows["sites"][site]
        assert strings[function] == ["program"]
        assert strings[file] == [__file__]
        assert strings[module] == [__name__]
        assert line == program.__code__.co_firstlineno


@pytest.mark.usefixtures("small_tables")
def test_code_of_the_program_is_let_go() -> None:
    """A function that the program has dropped is kept only until the tables begin afresh."""
    recorder = Recorder(Kept())
    stacks = AwaitStacks(recorder, Resources(recorder))
    names = program(0)
    coroutine = names["outer_0"]()
    stacks.read(coroutine)
    code = ref(names["outer_0"].__code__)
    coroutine.close()
    del coroutine, names
    gc.collect()
    assert code() is not None
    for other in codes(20):
        recorder.site(other, 0, "module")
    gc.collect()
    assert code() is None
    assert not stacks._by_key
    assert not stacks._places


@pytest.mark.usefixtures("small_tables")
def test_a_trace_tells_the_truth_over_many_beginnings(trace_main: Callable[[Main], Traced]) -> None:
    """Each wait of each of many short-lived functions has its own stack, and each task its own name."""

    async def main() -> None:
        for number in range(40):
            task = asyncio.create_task(program(number)[f"outer_{number}"](), name=f"task {number}")
            await task
            del task
            gc.collect(0)

    trace: Trace = trace_main(main).trace
    tasks = {task.id: task for task in trace.tasks}
    seen = 0
    for wait in trace.waits:
        task = tasks[wait.task]
        if task.coroutine.startswith("outer_"):
            number = task.coroutine.removeprefix("outer_")
            assert task.name == f"task {number}"
            functions = [site.function for site in wait.stack]
            assert functions[:2] == [f"outer_{number}", f"inner_{number}"]
            assert {site.file for site in wait.stack[:2]} == {f"file_{number}.py"}
            seen += 1
    assert seen == 80
