"""Limits on how much worse one trace may be than another."""

from __future__ import annotations

import pytest
from report_traces import MS, Made, shop

from asyncio_trace.analysis.thresholds import COUNTS, OF_COROUTINE, OF_WAIT, WHOLE, judge, parse

METRICS = [
    *WHOLE, *(f"coroutine[handle].{measure}" for measure in OF_COROUTINE), *(f"wait[lock].{measure}" for measure in OF_WAIT)
]  # fmt: skip


def values(metric: str) -> tuple[int, int]:
    """A metric of the shop, and of the shop in which the second handler is twice as slow."""
    unit = "" if metric.rpartition(".")[2] in COUNTS else "ns"
    [verdict] = judge([parse(f"{metric}>+0{unit}")], shop(), shop(2))
    return verdict.a, verdict.b


@pytest.mark.parametrize("metric", METRICS)
def test_trace_is_within_any_limit_of_itself(metric: str) -> None:
    """Nothing has grown or shrunk between a trace and itself."""
    unit = "" if metric.rpartition(".")[2] in COUNTS else "ns"
    limits = [parse(f"{metric}{limit}") for limit in (f">+0{unit}", f"<-0{unit}", ">+0%", "<-0%")]
    assert not any(verdict.exceeded for verdict in judge(limits, shop(), shop()))


def test_metrics_are_what_the_report_says() -> None:
    """Times of a coroutine and of a kind of wait are means, those of the trace are sums, and the longest is the longest."""
    assert values("duration") == (1_000 * MS, 1_000 * MS)
    assert values("running") == (135 * MS, 255 * MS)
    assert values("tasks") == (4, 4)
    assert values("lag.max") == (10 * MS, 10 * MS)
    assert values("coroutine[handle].running") == (124 * MS // 3, 244 * MS // 3)
    assert values("coroutine[main.<locals>.handle].longest_step") == (120 * MS, 240 * MS)
    assert values("coroutine[handle].tasks") == (3, 3)
    assert values("wait[lock].waiting") == (20 * MS, 20 * MS)
    assert values("wait[lock].count") == (3, 3)
    assert values("wait[lock].longest") == (30 * MS, 30 * MS)


@pytest.mark.parametrize(
    ("limit", "exceeded"),
    [
        ("running>+88%", True),
        ("running>+89%", False),
        ("running>+119ms", True),
        ("running>+120ms", False),
        ("running>254.9ms", True),
        ("running>255ms", False),
        ("running<255ms", False),
        ("running<1s", True),
        ("tasks>3", True),
        ("tasks<-1", False),
    ],
)
def test_limits_are_exclusive(limit: str, exceeded: bool) -> None:
    """A limit is exceeded by what is beyond it, and not by what is on it; relative, absolute, upwards and downwards."""
    [verdict] = judge([parse(limit)], shop(), shop(2))
    assert verdict.exceeded is exceeded


def test_growth_from_nothing_counts_from_ten_microseconds_on() -> None:
    """A percentage of nothing is nothing: whatever grew is beyond it, unless it is noise."""

    def trace(held: int) -> Made:
        made = Made()
        task = made.task("work", 0, MS)
        made.wait(task, "event", (0, 0, held))
        return made

    for held, exceeded in ((9_999, False), (10_000, True)):
        [verdict] = judge([parse("lag.max>+50%")], trace(0).trace, trace(held).trace)
        assert verdict.exceeded is exceeded


def test_what_only_one_trace_has_counts_as_nothing_in_the_other() -> None:
    """A coroutine that is new in B has grown from zero."""
    made = Made()
    made.task("new", 0, 50 * MS)
    [verdict] = judge([parse("coroutine[new].lifetime>+10%")], Made().trace, made.trace)
    assert (verdict.a, verdict.b, verdict.exceeded) == (0, 50 * MS, True)
