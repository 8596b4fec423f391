"""Tables: numbers whole and aligned, texts cut to what is left, and on a narrow console fewer columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncio_trace.terminal.cells import Line, Span, fit, width_of
from asyncio_trace.terminal.wording import Wording

_WIDE = 120
"""From this width on, columns stand two cells apart."""


@dataclass(frozen=True, slots=True)
class Column:
    """What stands under one title."""

    title: str
    least: int | None = None
    """A text may be cut to this many cells; a number, which has None here, may not be cut."""
    rank: int = 0
    """Where room is scarce, the column of the highest rank goes first; those of rank 0 stay."""

    @property
    def is_number(self) -> bool:
        """Whether it is aligned to the right and never cut."""
        return self.least is None


def table(columns: Sequence[Column], rows: Sequence[Sequence[Span]], width: int, ellipsis: str) -> list[Line]:
    """The heading and the rows, in at most `width` cells as long as the columns of rank 0 fit. Empty columns are left out."""
    gap = "  " if width >= _WIDE else " "
    wanted = [
        max(width_of(column.title), max((width_of(row[place][0]) for row in rows), default=0))
        for place, column in enumerate(columns)
    ]
    least = [size if column.least is None else min(size, column.least) for column, size in zip(columns, wanted, strict=True)]
    shown = [place for place in range(len(columns)) if not place or any(row[place][0] for row in rows)]
    while sum(least[place] for place in shown) + len(gap) * (len(shown) - 1) > width:
        last = max(shown, key=lambda place: columns[place].rank)
        if not columns[last].rank:
            break
        shown.remove(last)
    left = width - sum(least[place] for place in shown) - len(gap) * (len(shown) - 1)
    widths = list(least)
    while left > 0 and (cut := [place for place in shown if widths[place] < wanted[place]]):
        for place in cut:
            more = max(0, min(wanted[place] - widths[place], left, max(1, left // len(cut))))
            widths[place] += more
            left -= more

    def line(cells: Sequence[Span]) -> Line:
        spans: Line = []
        for place in shown:
            text, style = cells[place]
            spans += [
                (gap if place != shown[0] else "", ""),
                (fit(text, widths[place], ellipsis, right=columns[place].is_number), style),
            ]
        return spans

    return [line([(column.title, "faint") for column in columns]), *(line(row) for row in rows)]


def wrapped(text: str, style: str, width: int, wording: Wording, indent: int = 0, first: Line | None = None) -> list[Line]:
    """`text` broken between words into lines of `width` cells, all but the first indented; `first` stands before it."""
    lines: list[Line] = [list(first or [])]
    used = sum(width_of(span) for span, _ in lines[0])
    start = True
    for word in wording.clean(text).split():
        size = width_of(word)
        if not start and used + 1 + size > width:
            lines.append([(" " * indent, "")])
            used, start = indent, True
        if size > width - used:
            word = fit(word, max(1, width - used), wording.glyphs.ellipsis).rstrip()
            size = width_of(word)
        lines[-1].append((word if start else f" {word}", style))
        used += size + (not start)
        start = False
    return lines
