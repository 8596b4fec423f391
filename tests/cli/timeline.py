"""Reads JSON timelines, and checks what must hold of each."""

from __future__ import annotations

import json
from collections import defaultdict
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((files("asyncio_trace.exporters.timeline") / "timeline.schema.json").read_text("utf-8"))


def read(path: Path) -> dict[str, Any]:
    """A timeline, seen to be valid, complete, and in keeping with the contract's invariants."""
    timeline: dict[str, Any] = json.loads(path.read_text("utf-8"))
    jsonschema.validate(timeline, SCHEMA)
    assert timeline["dropped_events"] == 0
    assert timeline["complete"]
    _ids_are_unique(timeline)
    _times_add_up(timeline)
    _runs_do_not_overlap(timeline)
    _waits_are_in_order(timeline)
    return timeline


def tasks(timeline: dict[str, Any], coroutine: str) -> list[dict[str, Any]]:
    """Tasks whose coroutine has this qualified name."""
    return [task for task in timeline["tasks"] if task["coroutine"] == coroutine]


def kinds(timeline: dict[str, Any]) -> set[str]:
    """Kinds of wait that occur."""
    return {wait["kind"] for wait in timeline["waits"]}


def _ids_are_unique(timeline: dict[str, Any]) -> None:
    ids = [row["id"] for table in ("tasks", "futures") for row in timeline[table]]
    assert len(ids) == len(set(ids))


def _times_add_up(timeline: dict[str, Any]) -> None:
    for task in timeline["tasks"]:
        end = timeline["program"]["duration_ns"] if task["ended_ns"] is None else task["ended_ns"]
        assert task["running_ns"] + task["ready_ns"] + task["waiting_ns"] == end - task["created_ns"], task
        assert min(task["running_ns"], task["ready_ns"], task["waiting_ns"]) >= 0, task


def _runs_do_not_overlap(timeline: dict[str, Any]) -> None:
    by_loop = defaultdict(list)
    for run in timeline["runs"]:
        by_loop[run["loop"]].append((run["start_ns"], run["end_ns"]))
    for runs in by_loop.values():
        runs.sort()
        for (start, end), (following, _) in pairwise(runs):
            assert start <= end <= following


def _waits_are_in_order(timeline: dict[str, Any]) -> None:
    steps = defaultdict(list)
    for run in timeline["runs"]:
        steps[run.get("task")].append((run["start_ns"], run["end_ns"]))
    for wait in timeline["waits"]:
        if wait["end_ns"] is None:
            continue
        assert wait["start_ns"] <= wait["ready_ns"] <= wait["end_ns"], wait
        waker = wait["waker"]
        assert waker is not None, wait
        if waker["kind"] == "task" and wait["kind"] != "yield":
            assert any(start <= waker["ns"] <= end for start, end in steps[waker["task"]]), wait
