"""Drawings of arbitrary traces: nothing that a program names or does breaks the picture."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from canvas import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from asyncio_trace.model import Awaited, Job, Loop, Program, Run, Task, Trace, Wait, Waker

INSTANTS = st.integers(0, 10**12) | st.integers(0, 50)
MAYBE = st.none() | INSTANTS
IDS = st.integers(1, 12)
OUTCOMES = st.sampled_from(["returned", "raised", "cancelled", "pending"])
NAMES = (
    st.text(max_size=60)
    | st.sampled_from(
        ["worker", "main.<locals>.worker", "[red]x[/]", "\x1b[2J", "a\nb\tc\rd", "\u202egnp", "e\u0301" * 9, "数据" * 20]
    )
    | st.text(alphabet="\ufe0f\u200d\U0001f1e9\U0001f3fb\u0301\u0600a👩字", max_size=12)
)
WAKERS = st.builds(
    Waker, st.sampled_from(["task", "callback", "timer", "io"]), st.none() | IDS, INSTANTS, st.none(), st.none() | NAMES
)
KINDS = st.sampled_from(["sleep", "lock", "task", "gather", "other", "yield", "executor", "stream.read"]) | NAMES
TASKS = st.builds(
    Task, st.just(0), NAMES, NAMES, st.none() | IDS, st.just(1), INSTANTS, MAYBE, MAYBE, OUTCOMES, st.none() | NAMES, st.none(),
    INSTANTS, INSTANTS, INSTANTS, st.integers(0, 99),
)  # fmt: skip
RUNS = st.builds(Run, st.none() | IDS, st.none() | NAMES, st.just(1), INSTANTS, INSTANTS)
WAITS = st.builds(
    Wait, IDS, INSTANTS, MAYBE, MAYBE, KINDS, st.builds(Awaited, NAMES, st.none() | IDS, NAMES), st.just(()), st.none() | WAKERS
)
JOBS = st.builds(
    Job,
    IDS,
    st.just(1),
    st.none() | IDS,
    st.none(),
    NAMES,
    st.none(),
    INSTANTS,
    MAYBE,
    MAYBE,
    st.none(),
    st.none() | NAMES,
    OUTCOMES,
)
PROGRAMS = st.builds(
    Program, st.lists(NAMES, max_size=3), NAMES, NAMES, st.just(1),
    st.lists(st.builds(Loop, IDS, NAMES, IDS, NAMES, INSTANTS, MAYBE), max_size=2), st.just(0), INSTANTS,
)  # fmt: skip


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any trace, sensible or not, except that tasks have ids of their own."""
    tasks = draw(st.lists(TASKS, max_size=12))
    return Trace(
        draw(PROGRAMS),
        [replace(task, id=number) for number, task in enumerate(tasks, 1)],
        draw(st.lists(RUNS, max_size=12)),
        draw(st.lists(WAITS, max_size=12)),
        jobs=draw(st.lists(JOBS, max_size=5)),
        dropped_events=draw(st.integers(0, 3)),
        complete=draw(st.booleans()),
    )


@settings(max_examples=100, deadline=None)
@given(traces(), st.integers(1, 220), st.sampled_from([None, 0, 1, 4, 9]), st.sampled_from(["utf-8", "ascii", "iso8859-1"]))
def test_no_line_is_too_wide_and_nothing_moves_the_cursor(
    trace: Trace, width: int, max_rows: int | None, encoding: str
) -> None:
    """On any trace, no line is wider than the console and no control or direction character gets through."""
    drawing = drawn(trace, width, max_rows=max_rows, encoding=encoding)
    for line in drawing.removesuffix("\n").split("\n"):
        assert cell_len(line) <= width
        assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@settings(max_examples=40, deadline=None)
@given(traces(), st.integers(60, 220))
def test_every_task_has_a_row(trace: Trace, width: int) -> None:
    """Unfolded, each task and each job is one line between the heading and the legend."""
    lines = drawn(trace, width, max_rows=0).split("\n")
    if trace.tasks:
        heading = next(
            place for place, line in enumerate(lines) if line.startswith("task") and "total" in line and not lines[place - 1]
        )
        assert lines.index("", heading) - heading - 1 == len(trace.tasks) + len(trace.jobs)


@settings(max_examples=40, deadline=None)
@given(traces(), st.integers(20, 220))
def test_colour_changes_nothing_but_colour(trace: Trace, width: int) -> None:
    """The coloured drawing says the same as the plain one."""
    coloured = drawn(trace, width, colors="standard", max_rows=7)
    plain = drawn(trace, width, max_rows=7)
    for code in ("\x1b[" + ";".join(codes) + "m" for codes in _codes(coloured)):
        coloured = coloured.replace(code, "")
    assert coloured == plain


def _codes(text: str) -> list[list[str]]:
    return [piece.split("m", 1)[0].split(";") for piece in text.split("\x1b[")[1:]]
