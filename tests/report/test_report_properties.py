"""Reports and comparisons of arbitrary traces."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, replace

import plain_totals
from hypothesis import given, settings
from hypothesis import strategies as st
from report_traces import on_paper
from rich.cells import cell_len

from asyncio_trace.analysis.comparison import compare
from asyncio_trace.analysis.critical_path import KINDS as STRETCHES
from asyncio_trace.analysis.critical_path import by_place, critical_path
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.flames import collapsed
from asyncio_trace.analysis.loop_load import lag, loop_loads
from asyncio_trace.analysis.report import Report
from asyncio_trace.analysis.totals import last_instant, totals
from asyncio_trace.model import Awaited, Idle, Job, Loop, Program, Run, Site, Task, Trace, Wait, Waker
from asyncio_trace.terminal.comparison import draw_comparison
from asyncio_trace.terminal.report import draw_report
from asyncio_trace.terminal.report_markdown import markdown

INSTANTS = st.integers(0, 10**13) | st.integers(0, 50)
MAYBE = st.none() | INSTANTS
IDS = st.integers(1, 9)
NAMES = (
    st.text(max_size=50)
    | st.sampled_from(
        ["main", "main.<locals>.work", "[red]x[/]", "\x1b[2J", "a\nb\tc\rd", "\u202egnp", "数据" * 20, "\ud800", ""]
    )
    | st.text(alphabet="\ufe0f\u200d\U0001f1e9\U0001f3fb\u0301👩字/ ", max_size=12)
)
OUTCOMES = st.sampled_from(["returned", "raised", "cancelled", "pending"])
SITES = st.builds(Site, NAMES, NAMES, st.integers(0, 10**6), st.sampled_from(["", "asyncio.locks"]))
KINDS = st.sampled_from(["sleep", "lock", "task", "gather", "other", "yield", "queue.get"]) | NAMES
TASKS = st.builds(
    Task, st.just(0), NAMES, NAMES, st.none() | IDS, IDS, INSTANTS, MAYBE, MAYBE, OUTCOMES, st.none() | NAMES,
    st.none() | SITES, INSTANTS, INSTANTS, INSTANTS, st.integers(0, 99),
)  # fmt: skip
RUNS = st.builds(Run, st.none() | IDS, st.none() | NAMES, IDS, INSTANTS, INSTANTS)
AWAITED = st.builds(Awaited, NAMES | st.just("Task"), st.none() | IDS, NAMES)
WAKERS = st.builds(
    Waker, st.sampled_from(["task", "thread", "timer", "callback"]), st.none() | IDS, INSTANTS, st.none() | SITES
)
WAITS = st.builds(
    Wait, IDS, INSTANTS, MAYBE, MAYBE, KINDS, AWAITED, st.lists(SITES, max_size=3).map(tuple), st.none() | WAKERS
)  # fmt: skip
JOBS = st.builds(
    Job, IDS, IDS, st.none() | IDS, st.none(), NAMES, st.none() | SITES, INSTANTS, MAYBE, MAYBE, st.none() | IDS,
    st.none() | NAMES, OUTCOMES,
)  # fmt: skip
LOOPS = st.builds(Loop, IDS, NAMES, IDS, NAMES, INSTANTS, MAYBE)
PROGRAMS = st.builds(
    Program, st.lists(NAMES, max_size=3), NAMES, NAMES, st.just(1), st.lists(LOOPS, max_size=2), st.just(0), INSTANTS, NAMES
)
FINDINGS = st.builds(
    Finding, NAMES | st.just("incomplete-trace"), st.sampled_from(["error", "info"]) | NAMES, st.none() | IDS, INSTANTS,
    INSTANTS, st.none() | SITES, NAMES, NAMES,
)  # fmt: skip
WIDTHS = st.integers(1, 220)
ENCODINGS = st.sampled_from(["utf-8", "ascii", "iso8859-1"])


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any trace, sensible or not, except that tasks have ids of their own."""
    tasks = draw(st.lists(TASKS, max_size=8))
    return Trace(
        draw(PROGRAMS),
        [replace(task, id=number) for number, task in enumerate(tasks, 1)],
        draw(st.lists(RUNS, max_size=8)),
        draw(st.lists(WAITS, max_size=8)),
        jobs=draw(st.lists(JOBS, max_size=4)),
        idle=draw(st.lists(st.builds(Idle, IDS, INSTANTS, INSTANTS), max_size=3)),
        dropped_events=draw(st.integers(0, 3)),
        complete=draw(st.booleans()),
    )


def check(drawing: str, width: int) -> None:
    """No line is too wide, and nothing in it moves the cursor."""
    assert drawing.endswith("\n")
    for line in drawing[:-1].split("\n"):
        assert cell_len(line) <= width
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") for char in line)


@settings(max_examples=300, deadline=None)
@given(traces())
def test_sums_of_columns_are_those_of_rows(trace: Trace) -> None:
    """Every total, in its order, is what adding up row by row gives."""
    assert asdict(totals(trace)) == asdict(plain_totals.totals(trace))


@settings(max_examples=100, deadline=None)
@given(traces(), st.lists(FINDINGS, max_size=8), WIDTHS, ENCODINGS, st.booleans())
def test_report_fits_any_console(trace: Trace, findings: list[Finding], width: int, encoding: str, everything: bool) -> None:
    """On any trace and findings, the report is made, no line is wider than the console, and nothing moves the cursor."""
    path = critical_path(trace)
    totals_ = by_place(trace, path) if path is not None else ()
    sums = totals(trace)
    loads = loop_loads(trace, sums.end_ns)
    report = Report(trace, findings, sums, path=path, path_totals=totals_, path_asked=everything, loads=loads, lag=lag(trace))
    drawing = on_paper(lambda console: draw_report(report, console, everything=everything), width, encoding)
    check(drawing, width)
    for line in markdown(report, everything=everything):
        assert "\n" not in line
        assert not line.startswith("|") or line.endswith(" |")


@settings(max_examples=100, deadline=None)
@given(traces(), traces(), WIDTHS, ENCODINGS, st.booleans())
def test_comparison_fits_any_console(a: Trace, b: Trace, width: int, encoding: str, everything: bool) -> None:
    """On any two traces, the comparison is made, and no line is wider than the console."""
    comparison = compare(a, b)
    drawing = on_paper(
        lambda console: draw_comparison(a, b, comparison, ("a\x1b", "b"), console, everything=everything), width, encoding
    )
    check(drawing, width)


@settings(max_examples=100, deadline=None)
@given(traces())
def test_totals_lose_nothing(trace: Trace) -> None:
    """Every task, wait, run and job is counted in exactly one row, and a trace compared with itself has no change."""
    sums = totals(trace)
    assert sum(row.tasks for row in sums.coroutines) == len(trace.tasks)
    assert sum(row.count for row in sums.waits) == len(trace.waits)
    assert sum(row.runs for row in sums.loops) == len(trace.runs)
    assert sum(row.count for row in sums.callbacks) == sum(run.task is None for run in trace.runs)
    assert sum(row.count for row in sums.jobs) == len(trace.jobs)
    beyond = compare(trace, trace).beyond_noise()
    assert (beyond.program, beyond.coroutines, beyond.waits) == ([], [], [])


@settings(max_examples=300, deadline=None)
@given(traces(), st.none() | IDS)
def test_critical_paths_cover_their_time(trace: Trace, task: int | None) -> None:
    """Also where tables contradict each other, as in a damaged recording, a path covers its time, without gap or overlap."""
    path = critical_path(trace, task)
    if path is not None:
        at = path.start_ns
        for segment in path.segments:
            assert segment.start_ns == at < segment.end_ns
            assert segment.kind in STRETCHES
            at = segment.end_ns
        assert at == path.end_ns


@settings(max_examples=100, deadline=None)
@given(traces())
def test_flame_graphs_lose_nothing(trace: Trace) -> None:
    """The lines add up to what waits and runs lasted, where they lasted forwards, and each is one line."""
    end = last_instant(trace)
    for what in ("waits", "runs"):
        for line in collapsed(trace, what, end):
            stack, _, number = line.rpartition(" ")
            assert stack.isprintable()
            assert int(number) > 0
    if all(run.end_ns >= run.start_ns for run in trace.runs):
        total = sum(int(line.rpartition(" ")[2]) for line in collapsed(trace, "runs", end))
        assert total == sum(run.end_ns - run.start_ns for run in trace.runs)
