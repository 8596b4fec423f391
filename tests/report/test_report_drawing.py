"""What the report and the comparison say on a console."""

from __future__ import annotations

import pytest
from report_traces import MS, Made, on_paper, shop

from asyncio_trace.analysis.comparison import compare
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.report import Report
from asyncio_trace.analysis.totals import totals
from asyncio_trace.model import Site, Trace
from asyncio_trace.terminal.comparison import draw_comparison
from asyncio_trace.terminal.report import draw_report


def reported(
    trace: Trace, width: int = 80, *findings: Finding, encoding: str = "utf-8", colours: bool = False, everything: bool = False
) -> str:
    """The report as text."""
    return on_paper(
        lambda console: draw_report(Report(trace, findings, totals(trace)), console, everything=everything),
        width,
        encoding,
        colours=colours,
    )


def compared(a: Trace, b: Trace, width: int = 80, *, everything: bool = False, encoding: str = "utf-8") -> str:
    """The comparison as text."""
    return on_paper(
        lambda console: draw_comparison(a, b, compare(a, b), ("a.atrace", "b.atrace"), console, everything=everything),
        width,
        encoding,
    )


def finding(rule: str, severity: str = "warning", message: str = "something is wrong") -> Finding:
    """A finding at a place with a long path."""
    at = Site("main.<locals>.handle", "/srv/" + "deep/" * 30 + "shop.py", 41)
    return Finding(rule, severity, 3, 300 * MS, 420 * MS, at, message, "do it otherwise")


def after(drawing: str, title: str) -> list[str]:
    """The lines below a title, up to the next blank one."""
    lines = drawing.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(title))
    return lines[start + 1 : [*lines, ""].index("", start)]


def row(drawing: str, title: str, name: str) -> str:
    """The line beneath `title` that starts with `name`, its blanks made one."""
    return next(" ".join(line.split()) for line in after(drawing, title) if line.startswith(name))


def test_findings_come_before_the_numbers() -> None:
    """A finding shows its severity, rule, message, place, task, time and advice above all tables."""
    drawing = reported(shop(), 80, finding("blocking-step", "error"))
    assert drawing.index("blocking-step") < drawing.index("coroutines")
    lines = after(drawing, "1 finding")
    assert lines[0] == "error   blocking-step: something is wrong"
    assert lines[1].endswith("/shop.py:41 in handle")
    assert lines[2].strip() == "task handle · Task-3 · at 300 ms for 120 ms"
    assert lines[3].strip() == "advice: do it otherwise"


def test_incomplete_trace_comes_before_anything_else() -> None:
    """What puts all else in doubt is the first line."""
    doubt = Finding("incomplete-trace", "error", None, 0, 1_000 * MS, None, "3 events were dropped", "trace less")
    assert reported(shop(), 80, doubt, finding("spin")).startswith("error   incomplete-trace: 3 events were dropped\n")


def test_no_findings_are_said_so() -> None:
    """A clean trace says that nothing was found, rather than nothing."""
    assert "✓ no findings" in reported(shop()).splitlines()


def test_many_findings_of_a_rule_are_counted() -> None:
    """Five findings of a rule are listed and the rest counted; with everything asked for, all are listed."""
    findings = [finding("starved", message=f"late {number}") for number in range(9)]
    drawing = reported(shop(), 80, *findings)
    assert drawing.count("starved: late") == 5
    assert "4 more starved · `--all` lists them" in drawing
    assert reported(shop(), 80, *findings, everything=True).count("starved: late") == 9


def test_long_messages_are_broken_between_words() -> None:
    """No word of a long message or advice is lost at 80 columns."""
    words = " ".join(f"word{number}" for number in range(60))
    drawing = reported(shop(), 80, finding("spin", message=words))
    assert all(word in drawing.split() for word in words.split())


def test_narrow_report_has_the_essential_numbers() -> None:
    """At 80 columns, tasks, steps, running, ready, waiting and longest step of a coroutine are whole."""
    drawing = reported(shop())
    assert row(drawing, "coroutines", "handle").startswith("handle 3 6 124 ms 12% 30.0 ms 60.0 ms 120 ms")
    assert row(drawing, "waits", "Lock.acquire #12").startswith("Lock.acquire #12 3 60.0 ms 30.0 ms 30.0 ms shop.py:41")
    assert row(drawing, "callbacks", "Timeout") == "Timeout._on_timeout 1 1.00 ms 0.1% 1.00 ms"
    assert row(drawing, "loops", "_Unix").startswith("_UnixSelectorEventLoop 1.00 s 135 ms 14% 300 ms 565 ms 6")
    assert row(drawing, "executor jobs", "render").startswith("render 1 10.0 ms 50.0 ms 50.0 ms 1 shop.py:30")


def test_long_step_is_marked_and_placed() -> None:
    """A step over the threshold is marked, and stands between the places of its awaits."""
    drawing = reported(shop(), 200)
    assert "longest steps, 1 of them 100 ms or more (!)" in drawing
    assert row(drawing, "longest steps", " 120 ms") == "120 ms ! 330 ms handle · Task-3 main shop.py:41 Lock.acquire its end"


def test_rows_beyond_ten_are_counted() -> None:
    """Of many coroutines the first ten are listed and the rest counted, unless everything is asked for."""
    made = Made()
    for number in range(25):
        made.task(f"coroutine_{number}", 0, MS, running=number)
    assert "and 15 coroutines more; `--all` lists them" in reported(made.trace)
    assert reported(made.trace, everything=True).count("coroutine_") == 25


def test_coroutines_of_one_short_name_are_told_apart() -> None:
    """Two inner functions that share a name are shown by their qualified names."""
    made = Made()
    for outer in ("first", "second"):
        made.task(f"{outer}.<locals>.work", 0, MS)
    drawing = reported(made.trace)
    assert "first.<locals>.work" in drawing
    assert "second.<locals>.work" in drawing


def test_hostile_names_are_shown_not_obeyed() -> None:
    """Markup and control characters in names neither colour nor move anything."""
    made = Made()
    task = made.task("\x1b[2J[red]work[/red]", 0, MS)
    made.wait(task, "future", (0, MS, MS), "a\nb\x1b[31m")
    for drawing in (reported(made.trace, 200), compared(Made().trace, made.trace, 200)):
        assert "\x1b" not in drawing
        assert "[red]work[/red]" in drawing


def test_empty_trace_is_reported() -> None:
    """A program without tasks gets a report too."""
    assert "0 tasks" in reported(Trace(Made().trace.program))


@pytest.mark.parametrize("width", [80, 200])
def test_ascii_console_gets_ascii(width: int) -> None:
    """A console that knows ASCII only gets a report and a comparison in it."""
    assert "no findings" in reported(shop(), width, encoding="ascii")
    assert "10 us are left out" in compared(shop(), shop(2), width, encoding="ascii")


def test_colours_add_nothing() -> None:
    """The coloured report says the same as the plain one, and colours the long step."""
    coloured = reported(shop(), 100, colours=True)
    assert "\x1b[1;31m 120 ms" in coloured


def test_comparison_shows_both_numbers_and_the_change() -> None:
    """What got slower has its old and new mean, the change, the percentage and the change in all; the rest is left out."""
    drawing = compared(shop(), shop(2))
    lines = [" ".join(line.split()) for line in after(drawing, "coroutines")]
    assert lines[1:] == [
        "handle lifetime 71.3 ms 111 ms +40.0 ms +56% +120 ms",
        "running 41.3 ms 81.3 ms +40.0 ms +97% +120 ms",
    ]
    assert "waits" not in drawing
    assert drawing.splitlines()[0].startswith("A  a.atrace · shop.py")


def test_comparison_of_equals_is_one_line() -> None:
    """Two traces that differ by noise get one sentence, and all numbers on demand."""
    assert compared(shop(), shop()).splitlines()[-1].startswith("nothing changed by 1% or 10 µs or more")
    drawing = compared(shop(), shop(), everything=True)
    assert "Lock.acquire" in drawing
    assert "left out" not in drawing


def test_comparison_says_what_only_one_has() -> None:
    """A coroutine or wait that one trace lacks stands in a table of its own."""
    drawing = compared(Made().trace, shop())
    assert row(drawing, "coroutines only in B", "handle") == "handle 3 71.3 ms 41.3 ms 10.0 ms 20.0 ms"
    assert row(drawing, "waits only in B", "Lock.acquire") == "Lock.acquire 3 20.0 ms 10.0 ms"
    assert "only in A" not in drawing
    assert "coroutines only in A" in compared(shop(), Made().trace)


def test_comparison_lists_the_largest_changes() -> None:
    """Of many changes the fifteen largest are listed, of either sign, and the rest counted."""

    def trace(lives: list[int]) -> Trace:
        made = Made()
        for number, life in enumerate(lives):
            made.task(f"coroutine_{number}", 0, life * MS)
        return made.trace

    drawing = compared(trace([100] * 30), trace([100 + number for number in range(1, 30)] + [1]))
    names = [line.split()[0] for line in after(drawing, "coroutines")[1:] if line.startswith("coroutine_")]
    assert names[0] == "coroutine_28"
    assert names[-1] == "coroutine_29"
    assert len(names) == 15
    assert "and 15 more that changed less; `--all` shows them" in drawing


def test_comparison_warns_of_an_incomplete_trace() -> None:
    """A recording that was cut is named before its numbers are compared."""
    cut = shop()
    cut.complete = False
    assert compared(shop(), cut).splitlines()[1] == "B is an incomplete trace: the recording was cut before its end"
