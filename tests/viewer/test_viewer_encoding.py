"""What stands in a page is the trace: read back by the viewer's own code, every row is as in the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asyncio_trace.analysis.critical_path import critical_path
from asyncio_trace.exporters.html.columns import pack, steps, zigzag
from asyncio_trace.exporters.html.encode import encode
from asyncio_trace.exporters.html.interned import Combinations
from asyncio_trace.exporters.html.page import page
from asyncio_trace.model import Loop, Program, Run, Site, Task, Trace, Waker, load
from viewer.pages import MS, contended, finding, read_back, recorded, written


def _site(site: Site | None) -> list[object] | None:
    return None if site is None else [site.function, site.file, site.line]


def _waker(waker: Waker | None) -> list[object] | None:
    if waker is None:
        return None
    return [waker.kind, waker.task, waker.ns, _site(waker.at), waker.label or None]


def _check(trace: Trace, read: Any) -> None:
    assert read["tasks"] == [
        [
            *(task.id, task.name or f"task {task.id}", task.coroutine, task.parent, task.loop),
            *(task.created_ns, task.started_ns, task.ended_ns, task.outcome, task.exception),
            *(_site(task.created_at), task.eager, _waker(task.cancelled_by)),
        ]
        for task in trace.tasks
    ]
    place = {task.id: row for row, task in enumerate(trace.tasks)}
    runs = [run for run in trace.runs if run.task is not None]
    runs.sort(key=lambda run: (place[run.task or 0], run.start_ns))
    assert read["runs"] == [[run.task, run.loop, run.start_ns, run.end_ns] for run in runs]
    waits = sorted(trace.waits, key=lambda wait: (place[wait.task], wait.start_ns))
    assert [row[:6] for row in read["waits"]] == [
        [wait.task, wait.start_ns, wait.ready_ns, wait.end_ns, wait.kind, wait.awaited.label or wait.kind] for wait in waits
    ]
    assert [row[6] for row in read["waits"]] == [
        0 if wait.kind in ("sleep", "yield") else wait.awaited.id or 0 for wait in waits
    ]
    assert [row[7] for row in read["waits"]] == [[_site(site) for site in wait.stack] for wait in waits]
    assert [row[8] for row in read["waits"]] == [_waker(wait.waker) for wait in waits]
    assert read["callbacks"] == [[run.callback, run.loop, run.start_ns, run.end_ns] for run in trace.runs if run.task is None]
    assert read["idle"] == [[idle.loop, idle.start_ns, idle.end_ns] for idle in trace.idle]
    holds = sorted(trace.holds, key=lambda hold: (hold.resource, hold.from_ns))
    assert read["holds"] == [[hold.resource, hold.task or None, hold.from_ns, hold.to_ns, _site(hold.at)] for hold in holds]
    assert read["jobs"] == [
        [
            *(job.task, job.function, _site(job.at), job.submitted_ns, job.started_ns, job.ended_ns),
            None if job.thread is None else [job.thread, job.thread_name or ""],
        ]
        for job in trace.jobs
    ]


@pytest.mark.parametrize(
    "scenario", ["gather", "lock", "executor", "cancel", "eager", "exception", "deadlock", "queue", "taskgroup", "timeout"]
)
def test_a_recorded_trace_comes_back(scenario: str, tmp_path: Path) -> None:
    """Each row of a scenario's trace reads in the viewer as in the model, to the nanosecond."""
    trace = load(recorded(scenario, tmp_path))
    read = read_back(written(trace, tmp_path))
    _check(trace, read)
    for task, times in zip(trace.tasks, read["times"], strict=True):
        if task.ended_ns is not None:
            assert (times["running"], times["ready"], times["waiting"]) == (task.running_ns, task.ready_ns, task.waiting_ns)


@pytest.mark.parametrize("scenario", ["gather", "lock", "cancel", "queue", "deadlock", "blocking"])
def test_the_critical_path_is_that_of_the_report(scenario: str, tmp_path: Path) -> None:
    """Viewer and `report --critical-path` walk back alike, to the end of each task."""
    trace = load(recorded(scenario, tmp_path))
    read = read_back(written(trace, tmp_path))
    for task, pieces in zip(trace.tasks, read["paths"], strict=True):
        path = critical_path(trace, task.id)
        assert path is not None
        assert pieces == [
            [one.task, one.start_ns, one.end_ns, one.kind if one.kind in ("running", "ready") else "waiting"]
            for one in path.segments
        ]


def test_a_trace_made_by_hand_comes_back(tmp_path: Path) -> None:
    """Waits without an end, wakers without a line, and findings keep what they say."""
    read = read_back(
        written(contended(("a", "b", "Task-7", "")), tmp_path, [finding(), finding(task=None), finding(task=4711)])
    )
    _check(contended(("a", "b", "Task-7", "")), read)
    assert [row[1] for row in read["findings"]] == [11, None, None]


def test_an_empty_trace_comes_back(tmp_path: Path) -> None:
    """A trace in which nothing happened is a page all the same."""
    read = read_back(written(Trace(Program([], "", "", 0, [], 0, 0, "")), tmp_path))
    assert (read["tasks"], read["runs"], read["waits"]) == ([], [], [])


def test_a_wait_cut_by_a_gap_ends_where_its_task_is_heard_of_again(tmp_path: Path) -> None:
    """In a damaged recording a wait may have no end though its task ran on: it is drawn to that run, and no further."""
    trace = contended(("a", "b"))
    trace.runs = [*trace.runs, Run(11, None, 1, 210 * MS, 220 * MS)]
    read = read_back(written(trace, tmp_path))
    (cut,) = [until for row, until in zip(read["waits"], read["drawnUntil"], strict=True) if row[0] == 11]
    assert cut == 210 * MS


def test_loops_that_nobody_introduced_are_kept(tmp_path: Path) -> None:
    """Runs on a loop of which the recording's begin is lost stand on a loop of their own; instants beyond 4 s keep each ns."""
    late = 9_007_199_254_740_000
    tasks = [Task(5, "x", "work", None, 77, late, late + 1, late + 3, "returned")]
    loop = Loop(3, "Loop", 1, "MainThread", 0)
    trace = Trace(Program([], "", "", 0, [loop], 0, late + 5, ""), tasks=tasks, runs=[Run(5, None, 77, late + 1, late + 3)])
    read = read_back(written(trace, tmp_path))
    _check(trace, read)


def test_what_is_too_much_for_a_browser_is_left_out_and_told(tmp_path: Path) -> None:
    """A page of at most so many rows ends at the first instant that it can't tell of, and says so."""
    trace = contended()
    document = encode(trace, [], most_rows=5)
    file = tmp_path / "page.html"
    file.write_text("".join(page(document)), encoding="utf-8")
    read = read_back(file)
    assert len(read["runs"]) + len(read["waits"]) <= 5
    assert all(row[2] < document.head["end"] for row in read["runs"])
    left = len(trace.runs) + len(trace.waits) - len(read["runs"]) - len(read["waits"])
    assert f"{left} runs and waits after that" in document.head["left_out"]
    assert encode(trace, []).head["left_out"] == ""


def test_a_column_is_as_wide_as_its_greatest_number() -> None:
    """255 takes one byte a row, 256 two; an empty column is none."""
    assert pack("a", np.array([0, 255])).width == 1
    assert pack("a", np.array([0, 256])).width == 2
    assert (pack("a", np.array([], np.int64)).rows, pack("a", np.array([2**53])).width) == (0, 7)


def test_small_differences_are_small_numbers() -> None:
    """Zigzag interleaves negative and positive; steps tell each number from the one before."""
    assert zigzag(np.array([0, -1, 1, -2, 2**50])).tolist() == [0, 1, 2, 3, 2**51]
    assert steps(np.array([5, 5, 4])).tolist() == [10, 0, 1]


def test_combinations_are_numbered_once() -> None:
    """Equal rows have one number, over several calls."""
    combinations = Combinations()
    first = combinations.take(np.array([1, 1, -1]), np.array([0, 0, 7]))
    again = combinations.take(np.array([-1, 2]), np.array([7, 0]))
    assert first[0] == first[1] != first[2]
    assert again[0] == first[2]
    assert combinations.all()[int(again[1])] == (2, 0)
