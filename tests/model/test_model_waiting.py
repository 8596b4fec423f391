"""Who waits for whom at an instant, and the way of a cancellation, from tables made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from asyncio_trace.exporters.timeline.exporter import pieces
from asyncio_trace.model import Awaited, Member, Program, Task, Trace, Wait, Waker
from asyncio_trace.model.cancellation import cancelled_through
from asyncio_trace.model.waiting import wait_for_graph

BOSS, WORKER, HELPER = 1, 2, 3
ASKED = Waker("task", 9, 50, None)


def task(number: int, *, ended: int | None = None, cancelled_by: Waker | None = None) -> Task:
    """A task that begins at 0."""
    return Task(number, f"task {number}", "work", None, 1, 0, 0, ended, cancelled_by=cancelled_by)


def wait(waiting: int, awaited: int | None, start: int, end: int | None) -> Wait:
    """A wait on something."""
    return Wait(waiting, start, end, end, "task", Awaited("Task", awaited, ""), (), None)


def trace(tasks: Sequence[Task], waits: Sequence[Wait], members: Sequence[Member] = ()) -> Trace:
    """A trace of those rows."""
    return Trace(Program(duration_ns=100), tasks, waits=waits, members=members)


@pytest.mark.parametrize(
    ("ns", "graph"),
    [
        (5, {}),
        (10, {BOSS: {WORKER}}),
        (19, {BOSS: {WORKER}}),
        (20, {}),
        (45, {BOSS: {WORKER, HELPER}}),
        (60, {BOSS: {HELPER}}),
        (99, {BOSS: {HELPER}}),
    ],
)
def test_the_graph_holds_from_suspension_to_resumption(ns: int, graph: dict[int, set[int]]) -> None:
    """Of what a wait is for only tasks that are not done; a wait that has not ended goes on."""
    found = trace(
        [task(BOSS), task(WORKER, ended=50), task(HELPER)],
        [wait(BOSS, WORKER, 10, 20), wait(BOSS, 77, 40, None)],
        [Member(1, WORKER), Member(1, HELPER), Member(1, 78)],
    )
    assert wait_for_graph(found, ns) == {waiting: frozenset(awaited) for waiting, awaited in graph.items()}


def test_a_cancellation_comes_down_through_those_that_wait() -> None:
    """Through a wait on a task and on members of a gather; the timeline tells it too."""
    found = trace(
        [task(number, cancelled_by=ASKED) for number in (BOSS, WORKER, HELPER)],
        [wait(BOSS, 77, 10, 60), wait(WORKER, HELPER, 10, 55)],
        [Member(0, WORKER)],
    )
    assert cancelled_through(found) == {WORKER: (BOSS,), HELPER: (BOSS, WORKER)}
    document = json.loads("".join(pieces(found)))
    assert [row["cancelled_through"] for row in document["tasks"]] == [[], [BOSS], [BOSS, WORKER]]


@pytest.mark.parametrize(
    ("upper", "ended"),
    [
        (None, 60),
        (replace(ASKED, task=8), 60),
        (replace(ASKED, kind="timer"), 60),
        (replace(ASKED, ns=51), 60),
        (ASKED, 40),
    ],
)
def test_a_request_of_its_own_came_through_nobody(upper: Waker | None, ended: int) -> None:
    """The awaiting task was not cancelled, by another, later, or did not wait any more."""
    found = trace([task(BOSS, cancelled_by=upper), task(WORKER, cancelled_by=ASKED)], [wait(BOSS, WORKER, 10, ended)])
    assert cancelled_through(found) == {}


def test_a_circle_has_an_end() -> None:
    """Tasks that wait for each other, as only a damaged recording says of cancelled ones."""
    found = trace(
        [task(number, cancelled_by=ASKED) for number in (BOSS, WORKER)],
        [wait(BOSS, WORKER, 10, None), wait(WORKER, BOSS, 10, None)],
    )
    assert cancelled_through(found) == {BOSS: (WORKER,), WORKER: (BOSS,)}
