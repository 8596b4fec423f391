"""The numbers behind `diff`."""

from __future__ import annotations

import pytest
from report_traces import MS, Made, shop

from asyncio_trace.analysis.comparison import Change, Difference, compare
from asyncio_trace.model import Trace


def changes_of(row: Difference) -> dict[str, Change]:
    """A row's changes by measure."""
    return {change.measure: change for change in row.changes}


def test_trace_equals_itself() -> None:
    """Nothing is beyond noise between a trace and itself, and still every number is there."""
    comparison = compare(shop(), shop())
    assert len(comparison.coroutines) == 2
    assert len(comparison.waits) == 2
    beyond = comparison.beyond_noise()
    assert (beyond.program, beyond.coroutines, beyond.waits) == ([], [], [])


def test_slower_coroutine_is_found_by_name() -> None:
    """Means for each task, the change, its percentage and its sum over all tasks belong to the coroutine that got slower."""
    [row] = compare(shop(), shop(2)).beyond_noise().coroutines
    assert (row.name, row.only_in, row.grew_ns) == ("main.<locals>.handle", None, 120 * MS)
    assert set(changes_of(row)) == {"lifetime", "running"}
    running = changes_of(row)["running"]
    assert (running.a, running.b, running.in_all) == (41_333_333, 81_333_333, 120 * MS)
    assert running.by == 40 * MS
    assert running.percent == pytest.approx(96.8, abs=0.1)


def test_what_grew_most_in_all_comes_first() -> None:
    """A small change of many tasks outranks a larger one of a single task; what shrank comes last."""

    def trace(many: int, single: int, other: int) -> Trace:
        made = Made()
        for _ in range(10):
            made.task("many", 0, many * MS)
        made.task("single", 0, single * MS)
        made.task("other", 0, other * MS)
        return made.trace

    rows = compare(trace(10, 10, 10), trace(12, 15, 3)).coroutines
    assert [(row.name, row.grew_ns // MS) for row in rows] == [("many", 20), ("single", 5), ("other", -7)]


@pytest.mark.parametrize(
    ("a", "b", "noise"),
    [
        (0, 9_999, True),
        (0, 10_000, False),
        (100_000, 109_999, True),
        (100_000, 110_000, False),
        (100_000_000, 100_999_999, True),
        (100_000_000, 101_000_000, False),
        (110_000, 100_000, False),
        (0, 0, True),
    ],
)
def test_noise_is_less_than_one_percent_or_ten_microseconds(a: int, b: int, noise: bool) -> None:
    """A change of a time counts only from 1% and from 10 µs on."""
    assert Change("running", True, a, b, b - a).is_noise is noise


def test_counts_have_no_floor() -> None:
    """One task more out of two is a change, one out of a thousand is not."""
    assert not Change("tasks", False, 2, 3, 1).is_noise
    assert Change("tasks", False, 1_000, 1_001, 1).is_noise
    assert not Change("tasks", False, 0, 1, 1).is_noise


def test_percent_of_nothing_is_unknown() -> None:
    """Where there was nothing before, there is no percentage."""
    assert Change("ready", True, 0, MS, MS).percent is None


def test_what_one_trace_lacks_is_kept_whole() -> None:
    """A coroutine of one trace only is marked with that trace, in either direction, and noise does not remove it."""
    first, second = Made(), Made()
    first.task("old", 0, 3)
    second.task("new", 0, 5)
    rows = {row.name: row for row in compare(first.trace, second.trace).beyond_noise().coroutines}
    assert {name: row.only_in for name, row in rows.items()} == {"old": "a", "new": "b"}
    assert [(change.measure, change.b) for change in rows["new"].changes][:2] == [("tasks", 1), ("lifetime", 5)]


def test_waits_match_though_ids_and_task_names_differ() -> None:
    """A lock or task that has another id or name in the other run is compared with itself."""

    def trace(first: int, ready: int) -> Trace:
        made = Made()
        for _ in range(first):
            made.task("noise", 0, 1)
        main, child = made.task("main", 0, MS), made.task("fetch", 0, MS)
        made.wait(main, "lock", (0, ready, ready), "Lock.acquire", 100 + first)
        made.wait(main, "task", (0, ready, ready), child.name, child.id, type_="Task")
        return made.trace

    waits = compare(trace(0, MS), trace(5, 3 * MS)).waits
    assert [(row.kind, row.name, row.only_in) for row in waits] == [("lock", "Lock.acquire", None), ("task", "fetch", None)]
    assert changes_of(waits[0])["waiting"].by == 2 * MS
