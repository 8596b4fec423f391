"""The stack of what blocks a loop is taken while it does, by a thread that the program does not notice."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from asyncio_trace.model import Sample
from asyncio_trace.tracer import watchdog
from tracer.look import line_of
from tracer.tracing import LoopKind, Main, Traced

BLOCKED = 0.5
"""Seconds: twenty looks of the watchdog, of which a busy machine may leave out some."""


def sleeping() -> None:
    """Gives up the GIL and does nothing."""
    time.sleep(BLOCKED)  # sleeps


def computing() -> int:
    """Keeps the processor busy, in Python."""
    number, end = 0, time.perf_counter() + BLOCKED
    while (now := time.perf_counter()) < end and (number := number + (now > 0)):  # computes
        pass  # computes
    return number


def keeping_the_gil() -> int:
    """Is in one call of C code that gives up nothing."""
    return sum(range(15_000_000))  # keeps it


CULPRITS = ((sleeping, "# sleeps"), (computing, "# computes"), (keeping_the_gil, "# keeps it"))


@pytest.mark.parametrize(("culprit", "marker"), CULPRITS)
def test_the_line_is_that_which_blocks(culprit: Callable[[], Any], marker: str, trace_main: Callable[[Main], Traced]) -> None:
    """Whether it sleeps, computes in Python, or stays in C code: samples of the step stand there, below the task's own line."""

    async def main() -> None:
        await asyncio.sleep(0)
        culprit()
        await asyncio.sleep(0)

    trace = trace_main(main).trace
    # on a busy machine any sample may come late; what was computing stands in the same lines then
    samples = [sample for sample in trace.witnesses.samples if culprit.__name__ in functions(sample)]
    assert samples
    at_the_line = [sample for sample in samples if line_of(sample.stack[-1]).endswith(marker)]
    assert len(at_the_line) >= len(samples) - 1  # the first look may fall before it
    assert at_the_line
    (task,) = (task for task in trace.tasks if task.coroutine.endswith("main"))
    for sample in samples:
        assert sample.task == task.id
        assert sample.stack[0].function.endswith("main")
        assert any(run.task == task.id and run.start_ns <= sample.ns <= run.end_ns for run in trace.runs)


def functions(sample: Sample) -> list[str]:
    """The functions of a sample's stack."""
    return [site.function for site in sample.stack]


def test_a_callback_that_blocks_is_seen(trace_main: Callable[[Main], Traced]) -> None:
    """A run that is no task's has its samples, too, from the callback's own frame on."""

    async def main() -> None:
        asyncio.get_running_loop().call_soon(sleeping)
        await asyncio.sleep(0.01)

    samples = trace_main(main).trace.witnesses.samples
    assert samples
    assert {(sample.task, tuple(functions(sample))) for sample in samples} == {(None, ("sleeping",))}


def test_what_does_not_block_is_not_sampled(trace_main: Callable[[Main], Traced]) -> None:
    """A loop that waits, or whose runs are short, is left alone."""

    async def main() -> None:
        for _ in range(30):
            await asyncio.sleep(0.005)

    assert trace_main(main).trace.witnesses.samples == []


def test_samples_of_a_long_run_get_fewer() -> None:
    """The watch takes a run's first samples at every look, and later ones more seldom."""
    looks = watchdog._OFTEN + 3 * watchdog._SELDOM
    recorder: Any = type("Recorder", (), {"clock": staticmethod(lambda: 10), "origin": 0})()
    watch = watchdog.Watch(recorder, watchdog.DEFAULT_THRESHOLD_NS)
    loop: Any = type("Loop", (), {"current": None, "cause": (), "run_end": 5, "foreign": True})()
    seen = [0, 0, 0, 0]
    due = [watch._is_due(loop, seen, 10) for _ in range(looks + 1)]
    assert due[0] is False
    assert sum(due) < looks
    assert all(due[1 : watchdog._OFTEN])
    assert sum(due[watchdog._OFTEN + 1 :]) == 3


@pytest.mark.parametrize(("threshold", "period"), [(1, 5), (40, 10), (100, 25), (10_000, 50)])
def test_a_shorter_threshold_means_more_looks(threshold: int, period: int) -> None:
    """Milliseconds between two looks, for a threshold in milliseconds."""
    assert watchdog.period_ns(threshold * 1_000_000) == period * 1_000_000


def test_the_program_sees_no_thread_of_ours(tracing: Callable[[], AbstractContextManager[Traced]], loop_kind: LoopKind) -> None:
    """Neither while it blocks nor when it forks, after which blocking is noticed again; the trace's end leaves no thread."""
    said: list[str] = []

    async def main() -> None:
        assert threading.active_count() == active
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            child = os.fork()
            if not child:
                os._exit(0)
            os.waitpid(child, 0)
        said.append(", ".join(one.category.__name__ for one in caught))
        await asyncio.sleep(0)
        sleeping()
        await asyncio.sleep(0)

    with tracing():
        pass  # the recording is read with numpy, which has threads of its own
    active = threading.active_count()
    loop_kind.run(main)
    before = threads()
    with tracing() as traced:
        loop_kind.run(main)
    assert threads() <= before
    assert said[0] == said[1], "Python warns of threads at a fork, if any other package has some, as it does without us"
    assert {line_of(sample.stack[-1]) for sample in traced.trace.witnesses.samples} == {"time.sleep(BLOCKED)  # sleeps"}


def threads() -> int:
    """Threads of this process, as the system counts them."""
    return len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 0
