"""A trace's tables say the same as rows and as columns, and lead to each other."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asyncio_trace
from asyncio_trace.errors import UsageError
from asyncio_trace.model import (
    NEVER,
    NONE,
    OUTCOMES,
    WAKER_KINDS,
    Awaited,
    Callback,
    Future,
    Hold,
    Idle,
    Job,
    Level,
    Loop,
    Member,
    Program,
    Resource,
    Run,
    Site,
    Task,
    Trace,
    Wait,
    Waker,
    frames,
)
from asyncio_trace.model.joins import last_at_or_before
from asyncio_trace.model.kinds import KINDS

MAIN = Site("main", "/srv/app.py", 3, "__main__")
WORK = Site("work", "/srv/app.py", 9, "__main__")
TIMES = st.integers(0, 2**62)
IDS = st.integers(1, 2**62)
TEXTS = st.text(max_size=4)
SITES = st.builds(Site, TEXTS, TEXTS, st.integers(0, 9), TEXTS)
WAKERS = st.builds(Waker, st.sampled_from(WAKER_KINDS[1:]), st.none() | IDS, TIMES, st.none() | SITES, st.none() | TEXTS)
SPANS = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.integers(0, 255))
ENDS = st.sampled_from(OUTCOMES)
MAYBE = st.none() | TIMES
PLACE = st.none() | SITES
TASK_ROWS = st.builds(
    Task, IDS, TEXTS, TEXTS, st.none() | IDS, IDS, TIMES, MAYBE, MAYBE, ENDS, st.none() | TEXTS, PLACE,
    TIMES, TIMES, TIMES, TIMES, st.none() | WAKERS, st.booleans(), st.none() | SPANS,
)  # fmt: skip
TRACES = st.builds(
    Trace,
    st.just(Program()),
    st.lists(TASK_ROWS, max_size=4, unique_by=lambda task: task.id),
    st.lists(st.builds(Run, st.none() | IDS, st.none() | TEXTS, IDS, TIMES, TIMES), max_size=4),
    st.lists(
        st.builds(
            Wait, IDS, TIMES, MAYBE, MAYBE, st.sampled_from(KINDS) | TEXTS, st.builds(Awaited, TEXTS, st.none() | IDS, TEXTS),
            st.lists(SITES, max_size=3).map(tuple), st.none() | WAKERS,
        ),
        max_size=4,
    ),
    st.lists(st.builds(Future, IDS, TEXTS, IDS, TIMES, st.none() | IDS, PLACE, MAYBE, st.none() | WAKERS, ENDS), max_size=4),
    st.lists(
        st.builds(
            Job, IDS, IDS, st.none() | IDS, st.none() | IDS, TEXTS, PLACE, TIMES, MAYBE, MAYBE, outcome=ENDS,
        ),
        max_size=4,
    ),
    st.lists(st.builds(Idle, IDS, TIMES, TIMES), max_size=4),
    callbacks=st.lists(st.builds(Callback, TEXTS, IDS, TIMES, TIMES, TIMES, st.none() | WAKERS), max_size=4),
    resources=st.lists(st.builds(Resource, IDS, TEXTS, TEXTS, IDS, TIMES), max_size=4),
    holds=st.lists(st.builds(Hold, IDS, st.none() | IDS, TIMES, MAYBE, PLACE, st.none() | WAKERS), max_size=4),
    levels=st.lists(st.builds(Level, IDS, TIMES, IDS, st.none() | WAKERS), max_size=4),
    members=st.lists(st.builds(Member, st.integers(0, 9), IDS), max_size=4),
)  # fmt: skip


TABLES = ("tasks", "runs", "waits", "futures", "jobs", "idle", "callbacks", "resources", "holds", "levels", "members")


def turn_into_columns(trace: Trace) -> None:
    """Let a trace keep columns, as those of recordings do, in place of the rows that it was made of."""
    trace.hold(**{name: getattr(trace, name).columns for name in TABLES})


def small() -> Trace:
    """Task 7 waits on task 9, which a callback wakes; then 9 wakes 7."""
    hook = Waker("callback", None, 45, None, "hook")
    return Trace(
        Program(loops=[Loop(1, "Loop", 5, "MainThread", 2)], duration_ns=100),
        [
            Task(7, "boss", "main", None, 1, 5, 10, 90, "returned", None, MAIN, 30, 15, 40, 2),
            Task(9, "Task-2", "work", 7, 1, 15, 22, None, "pending", None, MAIN, 20, 10, 20, 2),
        ],
        [
            Run(7, None, 1, 10, 20), Run(9, None, 1, 22, 30), Run(None, "hook", 1, 42, 48), Run(9, None, 1, 50, 62),
            Run(7, None, 1, 70, 90),
        ],
        [
            Wait(7, 20, 60, 70, "task", Awaited("Task", 9, "Task-2"), (MAIN,), Waker("task", 9, 60, WORK)),
            Wait(9, 30, 45, 50, "lock", Awaited("Lock", 11, "Lock.acquire"), (WORK,), hook),
            Wait(9, 62, None, None, "x", Awaited("", None, ""), (), None),
        ],
        idle=[Idle(1, 32, 40), Idle(1, 64, 68)],
    )  # fmt: skip


@given(TRACES)
@settings(deadline=None, max_examples=60)
def test_rows_come_back_from_columns(trace: Trace) -> None:
    """A trace that keeps columns has the rows that it was made of, one by one, in slices and backwards."""
    before = {name: list(getattr(trace, name)) for name in TABLES}
    for job in trace.jobs:
        job.thread, job.thread_name = (5, "pool") if job.started_ns else (None, None)
    trace.parent_spans.update((task.id, task.parent_span) for task in trace.tasks if task.parent_span is not None)
    turn_into_columns(trace)
    for name, rows in before.items():
        table = getattr(trace, name)
        assert (list(table), len(table)) == (rows, len(rows))
        assert (table[1:3], list(reversed(table))) == (rows[1:3], rows[::-1])
        assert [table[number - len(rows)] for number in range(len(rows))] == rows


def test_columns_name_what_they_stand_for() -> None:
    """Texts, places, stacks, kinds and tasks are numbers that lead to them; what is not known has the number that says so."""
    trace = small()
    tasks, waits = trace.tasks.columns, trace.waits.columns
    assert [trace.strings[number] for number in tasks.coroutine.tolist()] == ["main", "work"]
    assert (tasks.coroutine == trace.strings.number("work")).tolist() == [False, True]
    assert (tasks.parent_row.tolist(), tasks.parent.tolist()) == ([NONE, 0], [0, 7])
    assert [trace.sites[number] for number in tasks.created_at.tolist()] == [MAIN, MAIN]
    assert tasks.ended_ns.tolist() == [90, NEVER]
    assert [OUTCOMES[number] for number in tasks.outcome.tolist()] == ["returned", "pending"]
    assert [trace.wait_kinds[number] for number in waits.kind.tolist()] == ["task", "lock", "x"]
    assert waits.kind.tolist()[:2] == [KINDS.index("task"), KINDS.index("lock")]
    assert (waits.task_row.tolist(), waits.awaited_task_row.tolist()) == ([0, 1, 1], [1, NONE, NONE])
    assert [trace.stacks[number] for number in waits.stack.tolist()] == [(MAIN,), (WORK,), ()]
    assert [WAKER_KINDS[number] for number in waits.waker.kind.tolist()] == ["task", "callback", "none"]
    assert (waits.waker.task_row.tolist(), waits.waker.ns.tolist()) == ([1, NONE, NONE], [60, 45, NEVER])
    assert trace.strings.number("nobody") == trace.sites.number(Site("", "", 0)) == NONE


def test_wakes_lead_from_a_run_to_a_wait() -> None:
    """The run of the task, or of the callback, that was going on at the waker's instant; waits without a waker have no edge."""
    trace = small()
    assert [(wake.wait, wake.run, wake.kind, wake.ns) for wake in trace.wakes] == [(0, 3, "task", 60), (1, 2, "callback", 45)]
    trace.waits = [Wait(7, 20, 21, 70, "task", Awaited("", None, ""), (), Waker("task", 9, 21, None))]
    assert [wake.run for wake in trace.wakes] == [None]


def test_iterations_lie_between_the_idle_stretches() -> None:
    """From the loop's begin to the end of the trace, with the runs that began in each."""
    rows = [(row.start_ns, row.end_ns, row.idle_ns, row.runs, row.running_ns) for row in small().iterations]
    assert rows == [(2, 32, 0, 2, 18), (40, 64, 8, 2, 18), (68, 100, 4, 1, 20)]
    assert list(Trace(Program()).iterations) == []


@given(st.lists(st.tuples(st.lists(st.integers(0, 20)), st.integers(-1, 21)), min_size=1))
@settings(deadline=None, max_examples=60)
def test_many_searches_at_once_find_what_each_would(asked: list[tuple[list[int], int]]) -> None:
    """In each stretch the last value that is not above the wanted one, as a search of that stretch alone finds it."""
    stretches = [sorted(values) for values, _ in asked]
    ends = np.cumsum([len(values) for values in stretches])
    begins = ends - [len(values) for values in stretches]
    wanted = np.array([value for _, value in asked])
    found = last_at_or_before(np.array(list(chain(*stretches)), np.int64), begins, ends, wanted)
    alone = [sum(value <= limit for value in values) - 1 for values, (_, limit) in zip(stretches, asked, strict=True)]
    assert (found - begins).tolist() == alone


def test_a_table_made_by_hand_can_be_added_to_and_one_of_a_recording_can_not() -> None:
    """Columns follow what is added; the rows of a recording stay what they are."""
    trace = small()
    trace.idle.append(Idle(1, 95, 99))
    assert trace.idle.columns.start_ns.tolist() == [32, 64, 95]
    turn_into_columns(trace)
    with pytest.raises(TypeError, match="can't be changed"):
        trace.idle.append(Idle(1, 99, 100))
    assert trace.idle[-1] == Idle(1, 95, 99)


def test_all_columns_by_name() -> None:
    """`to_numpy` has those of a waker too, each as long as the table."""
    columns = small().waits.to_numpy()
    assert {"task", "task_row", "waker_kind", "waker_task_row"} <= set(columns)
    assert {len(array) for array in columns.values()} == {3}


def test_pandas_has_texts_and_missing_values() -> None:
    """A data frame of a table shows what the rows show."""
    pytest.importorskip("pandas")
    frame = small().waits.to_pandas()
    assert frame["kind"].tolist() == ["task", "lock", "x"]
    assert frame["ready_ns"].isna().tolist() == [False, False, True]
    assert frame["waker_kind"].isna().tolist() == [False, False, True]
    assert frame["stack"].tolist() == ["main (/srv/app.py:3)", "work (/srv/app.py:9)", ""]
    assert frame.groupby("kind", observed=True)["waker_ns"].max().to_dict()["lock"] == 45
    assert len(Trace(Program()).tasks.to_pandas()) == 0


def test_arrow_has_texts_and_nulls() -> None:
    """An Arrow table shows what the rows show."""
    pytest.importorskip("pyarrow")
    table = small().tasks.to_arrow()
    assert table["coroutine"].to_pylist() == ["main", "work"]
    assert table["ended_ns"].to_pylist() == [90, None]
    assert table["parent_row"].to_pylist() == [None, 0]
    assert table["cancelled_by_kind"].to_pylist() == [None, None]
    assert Trace(Program()).waits.to_arrow().num_rows == 0


@pytest.mark.parametrize(("method", "library"), [("to_pandas", "pandas"), ("to_arrow", "pyarrow")])
def test_a_library_that_is_missing_is_named(method: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""

    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(frames, "import_module", missing)
    with pytest.raises(UsageError, match=f"pip install {library}"):
        getattr(small().tasks, method)()


def test_every_column_is_documented() -> None:
    """The reference has a row for each column of each table, with what its numbers are."""
    text = (Path(__file__).parents[2] / "docs/reference/trace-tables.md").read_text("utf-8")
    for name in (
        "tasks",
        "runs",
        "waits",
        "wakes",
        "futures",
        "callbacks",
        "iterations",
        "jobs",
        "resources",
        "holds",
        "levels",
        "idle",
    ):
        (section,) = re.findall(rf"^### `{name}`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        documented = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE)
        columns = getattr(small(), name).columns
        meanings = [(column, what.value if what else "a waker") for column, what in columns.meanings().items()]
        assert documented == meanings, name


def test_columns_of_a_recording(tmp_path: Path) -> None:
    """A recorded program's tables agree with each other: each run of a task and each wait lead to its row."""
    path = tmp_path / "t.atrace"
    words = [sys.executable, "-m", "asyncio_trace", "run", "-q", "-o", str(path), "queue", "--scale", "0.01"]
    subprocess.run(words, check=True, capture_output=True)
    trace = asyncio_trace.load(path)
    tasks, runs, waits = trace.tasks.columns, trace.runs.columns, trace.waits.columns
    of_tasks = runs.task_row != NONE
    assert (tasks.id[runs.task_row[of_tasks]] == runs.task[of_tasks]).all()
    assert (tasks.id[waits.task_row] == waits.task).all()
    running = np.bincount(runs.task_row[of_tasks], (runs.end_ns - runs.start_ns)[of_tasks], len(tasks))
    assert running.astype(np.int64).tolist() == tasks.running_ns.tolist()
    assert len(trace.callbacks) >= 1
    assert {resource.type for resource in trace.resources} >= {"Queue"}
    wakes = trace.wakes.columns
    by_task = wakes.kind == WAKER_KINDS.index("task")
    assert (runs.task_row[wakes.run[by_task]] == waits.waker.task_row[wakes.wait[by_task]]).all()
