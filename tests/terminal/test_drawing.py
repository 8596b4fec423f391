"""What a drawing says, whatever it looks like."""

from __future__ import annotations

import re

import pytest
import scenes
from canvas import drawn
from rich.cells import cell_len

from asyncio_trace.model import Program, Run, Trace

MS = scenes.MS


def row_of(drawing: str, name: str) -> str:
    """The first row that contains `name`, or the heading."""
    lines = drawing.splitlines()
    return next(line for line in lines[lines.index("") :] if name in line)


def test_gather_draws_every_task_beneath_main() -> None:
    """Eleven tasks are eleven rows, ten of them branches of `main`."""
    lines = drawn(scenes.gather(), 80).splitlines()
    assert sum("─ worker" in line for line in lines) == 10
    assert sum(line.startswith("main ") for line in lines) == 1


def test_names_tell_tasks_apart_even_when_narrow() -> None:
    """At 60 columns each of ten equal coroutines still shows its task's name whole."""
    drawing = drawn(scenes.gather(), 60)
    for number in range(2, 12):
        assert re.search(rf"Task-{number} ", drawing)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_name_bar_total_and_wait_stay(width: int) -> None:
    """The essential columns are there from 60 columns on."""
    row = row_of(drawn(scenes.gather(), width), "Task-5")
    assert "┠──" in row
    assert "20.6 ms" in row
    assert "97% sleep" in row


def test_wide_drawing_has_all_columns() -> None:
    """At 200 columns the totals by state, the steps, the waker and the outcome in words join."""
    heading = row_of(drawn(scenes.crowd(), 200), "task ")
    for title in ("outcome", "total", "running", "ready", "waiting", "steps", "waits on", "woken by"):
        assert title in heading


def test_instant_run_is_visible() -> None:
    """A run of no measurable length in a long wait still leaves its tick."""
    scene = scenes.Scene("x.py", duration_ns=10_000 * MS)
    task = scene.task("main", 0)
    scene.run(task, 0, 0)
    scene.wait(task, "sleep", 0, 5_000 * MS, 5_000 * MS)
    scene.run(task, 5_000 * MS, 5_000 * MS)
    scene.wait(task, "sleep", 5_000 * MS, 9_999 * MS, 9_999 * MS)
    scene.end(task, 9_999 * MS)
    row = row_of(drawn(scene.done(), 80), "main ")
    assert re.search("┠─+╂─+", row)


def test_blocking_step_is_marked_and_listed() -> None:
    """A step over the threshold is marked in its row, and listed with its task, instant and length."""
    drawing = drawn(scenes.trouble(), 80)
    assert "✓!" in row_of(drawing, "Task-4")
    assert "259 ms at 701 ms  handle · Task-4" in drawing


def test_exception_is_named_at_every_width() -> None:
    """What a task raised can be read, in a column or in a list."""
    for width in (80, 200):
        assert "ConnectionResetError" in drawn(scenes.trouble(), width)


def test_jobs_stand_beneath_their_task() -> None:
    """Executor jobs follow the task that submitted them, with the thread that ran them."""
    lines = drawn(scenes.trouble(), 80).splitlines()
    place = next(place for place, line in enumerate(lines) if "report" in line)
    assert "» render" in lines[place + 1]
    assert "asyncio_0" in lines[place + 1]


def test_folding_says_what_it_folded() -> None:
    """Beyond `max_rows`, rows stand for many tasks, their numbers add up, and the command that draws all is named."""
    drawing = drawn(scenes.crowd(), 200, max_rows=20)
    said = re.search(r"([\d,]+) tasks folded into (\d+) row", drawing)
    assert said is not None
    counts = [int(number.replace(",", "")) for number in re.findall(r"×([\d,]+)", drawing)]
    assert sum(counts) == int(said[1].replace(",", ""))
    assert len(counts) == int(said[2])
    assert "`asyncio-trace show FILE --all`" in drawing


def test_what_stands_out_is_not_folded() -> None:
    """A task that blocked the loop and tasks that raised keep rows of their own in a crowd."""
    drawing = drawn(scenes.crowd(), 200, max_rows=20)
    assert "✓!" in row_of(drawing, "Task-505")
    assert "TimeoutError" in row_of(drawing, "Task-22")


def test_zero_rows_means_all() -> None:
    """`max_rows=0` draws each task."""
    drawing = drawn(scenes.crowd(), 100, max_rows=0)
    assert sum("fetch · Task-" in line and line.startswith(("│", " ")) for line in drawing.splitlines()) >= 1_000
    assert "folded" not in drawing


def test_a_screenful_is_kept_on_a_terminal() -> None:
    """On a terminal 11,000 tasks take no more lines than the screen has, give or take the lists below."""
    drawing = drawn(scenes.crowd(11_000), 100, colors="standard", height=40)
    assert len(drawing.splitlines()) <= 50


def test_many_kinds_are_merged() -> None:
    """More coroutines than rows become one row for the rest, and every task is counted."""
    scene = scenes.Scene("x.py", duration_ns=1_000 * MS)
    main = scene.task("main", 0)
    for number in range(300):
        task = scene.task(f"coroutine_{number}", number * MS, main)
        scene.run(task, number * MS, (number + 1) * MS)
        scene.end(task, (number + 1) * MS)
    drawing = drawn(scene.done(), 100, max_rows=20)
    merged = re.search(r"other tasks ×([\d,]+)", drawing)
    assert merged is not None
    assert int(merged[1]) + sum(bool(re.search(r"─ coroutine_|^main ", line)) for line in drawing.splitlines()) == 301


def test_incomplete_trace_is_said_first() -> None:
    """What is missing is the first line, before anything that it puts in doubt."""
    trace = scenes.gather()
    trace.dropped_events, trace.complete, trace.cut = 12, False, True
    first = drawn(trace, 80).splitlines()[0]
    assert first == "incomplete trace: 12 events dropped, the recording was cut before its end"


def test_trace_without_tasks_is_one_line() -> None:
    """A program that made no task gets one clear line."""
    assert drawn(Trace(Program(["/srv/sync.py"], duration_ns=12 * MS)), 80) == "no asyncio task in sync.py (12.0 ms)\n"
    callbacks = Trace(Program(["sync.py"], duration_ns=12 * MS), runs=[Run(None, "f", 1, 0, 1)])
    assert drawn(callbacks, 80) == "no asyncio task, only 1 callback in sync.py (12.0 ms)\n"


def test_markup_and_control_characters_are_shown_not_obeyed() -> None:
    """Names that look like markup are printed as they are, and escape characters are replaced."""
    drawing = drawn(scenes.trouble(), 200)
    assert "nightly �[31m[red]report[/red]" in drawing


def test_wide_characters_keep_columns_straight() -> None:
    """East Asian names do not push the bar to the right."""
    scene = scenes.Scene("x.py", duration_ns=100 * MS)
    for name in ("データ取得", "plain"):
        task = scene.task("work", 0, name=name)
        scene.run(task, 0, 1 * MS)
        scene.wait(task, "sleep", 1 * MS, None, None, None)
    drawing = drawn(scene.done(), 80)
    offsets = {cell_len(row[: row.index("┠")]) for row in (row_of(drawing, "データ取得"), row_of(drawing, "· plain"))}
    assert len(offsets) == 1


def test_no_color_variable_is_obeyed() -> None:
    """With NO_COLOR set, a terminal gets no colour, and the picture reads the same."""
    plain = drawn(scenes.trouble(), 80)
    coded = drawn(scenes.trouble(), 80, colors="standard", environ={"NO_COLOR": "1"}, max_rows=50)
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", coded)
    assert re.sub(r"\x1b\[[\d;]*m", "", coded) == plain
