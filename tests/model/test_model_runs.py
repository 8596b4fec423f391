"""Runs of a loop never overlap and lose no time, however steps and callbacks nest."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncio_trace.model.spans import split_nested
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


def split(found: list[Span]) -> list[Run]:
    """The runs, with a callback's number for its name."""
    loop, start, end = (np.array([span[place] for span in found], np.int64) for place in range(3))
    runs = zip(*(column.tolist() for column in split_nested(loop, start, end)), strict=True)
    of = [(number, None) if is_step else (None, str(number)) for *_, number, is_step in found]
    return [Run(of[place][0], of[place][1], found[place][0], start, end) for place, start, end in runs]


@settings(max_examples=200, deadline=None, database=None)
@given(spans())
def test_runs_never_overlap(found: list[Span]) -> None:
    """On each loop a run begins when the one before it is over, and runs are ordered by start."""
    runs = split(found)
    assert [run.start_ns for run in runs] == sorted(run.start_ns for run in runs)
    ends: dict[int, int] = {}
    for run in runs:
        assert ends.get(run.loop, 0) <= run.start_ns < run.end_ns
        ends[run.loop] = run.end_ns


@settings(max_examples=200, deadline=None, database=None)
@given(spans())
def test_total_time_is_kept(found: list[Span]) -> None:
    """The runs cover exactly the instants that the spans cover, and each instant belongs to one run."""
    runs = split(found)
    covered = {(loop, instant) for loop, start, end, _, _ in found for instant in range(start, end)}
    assert sum(run.end_ns - run.start_ns for run in runs) == len(covered)
    assert {(run.loop, instant) for run in runs for instant in range(run.start_ns, run.end_ns)} == covered


@settings(max_examples=200, deadline=None, database=None)
@given(spans())
def test_each_run_lies_within_its_span(found: list[Span]) -> None:
    """What a step or callback holds of its loop is a part of its own time."""
    within = {number: (start, end) for _, start, end, number, _ in found}
    for run in split(found):
        start, end = within[run.task if run.task is not None else int(run.callback or 0)]
        assert start <= run.start_ns < run.end_ns <= end


def test_an_inner_step_splits_the_outer() -> None:
    """An eager first step inside its creator's step leaves the creator two runs."""
    runs = split([(1, 0, 10, 7, True), (1, 3, 5, 8, True)])
    assert [(run.task, run.start_ns, run.end_ns) for run in runs] == [(7, 0, 3), (8, 3, 5), (7, 5, 10)]


def test_equal_instants_on_two_loops_stay_apart() -> None:
    """Runs of two loops at the same time do not disturb each other."""
    runs = split([(1, 0, 10, 7, True), (2, 2, 8, 9, True), (2, 3, 4, 11, False)])
    assert [(run.task, run.start_ns, run.end_ns) for run in runs] == [(7, 0, 10), (9, 2, 3), (None, 3, 4), (9, 4, 8)]
    assert [run.loop for run in runs] == [1, 2, 2, 2]
