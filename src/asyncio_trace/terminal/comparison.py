"""The comparison of two traces: what grew most comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from rich.console import Console

from asyncio_trace.analysis.comparison import NOISE_NS, NOISE_SHARE, Change, Comparison, Difference
from asyncio_trace.analysis.thresholds import Verdict
from asyncio_trace.model import Trace
from asyncio_trace.terminal import summary
from asyncio_trace.terminal.cells import Line, Picture, Span, flow
from asyncio_trace.terminal.glyphs import ASCII, UNICODE
from asyncio_trace.terminal.naming import coroutine_names, waited_on
from asyncio_trace.terminal.table import Column, table
from asyncio_trace.terminal.wording import Names, Wording, count, plural

_LISTED = 15
"""Coroutines, and things waited on, that are listed."""
_AT_ONCE = 200
_OF_PROGRAM = {"duration": "duration", "running": "steps and callbacks ran", "tasks": "tasks", "runs": "runs"}
_HUGE = 10_000
"""Percent; more of them say nothing that the numbers beside them do not."""


def draw_comparison(
    a: Trace,
    b: Trace,
    comparison: Comparison,
    paths: tuple[str, str],
    console: Console,
    *,
    verdicts: Sequence[Verdict] = (),
    everything: bool = False,
) -> None:
    """Write what changed from `a` to `b`, as wide as `console`.

    Args:
        a: The trace before.
        b: The trace after.
        comparison: Of the two.
        paths: Where they were read from.
        console: Where to; its encoding decides between Unicode and ASCII glyphs.
        verdicts: Thresholds, and whether they were exceeded.
        everything: List all rows, and changes within noise.
    """
    wording = Wording(ASCII if console.options.ascii_only else UNICODE, console.encoding)
    lines = _Drawing(a, b, comparison, wording, console.width, everything, verdicts).lines(paths)
    while some := list(islice(lines, _AT_ONCE)):
        console.print(Picture(some, wording.glyphs.ellipsis), soft_wrap=True)


@dataclass(slots=True)
class _Drawing:
    a: Trace
    b: Trace
    comparison: Comparison
    wording: Wording
    width: int
    everything: bool
    verdicts: Sequence[Verdict]

    def lines(self, paths: tuple[str, str]) -> Iterator[Line]:
        """From top to bottom."""
        for letter, trace, path in zip("AB", (self.a, self.b), paths, strict=True):
            for line in summary.warning(trace):
                yield [(f"{letter} is an ", "blocked"), *line]
            yield from self._header(letter, trace, path)
        yield from self._thresholds()
        shown = self.comparison if self.everything else self.comparison.beyond_noise()
        noise = f"{100 // NOISE_SHARE}% or {NOISE_NS // 1000} {self.wording.glyphs.micro}s"
        if not (shown.program or shown.coroutines or shown.waits):
            yield from [[], [(f"nothing changed by {noise} or more; `--all` shows every number", "plain")]]
            return
        names = Names(self.b, self.wording)
        called = coroutine_names([difference.name for difference in self.comparison.coroutines], names, self.wording)
        whole = [self._change(_OF_PROGRAM[change.measure], change, in_all=False) for change in shown.program]
        yield from self._table("program", "", "", [[row[0], ("", ""), *row[2:]] for row in whole])
        yield from self._differences("coroutines", "coroutine", shown.coroutines, lambda row: called[row.name], "tasks")
        yield from self._differences(
            "waits", "waited on", shown.waits, lambda row: waited_on(row.kind or "", row.name, self.wording), "waits",
        )  # fmt: skip
        if not self.everything:
            yield from [[], [(f"changes under {noise} are left out; `--all` shows them", "faint")]]

    def _header(self, letter: str, trace: Trace, path: str) -> Iterator[Line]:
        about = trace.program
        facts: list[Line] = [[(f"{letter}  ", "title"), (self.wording.clean(path), "title")]]
        facts.append([(summary.program(trace, self.wording), "plain")])
        if about.python:
            facts.append([(f"Python {self.wording.clean(about.python)}", "faint")])
        if about.core:
            facts.append([(f"{self.wording.clean(about.core)} core", "faint")])
        yield from flow(facts, self.width, self.wording.glyphs.dot, 3)

    def _differences(
        self, title: str, noun: str, rows: Sequence[Difference], called: Callable[[Difference], str], counted: str
    ) -> Iterator[Line]:
        both = [row for row in rows if row.only_in is None]
        shown = self._largest(both)
        lines = []
        for row in shown:
            name = called(row)
            for change in row.changes:
                lines.append(self._change(name, change, in_all=change.is_time))
                name = ""
        yield from self._table(f"{title}, what grew most in all first", noun, "mean", lines)
        if len(both) > len(shown):
            yield [(f"and {count(len(both) - len(shown))} more that changed less; `--all` shows them", "faint")]
        for which in ("b", "a"):
            yield from self._only(which, title, noun, [row for row in rows if row.only_in == which], called, counted)

    def _largest(self, rows: list[Difference]) -> list[Difference]:
        """Those that changed most, in the order in which they were."""
        if self.everything or len(rows) <= _LISTED:
            return rows
        largest = sorted(range(len(rows)), key=lambda place: -abs(rows[place].grew_ns))[:_LISTED]
        return [rows[place] for place in sorted(largest)]

    def _only(
        self, which: str, title: str, noun: str, rows: list[Difference], called: Callable[[Difference], str], counted: str
    ) -> Iterator[Line]:
        if not rows:
            return
        shown = self._largest(rows)
        times = [change.measure for change in rows[0].changes if change.is_time]
        columns = (
            Column(noun, 12),
            Column(counted),
            *(Column(f"mean {time}", rank=3 - place) for place, time in enumerate(times)),
        )
        cells = []
        for row in shown:
            values = [change.b if which == "b" else change.a for change in row.changes]
            numbers = [count(values[0]), *map(self.wording.duration, values[1:])]
            cells.append([(called(row), "plain"), *((number, "plain") for number in numbers)])
        yield from [
            [],
            [(f"{title} only in {which.upper()}", "title")],
            *table(columns, cells, self.width, self.wording.glyphs.ellipsis),
        ]
        if len(rows) > len(shown):
            yield [(f"and {plural(len(rows) - len(shown), 'row')} more; `--all` shows them", "faint")]

    def _table(self, title: str, noun: str, measure: str, rows: list[list[Span]]) -> Iterator[Line]:
        if rows:
            columns = (
                Column(noun, 12), Column(measure, 8), Column("A"), Column("B"), Column("change"), Column("", rank=1),
                Column("in all", rank=2),
            )  # fmt: skip
            yield from [[], [(title, "title")], *table(columns, rows, self.width, self.wording.glyphs.ellipsis)]

    def _change(self, name: str, change: Change, *, in_all: bool) -> list[Span]:
        style = "ready" if change.by > 0 and change.is_time else "running" if change.by < 0 and change.is_time else "plain"
        return [
            (name, "plain"),
            (self.wording.clean(change.measure), "faint"),
            (value_of(change.a, change.is_time, self.wording), "plain"),
            (value_of(change.b, change.is_time, self.wording), "plain"),
            (signed(change.by, change.is_time, self.wording), style),
            (percent_of(change.percent), style),
            (signed(change.in_all, change.is_time, self.wording) if in_all else "", "faint"),
        ]

    def _thresholds(self) -> Iterator[Line]:
        if not self.verdicts:
            return
        columns = (Column("threshold", 20), Column("", 8), Column("A", rank=1), Column("B"), Column("limit"))
        rows = []
        for verdict in self.verdicts:
            style = "blocked" if verdict.exceeded else "returned"
            is_time = verdict.threshold.is_time
            numbers = (verdict.a, verdict.b, round(verdict.limit))
            rows.append(
                [
                    (self.wording.clean(verdict.threshold.text), "plain"),
                    ("exceeded" if verdict.exceeded else "ok", style),
                    *((value_of(number, is_time, self.wording), "plain") for number in numbers),
                ]
            )
        yield from [[], [("thresholds", "title")], *table(columns, rows, self.width, self.wording.glyphs.ellipsis)]


def value_of(number: int, is_time: bool, wording: Wording) -> str:
    """A time or a number in words."""
    if not is_time:
        return count(number)
    return f"-{wording.duration(-number)}" if number < 0 else wording.duration(number)


def signed(number: int, is_time: bool, wording: Wording) -> str:
    """The same with its sign: `+40 ms`."""
    return f"{'+' if number > 0 else '-' if number < 0 else ''}{value_of(abs(number), is_time, wording)}"


def percent_of(share: float | None) -> str:
    """`+23%`, `-4.1%`; nothing where there was nothing before."""
    if share is None:
        return ""
    if share >= _HUGE:
        return f">{_HUGE:,}%"
    return f"{share:+.1f}%" if abs(share) < 9.95 else f"{share:+,.0f}%"
