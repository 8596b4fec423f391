"""The comparison in Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asyncio_trace.analysis.comparison import NOISE_NS, NOISE_SHARE, Change, Comparison, Difference
from asyncio_trace.analysis.thresholds import Verdict
from asyncio_trace.model import Trace
from asyncio_trace.terminal import summary
from asyncio_trace.terminal.comparison import percent_of, signed, value_of
from asyncio_trace.terminal.glyphs import UNICODE
from asyncio_trace.terminal.markdown import code, escaped, table
from asyncio_trace.terminal.naming import coroutine_names, waited_on
from asyncio_trace.terminal.wording import Names, Wording, count

_ROWS = 15


def markdown(
    a: Trace, b: Trace, comparison: Comparison, paths: tuple[str, str], verdicts: Sequence[Verdict], *, everything: bool = False
) -> Iterator[str]:
    """The lines of the document: thresholds first, then what changed beyond noise.

    Args:
        a: The trace before.
        b: The trace after.
        comparison: Of the two.
        paths: Where they were read from.
        verdicts: Thresholds, and whether they were exceeded.
        everything: List all rows, and changes within noise.
    """
    yield from _Document(a, b, comparison, everything).lines(paths, verdicts)


class _Document:
    def __init__(self, a: Trace, b: Trace, comparison: Comparison, everything: bool) -> None:
        self.traces = a, b
        self.comparison = comparison
        self.everything = everything
        self.wording = Wording(UNICODE)

    def lines(self, paths: tuple[str, str], verdicts: Sequence[Verdict]) -> Iterator[str]:
        """From top to bottom."""
        wording = self.wording
        yield f"## {escaped(summary.program(self.traces[1], wording))}: {code(wording.clean(paths[1]))} after {code(paths[0])}"
        for letter, trace in zip("AB", self.traces, strict=True):
            for line in summary.warning(trace):
                yield from ["", f"**{letter} is an {escaped(''.join(text for text, _ in line))}**"]
        yield from self._verdicts(verdicts)
        shown = self.comparison if self.everything else self.comparison.beyond_noise()
        if not (shown.program or shown.coroutines or shown.waits):
            yield from ["", f"Nothing changed by {100 // NOISE_SHARE}% or {NOISE_NS // 1000} µs or more."]
            return
        names = Names(self.traces[1], wording)
        called = coroutine_names([row.name for row in self.comparison.coroutines], names, wording)
        whole = [(change.measure, "", *self._change(change)) for change in shown.program]
        yield from self._table("Program", ("program", "", "A", "B", "change", ""), whole)
        yield from self._table(
            "Coroutines, means for each task", ("coroutine", "", "A", "B", "change", ""),
            [row for one in shown.coroutines for row in self._rows(called[one.name], one)],
        )  # fmt: skip
        yield from self._table(
            "Waits, means for each wait", ("waited on", "", "A", "B", "change", ""),
            [row for one in shown.waits for row in self._rows(waited_on(one.kind or "", one.name, wording), one)],
        )  # fmt: skip

    def _verdicts(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        if verdicts:
            rows = [
                (
                    code(self.wording.clean(verdict.threshold.text)),
                    "**exceeded**" if verdict.exceeded else "ok",
                    *(value_of(number, verdict.threshold.is_time, self.wording) for number in (verdict.a, verdict.b)),
                    value_of(round(verdict.limit), verdict.threshold.is_time, self.wording),
                )
                for verdict in verdicts
            ]
            yield from ["", *table(("threshold", "", "A", "B", "limit"), rows, texts=2)]

    def _rows(self, name: str, row: Difference) -> Iterator[tuple[str, ...]]:
        only = f" (only in {row.only_in.upper()})" if row.only_in else ""
        for number, change in enumerate(row.changes):
            yield (code(name) + only if not number else "", change.measure, *self._change(change))

    def _change(self, change: Change) -> tuple[str, str, str, str]:
        return (
            value_of(change.a, change.is_time, self.wording),
            value_of(change.b, change.is_time, self.wording),
            signed(change.by, change.is_time, self.wording),
            percent_of(change.percent),
        )

    def _table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        if rows:
            shown = rows if self.everything else rows[: 4 * _ROWS]
            yield from ["", f"### {title}", "", *table(head, shown, texts=2)]
            if len(rows) > len(shown):
                yield from ["", f"and {count(len(rows) - len(shown))} rows more"]
