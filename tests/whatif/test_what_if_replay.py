"""Replays without any change do what the recording did, and changes that match nothing say so."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings

from asyncio_trace.analysis.what_if import predict as predict_module
from asyncio_trace.analysis.what_if.build import graph_of
from asyncio_trace.analysis.what_if.changes import parse
from asyncio_trace.analysis.what_if.predict import predict
from asyncio_trace.analysis.what_if.replay import replay
from asyncio_trace.errors import InputError, UsageError
from asyncio_trace.model import Sample, Site, Trace
from tracer.generated import Program, World, programs
from tracer.test_tracer_properties import EXAMPLES, LIMITS
from tracer.virtual_loop import VirtualLoop
from whatif.simulated import SECOND, simulated, spend

TICK = 200
NEAR_NS = 50 * TICK
"""What the loop itself takes is replayed to within so much."""


@pytest.mark.filterwarnings("ignore:coroutine 'World.body' was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:(?s).*World.body:pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=EXAMPLES, **LIMITS)
@given(program=programs())
def test_generated_programs_replay_as_they_were(program: Program) -> None:
    """Whatever a program does, its replay takes as long as its recording, within 1 %."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = World(loop)
        with suppress(asyncio.CancelledError):
            await world.main(program)
        await world.drain()

    prediction = predict(simulated(main, tick=TICK), [])
    assert prediction.replayed_ns == pytest.approx(prediction.recorded_ns, rel=0.01, abs=NEAR_NS)
    assert prediction.predicted_ns == prediction.recorded_ns
    assert prediction.coroutines == []


def test_what_callbacks_take_is_replayed() -> None:
    """A program that does little but have callbacks resolve futures takes as long in its replay."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(200):
            future: asyncio.Future[None] = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    prediction = predict(simulated(main, tick=TICK), [])
    assert prediction.replayed_ns == pytest.approx(prediction.recorded_ns, rel=0.01)


def several() -> Trace:
    """A program with a timer, a blocking step, and a semaphore that is waited for."""

    async def use(slots: asyncio.Semaphore) -> None:
        async with slots:
            await asyncio.sleep(1)

    async def main() -> None:
        slots = asyncio.Semaphore(2)
        await asyncio.gather(*(use(slots) for _ in range(6)))
        spend(2)

    return simulated(main, tick=TICK)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("thread:nowhere.py:1", "no step of 1 ms or more was seen to block at nowhere.py:1, or lies before or after"),
        ("semaphore:999=3", "there is none for which a task had to wait; known are #"),
        ("semaphore:use=2", "2 at once is what it let in"),
        ("shorter:main=1s", "no wait for a timer, for I/O or for a job is at main"),
        ("gather:main", "no task has two awaits at main one after another"),
    ],
)
def test_change_that_matches_nothing_is_an_error(change: str, said: str) -> None:
    """A change of something that the run does not have is refused with what to look at."""
    with pytest.raises(UsageError, match=change.split("=")[0]) as caught:
        predict(several(), [parse(change)])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "thread", "thread:", "thread:a.py:1=0", "thread:a.py:1=x", "semaphore:3", "semaphore:3=0", "semaphore:3=many",
        "shorter:a.py:1", "shorter:a.py:1=fast", "gather:a.py:1=2", "faster:a.py:1=2",
    ],
)  # fmt: skip
def test_what_is_no_change_is_an_error(text: str) -> None:
    """A word that says no change is refused with the forms that there are, or with how to write a time."""
    with pytest.raises(UsageError, match=r"write (thread:PLACE, semaphore:ID=WIDTH|10ms)"):
        parse(text)


def test_blocking_line_names_the_step() -> None:
    """A step can be named by the line at which the watchdog saw it block, which may be far from any await."""
    trace = several()
    main = max(trace.tasks, key=lambda task: task.running_ns)
    stack = (Site("main", "/srv/app.py", 3), Site("parse", "/srv/lib/parser.py", 7))
    trace.witnesses.samples.append(Sample(main.loop, main.id, 4 * SECOND, 3 * SECOND, stack, 0))
    for change in ("thread:parser.py:7", "thread:parse", "thread:srv/app.py:3"):
        assert predict(trace, [parse(change)]).effects[0].startswith("1 step of 2 s in all would run in a thread")


def test_width_of_a_semaphore_is_told() -> None:
    """How many a semaphore let in is found from its holders, those included that found it free."""
    [effect] = predict(several(), [parse("semaphore:use=3")]).effects
    assert effect.endswith("would let in 3 at once, and not 2")


def test_changes_add_up() -> None:
    """Several changes are made to one replay."""
    trace = several()
    alone = [predict(trace, [parse(change)]).predicted_ns for change in ("semaphore:use=6", "thread:main")]
    both = predict(trace, [parse("semaphore:use=6"), parse("thread:main")])
    assert alone == pytest.approx([3 * SECOND, 5 * SECOND], rel=0.01)
    assert both.predicted_ns == pytest.approx(3 * SECOND, rel=0.01)
    assert len(both.effects) == 2


def test_lives_of_a_coroutines_tasks_are_told() -> None:
    """Where a run takes as long as others want it to, as a service does, the tasks' lives say what a change brings."""
    [use, main] = predict(several(), [parse("semaphore:use=6")]).coroutines
    assert (use.coroutine.rpartition(".")[2], use.tasks) == ("use", 6)
    assert use.mean_ns == pytest.approx(2 * SECOND, rel=0.01)
    assert use.predicted_ns == pytest.approx(SECOND, rel=0.01)
    assert main.tasks == 1


def test_runs_follow_each_other() -> None:
    """A main task that began after the end of another one's begins earlier if that one ends earlier."""

    async def first() -> None:
        await asyncio.sleep(2)

    async def second() -> None:
        await asyncio.sleep(5)

    trace = simulated(first, second, tick=TICK)
    graph = graph_of(trace)
    assert graph is not None
    parse("shorter:first=1s").apply(graph)
    ended = replay(graph).ended
    assert [ended[task.id] / SECOND for task in trace.tasks] == pytest.approx([1, 6], rel=0.01)


def test_run_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of more waits than can be replayed is refused in one line, before it takes all memory."""
    monkeypatch.setattr(predict_module, "MOST_WAITS", 3)
    with pytest.raises(UsageError, match="3 at most can be replayed"):
        predict(several(), [])


def test_trace_without_tasks_cant_be_replayed() -> None:
    """There is nothing to predict where nothing ran, or nothing ended."""
    trace = several()
    trace.tasks = []
    with pytest.raises(InputError, match="no task"):
        predict(trace, [])
    trace = several()
    trace.tasks = [replace(task, ended_ns=None) for task in trace.tasks]
    with pytest.raises(InputError, match="no task of the recording has ended"):
        predict(trace, [])
