"""Runs of a loop never overlap and lose no time, however steps and callbacks nest."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncio_trace.model.runs import split_nested
from asyncio_trace.model.tables import Run

Span = tuple[int, int, int, int, bool]
"""(loop, start, end, number, whether it is a step)."""


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Properly nested spans on some loops."""
    found: list[Span] = []

    def fill(loop: int, start: int, end: int, depth: int) -> None:
        cuts = sorted(draw(st.lists(st.integers(start, end), max_size=6)))
        for left, right in zip(cuts[::2], cuts[1::2], strict=False):
            if draw(st.booleans()) or not depth:
                found.append((loop, left, right, len(found) + 1, draw(st.booleans())))
                if depth < 3:
                    fill(loop, left, right, depth + 1)

    for loop in range(draw(st.integers(1, 3))):
        fill(loop, 0, 60, 0)
    return found


def split(found: list[Span]) -> tuple[list[Run], dict[int, int]]:
    """The runs, with a callback's number for its name."""
    steps = [(loop, start, end, number) for loop, start, end, number, is_step in found if is_step]
    callbacks = [Run(None, str(number), loop, start, end) for loop, start, end, number, is_step in found if not is_step]
    return split_nested(steps, callbacks)


@settings(max_examples=200, deadline=None, database=None)
@given(spans())
def test_runs_never_overlap(found: list[Span]) -> None:
    """On each loop a run begins when the one before it is over, and runs are ordered by start."""
    runs, _ = split(found)
    assert [run.start_ns for run in runs] == sorted(run.start_ns for run in runs)
    ends: dict[int, int] = {}
    for run in runs:
        assert ends.get(run.loop, 0) <= run.start_ns < run.end_ns
        ends[run.loop] = run.end_ns


@settings(max_examples=200, deadline=None, database=None)
@given(spans())
def test_total_time_is_kept(found: list[Span]) -> None:
    """The runs cover exactly the instants that the spans cover, and each instant belongs to one run."""
    runs, _ = split(found)
    covered = {(loop, instant) for loop, start, end, _, _ in found for instant in range(start, end)}
    assert sum(run.end_ns - run.start_ns for run in runs) == len(covered)
    assert {(run.loop, instant) for run in runs for instant in range(run.start_ns, run.end_ns)} == covered


@settings(max_examples=200, deadline=None, database=None)
@given(spans())
def test_a_tasks_running_time_is_that_of_its_runs(found: list[Span]) -> None:
    """A task's total is the sum of its runs, and each of its runs lies within its steps."""
    runs, running = split(found)
    within = {number: (start, end) for _, start, end, number, is_step in found if is_step}
    totals: dict[int, int] = {}
    for run in runs:
        assert (run.task is None) != (run.callback is None)
        if run.task is not None:
            start, end = within[run.task]
            assert start <= run.start_ns <= run.end_ns <= end
            totals[run.task] = totals.get(run.task, 0) + run.end_ns - run.start_ns
    assert {task: total for task, total in running.items() if total} == totals


def test_an_inner_step_splits_the_outer() -> None:
    """An eager first step inside its creator's step leaves the creator two runs."""
    runs, running = split_nested([(1, 0, 10, 7), (1, 3, 5, 8)], [])
    assert [(run.task, run.start_ns, run.end_ns) for run in runs] == [(7, 0, 3), (8, 3, 5), (7, 5, 10)]
    assert running == {7: 8, 8: 2}


def test_equal_instants_on_two_loops_stay_apart() -> None:
    """Runs of two loops at the same time do not disturb each other."""
    runs, running = split_nested([(1, 0, 10, 7), (2, 2, 8, 9)], [Run(None, "callback", 2, 3, 4)])
    assert running == {7: 10, 9: 5}
    assert [run.loop for run in runs] == [1, 2, 2, 2]
