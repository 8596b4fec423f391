"""How busy a loop was over time, and how late its steps were."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_traces import MS, Made, on_paper, shop

from asyncio_trace.analysis.flames import collapsed
from asyncio_trace.analysis.loop_load import NO_LAG, SPANS, lag, loop_loads
from asyncio_trace.analysis.report import report
from asyncio_trace.terminal.load import sparkline
from asyncio_trace.terminal.report import draw_report

END = 600 * MS


def made() -> Made:
    """Ten tasks that become ready at once at 100 ms and run for 10 ms each, one after another from 200 ms on."""
    made = Made(END)
    for number in range(10):
        start = (200 + 10 * number) * MS
        task = made.task("work", 0, start + 10 * MS, running=10 * MS)
        made.wait(task, "event", (0, 100 * MS, start))
        made.run(task, start, start + 10 * MS)
    return made


def test_lag_is_from_ready_to_running() -> None:
    """Percentiles are of the steps, by the nearest rank; a task's first step counts from its creation."""
    trace = made().trace
    found = lag(trace)
    assert (found.steps, found.max_ns) == (20, 190 * MS)
    assert (found.p50_ns, found.p99_ns) == (0, 190 * MS)
    assert lag(Made().trace) == NO_LAG


def test_load_over_time() -> None:
    """Each stretch has its share of running, its longest lag, and the tasks that stood in line, in the mean and at most."""
    [load] = loop_loads(made().trace, END)
    assert load.busy == [1.0 if 20 <= place < 30 else 0.0 for place in range(SPANS)]
    assert load.lag_ns == [(place - 10) * 10 * MS if 20 <= place < 30 else 0 for place in range(SPANS)]
    assert (
        load.most_ready[:32] == [0] * 10 + [10] * 10 + [9, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
        or load.most_ready[10:20] == [10] * 10
    )
    assert load.ready[10:20] == [10.0] * 10
    assert load.ready[20] == 9.0
    assert sum(load.busy) * 10 * MS == 100 * MS


def test_loop_that_ran_nothing_has_no_load() -> None:
    """A loop without a run is not drawn."""
    assert loop_loads(Made().trace, END) == []


@pytest.mark.parametrize("width", [30, 80, 200])
def test_load_is_drawn(width: int) -> None:
    """The report has three lines over time, cut to what fits, with the numbers beside or beneath them."""
    drawing = on_paper(lambda console: draw_report(report(made().trace), console), width)
    lines = drawing.splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("busy "))
    assert "█" in lines[first]
    assert "10 at most" in " ".join(" ".join(lines[first : first + 9]).split())
    assert ("mean" in lines[first]) is (width == 200)
    assert max(len(line) for line in lines) <= width


@given(st.lists(st.floats(0, 1), min_size=1, max_size=70), st.integers(1, 80))
def test_sparkline_never_hides_a_peak(values: list[float], width: int) -> None:
    """However narrow, the highest value is drawn as such, and nothing but zero is blank."""
    drawn = sparkline(values, max(values), width, "123456789")
    assert len(drawn) == min(width, len(values))
    assert ("9" in drawn) is (max(values) > 0)
    if len(values) <= width:
        assert [char == " " for char in drawn] == [value == 0 for value in values]


@pytest.mark.parametrize("width", [80, 200])
def test_colours_say_nothing_that_the_text_does_not(width: int) -> None:
    """The whole report, path and load over time included, reads the same with 16 colours and without."""
    whole = replace(report(made().trace), path_asked=True)
    plain, coloured = (
        on_paper(lambda console: draw_report(whole, console), width, colours=colours) for colours in (False, True)
    )
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert set(re.findall(r"\x1b\[([0-9;]*)m", coloured)) <= {"0", "1", "2", "1;31", "31", "32", "33", "35", "36"}


def test_flame_graph_of_waits_has_kind_and_ready() -> None:
    """A wait's time stands in a frame of its kind, beneath the program's own frames; being ready has a frame of its own."""
    lines = dict(line.rsplit(" ", 1) for line in collapsed(shop(), "waits", 1_000 * MS))
    assert lines["main (shop.py:41);helper (locks.py:99);[lock]"] == str(60 * MS)
    assert lines["main (shop.py:41);helper (locks.py:99);[ready]"] == str(30 * MS)


def test_flame_graph_of_runs_has_the_await_before() -> None:
    """A step's time stands where the task awaited before it; first steps go by their coroutine, callbacks by their name."""
    lines = dict(line.rsplit(" ", 1) for line in collapsed(shop(), "runs", 1_000 * MS))
    assert lines["main (shop.py:41);helper (locks.py:99)"] == str(124 * MS)
    assert lines["main"] == str(5 * MS)
    assert lines["[callback] Timeout._on_timeout"] == str(MS)
