"""The whole picture, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from rich.console import Console

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.rules import incomplete_trace
from asyncio_trace.model import Run, Trace
from asyncio_trace.terminal import summary
from asyncio_trace.terminal.bars import Bars
from asyncio_trace.terminal.cells import Line, Picture, flow
from asyncio_trace.terminal.columns import Cells, layout
from asyncio_trace.terminal.facts import facts
from asyncio_trace.terminal.findings import Findings
from asyncio_trace.terminal.folding import folded
from asyncio_trace.terminal.glyphs import ASCII, UNICODE
from asyncio_trace.terminal.rows import Row, hand_out, in_order, unfolded
from asyncio_trace.terminal.window import Window, ruler, time_drawn, trace_end
from asyncio_trace.terminal.wording import Names, Wording, plural

_ROWS_WHEN_PIPED = 50
_AT_ONCE = 200
"""Lines printed at once; more of them cost memory rather than save time."""
_ROOMY = 72
"""From this width on, the branches of the tree are three cells wide rather than two."""
_DRAWN_EACH = 24
"""Rows that are few enough to be drawn each on any screen."""
_FEWEST_ROWS = 10
_FINDINGS_OF_A_RULE = 2
"""Findings of one rule that are shown above the timeline."""
_LINES_AROUND_ROWS = 8
"""Lines of a screenful that heading, what was folded, legend, the blanks between and the shell's prompt take."""


def draw(
    trace: Trace,
    console: Console,
    *,
    block_threshold_ns: int = 100_000_000,
    max_rows: int | None = None,
    findings: Sequence[Finding] = (),
) -> None:
    """Draw `trace` as a timeline, as wide as `console`.

    Args:
        trace: What to draw.
        console: Where to; its encoding decides between Unicode and ASCII glyphs.
        block_threshold_ns: Steps of this many nanoseconds or more are marked and listed.
        max_rows: Beyond so many rows, tasks are folded by coroutine; 0 draws each task. By default, what fits on the screen, or
            50 rows where the output is no terminal.
        findings: What is wrong with it, worst first; shown above the timeline.
    """
    wording = Wording(ASCII if console.options.ascii_only else UNICODE, console.encoding)
    height = console.height if console.is_terminal else None
    lines = _picture(trace, wording, console.width, height, block_threshold_ns, max_rows, findings)
    while some := list(islice(lines, _AT_ONCE)):
        console.print(Picture(some, wording.glyphs.ellipsis), soft_wrap=True)


def _picture(
    trace: Trace,
    wording: Wording,
    width: int,
    height: int | None,
    block_threshold_ns: int,
    max_rows: int | None,
    findings: Sequence[Finding],
) -> Iterator[Line]:
    names = Names(trace, wording)
    end = trace_end(trace)
    if not trace.tasks:
        ran = f", only {plural(len(trace.runs), 'callback')}" if trace.runs else ""
        nothing = f"no asyncio task{ran} in {summary.program(trace, wording)} ({wording.duration(end)})"
        yield from [*summary.warning(trace), [(nothing, "plain")]]
        return

    blocking = _blocking_runs(trace, block_threshold_ns)
    above = [*summary.warning(trace), *summary.header(trace, names, wording, width, end)]
    found = [finding for finding in findings if finding.rule != incomplete_trace.NAME]
    if found:
        told = Findings(trace, names, wording, width)
        above += [[], *told.listed(found, _FINDINGS_OF_A_RULE, "`asyncio-trace report FILE --all` lists them")]
    raised = summary.raised(trace, names, wording, width)
    below = [summary.blocked(blocking, block_threshold_ns, names, wording, width), raised]
    below.append(summary.totals(trace, names, wording, width, end))
    if max_rows is None and len(trace.tasks) + len(trace.jobs) <= _DRAWN_EACH:
        max_rows = 0
    elif max_rows is None and height is not None:
        around = _LINES_AROUND_ROWS + len(above) + sum(len(section) + 1 for section in below if section)
        max_rows = max(_FEWEST_ROWS, height - around)
    elif max_rows is None:
        max_rows = _ROWS_WHEN_PIPED
    rows, note = _rows(trace, wording, width, max_rows, blocking)
    hand_out(rows, trace)
    cells = [Cells(row, facts(row, names, wording, end, block_threshold_ns), names, wording) for row in rows]
    shape = layout(cells, width)
    window = Window(*time_drawn(trace), shape.bar)
    bars = Bars(window, wording.glyphs, block_threshold_ns, end)
    labels, _ = ruler(window, wording.glyphs.micro)

    yield from above
    yield from [[], shape.heading(labels)]
    for row, cell in zip(rows, cells, strict=True):
        yield cell.line(shape, bars.bar(row), wording.glyphs)
        if row.tall and len(row.tasks) > 1:
            yield cell.heights(shape, *bars.heights(row), row.beneath, wording.glyphs)
    yield from flow([[(sentence, "title")] for sentence in note], width, "; ")
    if any(row.longest for row in rows):
        bars.seen.add("longest")
    yield from [[], *summary.legend(bars.seen, (cell.outcome for cell in cells), wording, width)]
    for section in below:
        if section and not (section is raised and "ending" in shape.columns):
            yield from [[], *section]


def _blocking_runs(trace: Trace, threshold_ns: int) -> list[Run]:
    """The runs that held a loop for the threshold or longer, longest first."""
    runs = [run for run in trace.runs if run.end_ns - run.start_ns >= threshold_ns]
    return sorted(runs, key=lambda run: run.start_ns - run.end_ns)


def _rows(trace: Trace, wording: Wording, width: int, max_rows: int, blocking: list[Run]) -> tuple[list[Row], list[str]]:
    """The rows in order, and what to say about those that were folded."""
    glyphs = wording.glyphs if width >= _ROOMY else wording.glyphs.compact()
    deepest = max(1, width // 12)
    if not max_rows or len(trace.tasks) + len(trace.jobs) <= max_rows:
        return in_order(unfolded(trace), glyphs, deepest), []
    blockers = dict.fromkeys(run.task for run in blocking if run.task is not None)
    rows = in_order(folded(trace, max_rows, list(blockers)), glyphs, deepest)
    hidden = [row for row in rows if row.folded]
    parts = [
        plural(number, noun)
        for noun, number in (("task", sum(len(row.tasks) for row in hidden)), ("job", sum(len(row.jobs) for row in hidden)))
        if number
    ]
    if not parts:
        return rows, []
    said = f"{' and '.join(parts)} folded into {plural(len(hidden), 'row')}, whose times are sums"
    return rows, [said, "`asyncio-trace show FILE --all` draws each"]
