"""What stands in the JSON timeline, checked against the schema that the package ships."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from asyncio_trace.exporters.timeline import schema
from asyncio_trace.exporters.timeline.exporter import TimelineExporter, pieces
from asyncio_trace.model import Awaited, Future, Idle, Job, Loop, Program, Run, Site, Task, Trace, Wait, Waker

SHIPPED: dict[str, Any] = json.loads((files("asyncio_trace.exporters.timeline") / "timeline.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SHIPPED)

SITE = Site("main", "/srv/app.py", 3, "__main__")
TIMER = Waker("timer", None, 90, None, "set_result")


def small() -> Trace:
    """One row in each table."""
    return Trace(
        Program(
            ["app.py"], "3.14.2", "linux", 7, [Loop(1, "SelectorEventLoop", 7, "MainThread", 0)], 1_790_000_000_123_456_789, 100
        ),
        [
            Task(
                1,
                "Task-1",
                "main",
                None,
                1,
                5,
                6,
                100,
                "raised",
                "ValueError",
                SITE,
                5,
                2,
                88,
                2,
                TIMER,
                True,
                (2**128 - 1, 9, 1),
            )
        ],
        [Run(1, None, 1, 6, 10), Run(None, "set_result", 1, 90, 91)],
        [Wait(1, 10, 90, 92, "sleep", Awaited("Future", 2, "sleep"), (SITE, SITE), TIMER)],
        [Future(2, "Future", 1, 9, 1, SITE, 90, TIMER, "returned")],
        [Job(3, 1, 1, 2, "hash", SITE, 9, 10, 11, 77, "asyncio_0", "returned")],
        [Idle(1, 10, 90)],
        dropped_events=1,
    )


def document(trace: Trace) -> dict[str, Any]:
    """The timeline, parsed again."""
    parsed: dict[str, Any] = json.loads("".join(pieces(trace)))
    return parsed


def test_shipped_schema_is_up_to_date() -> None:
    """The schema in the package is what the code generates."""
    path = files("asyncio_trace.exporters.timeline") / "timeline.schema.json"
    assert path.read_text("utf-8") == schema.text(), f"run: python -m {schema.__name__} > {path}"


def test_schema_is_a_schema() -> None:
    """The schema itself is valid, describes its classes and keeps the door open for new keys."""
    Draft202012Validator.check_schema(SHIPPED)
    assert all(definition["description"] for definition in SHIPPED["$defs"].values())
    assert "additionalProperties" not in json.dumps(SHIPPED)


def test_every_table_in_full() -> None:
    """Each row says what the contract says it does."""
    site = {"function": "main", "file": "/srv/app.py", "line": 3}
    timer = {"kind": "timer", "task": None, "ns": 90, "at": None, "label": "set_result"}
    timeline = document(small())
    VALIDATOR.validate(timeline)
    assert timeline["format"] == "asyncio-trace/timeline"
    assert timeline["version"] == 1
    assert timeline["dropped_events"] == 1
    assert timeline["program"]["started_unix_ns"] == 1_790_000_000_123_456_789
    assert timeline["program"]["loops"][0]["type"] == "SelectorEventLoop"
    (task,) = timeline["tasks"]
    assert task["created_at"] == site
    assert task["cancelled_by"] == timer
    assert task["running_ns"] + task["ready_ns"] + task["waiting_ns"] == task["ended_ns"] - task["created_ns"]
    assert task["parent_span"] == {"trace_id": "f" * 32, "span_id": "0000000000000009", "trace_flags": 1}
    assert timeline["runs"] == [
        {"task": 1, "loop": 1, "start_ns": 6, "end_ns": 10},
        {"callback": "set_result", "loop": 1, "start_ns": 90, "end_ns": 91},
    ]
    awaited = {"type": "Future", "id": 2, "label": "sleep"}
    assert timeline["waits"] == [
        {
            "task": 1,
            "start_ns": 10,
            "ready_ns": 90,
            "end_ns": 92,
            "kind": "sleep",
            "awaited": awaited,
            "stack": [site] * 2,
            "waker": timer,
        }
    ]
    assert timeline["futures"][0]["resolved_by"] == timer
    assert timeline["jobs"][0]["thread_name"] == "asyncio_0"
    assert timeline["idle"] == [{"loop": 1, "start_ns": 10, "end_ns": 90}]
    assert timeline["findings"][0]["rule"] == "incomplete-trace"


@pytest.mark.parametrize(
    ("table", "key", "wrong"),
    [
        ("waits", "kind", "nap"),
        ("waits", "start_ns", 1.5),
        ("tasks", "outcome", "lost"),
        ("tasks", "created_ns", -1),
        ("runs", "task", "x"),
    ],
)
def test_schema_refuses_what_the_contract_forbids(table: str, key: str, wrong: object) -> None:
    """Unknown kinds and outcomes, fractions of nanoseconds and negative times are errors."""
    timeline = document(small())
    timeline[table][0][key] = wrong
    assert not VALIDATOR.is_valid(timeline)


def test_keys_may_be_added() -> None:
    """A reader that validates accepts a later version's new keys."""
    timeline = document(small())
    timeline["tasks"][0]["mood"] = "good"
    VALIDATOR.validate(timeline)


def test_lone_surrogates_become_valid_json(tmp_path: Path) -> None:
    """Undecodable bytes in a file name do not make the file unreadable for strict parsers."""
    trace = small()
    trace.program.argv = ["caf\udce9.py"]
    path = tmp_path / "t.json"
    TimelineExporter().export(trace, str(path))
    assert json.loads(path.read_bytes().decode("utf-8"))["program"]["argv"] == ["caf?.py"]


INTEGERS = st.integers(0, 2**63 - 1)
MAYBE = st.none() | INTEGERS
TEXT = st.text(max_size=20)
SITES = st.none() | st.builds(Site, TEXT, TEXT, st.integers(0, 10**6))
WAKER_KINDS = st.sampled_from(["task", "callback", "timer", "io", "thread", "signal", "loop"])
WAKERS = st.none() | st.builds(Waker, WAKER_KINDS, MAYBE, INTEGERS, SITES, st.none() | TEXT)
OUTCOMES = st.sampled_from(["returned", "raised", "cancelled", "pending"])
KINDS = st.sampled_from(SHIPPED["$defs"]["Wait"]["properties"]["kind"]["enum"])
STACKS = st.lists(SITES.filter(bool), max_size=3).map(tuple)
SPANS = st.none() | st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.integers(0, 255))
PROGRAMS = st.builds(Program, st.lists(TEXT, max_size=3), TEXT, TEXT, INTEGERS, st.just([]), INTEGERS, INTEGERS)
TASKS = st.builds(
    Task, INTEGERS, TEXT, TEXT, MAYBE, INTEGERS, INTEGERS, MAYBE, MAYBE, OUTCOMES, st.none() | TEXT, SITES,
    INTEGERS, INTEGERS, INTEGERS, INTEGERS, WAKERS, st.booleans(), SPANS,
)  # fmt: skip
RUNS = st.builds(Run, MAYBE, st.none() | TEXT, INTEGERS, INTEGERS, INTEGERS)
AWAITED = st.builds(Awaited, TEXT, MAYBE, TEXT)
WAITS = st.builds(Wait, INTEGERS, INTEGERS, MAYBE, MAYBE, KINDS, AWAITED, STACKS, WAKERS)
FUTURES = st.builds(Future, INTEGERS, TEXT, INTEGERS, INTEGERS, MAYBE, SITES, MAYBE, WAKERS, OUTCOMES)
JOBS = st.builds(
    Job, INTEGERS, INTEGERS, MAYBE, MAYBE, TEXT, SITES, INTEGERS, MAYBE, MAYBE, MAYBE, st.none() | TEXT, OUTCOMES
)  # fmt: skip
IDLE = st.builds(Idle, INTEGERS, INTEGERS, INTEGERS)
TABLES = [st.lists(rows, max_size=4) for rows in (TASKS, RUNS, WAITS, FUTURES, JOBS, IDLE)]
TRACES = st.builds(Trace, PROGRAMS, *TABLES, st.integers(0, 9), st.booleans())


@settings(max_examples=100, deadline=None)
@given(TRACES)
def test_any_trace_is_valid_and_comes_back_exact(trace: Trace) -> None:
    """Every timeline validates, and its numbers and texts are those of the trace."""
    timeline = document(trace)
    VALIDATOR.validate(timeline)
    assert [task["name"] for task in timeline["tasks"]] == [task.name for task in trace.tasks]
    assert [wait["ready_ns"] for wait in timeline["waits"]] == [wait.ready_ns for wait in trace.waits]
    assert [len(wait["stack"]) for wait in timeline["waits"]] == [len(wait.stack) for wait in trace.waits]
    assert all(("task" in row) == (run.task is not None) for row, run in zip(timeline["runs"], trace.runs, strict=True))


def test_places_are_kept_apart() -> None:
    """The cache of places never mixes two of them up."""
    trace = small()
    other = replace(SITE, line=4)
    trace.waits.append(replace(trace.waits[0], stack=(other, SITE)))
    assert [site["line"] for site in document(trace)["waits"][1]["stack"]] == [4, 3]
