"""How the columns share a line: the fewer cells there are, the fewer columns; name, bar and total stay to the last."""

from __future__ import annotations

from dataclasses import dataclass

from asyncio_trace.terminal.cells import Line, fit, width_of
from asyncio_trace.terminal.facts import Facts
from asyncio_trace.terminal.glyphs import Glyphs
from asyncio_trace.terminal.rows import Row
from asyncio_trace.terminal.wording import Name, Names, Wording, count, squeezed

_BY_IMPORTANCE = ("mark", "total", "waits", "waker", "running", "waiting", "ready", "steps", "ending")
_ON_SCREEN = ("mark", "ending", "total", "running", "ready", "waiting", "steps", "waits", "waker")
_TITLES = {"mark": "", "ending": "outcome", "waits": "waits on", "waker": "woken by"}
_NUMBERS = frozenset({"total", "running", "ready", "waiting", "steps"})
_WAITS_SHARE = 4
_LEAST = {"waits": 16, "waker": 8}
"""Columns of text may become so narrow,"""
_LEAST_NAME = 24
"""and names too, to make room for the last of them."""
_WIDE_BAR = 44
"""On a wide console, texts are not cut to make the bar longer than this."""
_NARROW = 72
"""From this width on, room is made for the column that says who woke a task."""
_WIDE = 120
"""From this width on, columns stand two cells apart."""


@dataclass(slots=True)
class Layout:
    """Widths in cells; a column that did not fit is not in `columns`."""

    name: int
    bar: int
    columns: dict[str, int]
    gap: str

    def heading(self, ruler: str) -> Line:
        """The line over the rows."""
        line = [(f"{'task':{self.name}} {ruler}"[: self.name + 1 + self.bar], "faint")]
        for column, width in self.columns.items():
            title = _TITLES.get(column, column)
            title = f"{'':{_WAITS_SHARE}} {title}" if column == "waits" else title
            line.append((self.gap + fit(title, width, "", right=column in _NUMBERS), "faint"))
        return line


class Cells:
    """The texts of one row, as wide as they come."""

    def __init__(self, row: Row, about: Facts, names: Names, wording: Wording) -> None:
        glyphs = wording.glyphs
        self.guides = row.guides
        self.names = _label(row, names, wording)
        self.outcome = about.outcome
        self.blocked = about.blocked
        self.texts = {
            "mark": glyphs.marks.get(about.outcome, "?")
            + (glyphs.blocked if about.blocked else glyphs.longest if row.longest else ""),
            "ending": about.ending,
            "total": wording.duration(about.total),
            "running": wording.duration(about.running),
            "ready": wording.duration(about.ready),
            "waiting": wording.duration(about.waiting),
            "steps": count(about.steps) if row.tasks else "",
            "waits": f"{about.waits_share:>{_WAITS_SHARE}} {about.waits_on[0]}".rstrip(),
            "waker": about.woken_by[0],
        }
        self.shorter = {
            "waits": [f"{about.waits_share:>{_WAITS_SHARE}} {form}" for form in about.waits_on[1:]],
            "waker": about.woken_by[1:],
        }

    def label(self, width: int, ellipsis: str) -> Line:
        """Guides, name and which one it is; what tells it from others is cut last."""
        name, which = squeezed(self.names, width - width_of(self.guides), ellipsis)
        line = [(self.guides, "faint"), (name, "plain"), (which, "faint")]
        rest = width - sum(width_of(text) for text, _ in line)
        if rest < 0:
            return [(fit("".join(text for text, _ in line), width, ellipsis), "plain")]
        return [*line, (" " * rest, "")]

    def line(self, layout: Layout, bar: Line, glyphs: Glyphs) -> Line:
        """The row as it is printed."""
        line = [*self.label(layout.name, glyphs.ellipsis), (" ", ""), *bar]
        for column, width in layout.columns.items():
            text = fit(self._text(column, width), width, glyphs.ellipsis, right=column in _NUMBERS)
            if column == "mark":
                line += [(layout.gap + text[:1], self.outcome), (text[1:], "blocked")]
            else:
                line.append((layout.gap + text, self._style(column)))
        return line

    def _text(self, column: str, width: int) -> str:
        """What stands in a column: of its forms the first that fits, else the last."""
        text = self.texts[column]
        if column in self.shorter and width_of(text) > width:
            for text in self.shorter[column]:
                if width_of(text) <= width:
                    break
        return text

    def heights(self, layout: Layout, skyline: str, most: int, beneath: str, glyphs: Glyphs) -> Line:
        """A line below a folded row: how many of its tasks were alive over time."""
        label = fit(f"{beneath}peak {count(most)}", layout.name, glyphs.ellipsis)
        return [(f"{label} {skyline}", "faint")]

    def _style(self, column: str) -> str:
        if column == "ending":
            return self.outcome if self.outcome != "returned" else "faint"
        return "plain" if column in ("total", "waits") else "faint"


def _label(row: Row, names: Names, wording: Wording) -> list[Name]:
    """What a row is called; shorter and shorter."""
    glyphs = wording.glyphs
    if not row.folded and row.tasks:
        return names.forms(row.tasks[0])
    many = f" {glyphs.times}{count(len(row.tasks) + len(row.jobs))}" if row.folded else ""
    if row.mixed:
        return [(f"{glyphs.job}other jobs" if row.jobs else "other tasks", many)]
    qualified = row.jobs[0].function if row.jobs else row.tasks[0].coroutine
    mark = glyphs.job if row.jobs else ""
    return [(mark + names.coroutine(qualified), many), (mark + names.method(qualified), many)]


def layout(rows: list[Cells], width: int) -> Layout:
    """Share `width` cells out, to fit what the rows say."""
    name = _name_width(rows, width)
    bar = max(8, min(56, width * 3 // 10))
    gap = "  " if width >= _WIDE else " "
    wanted = {column: size for column in _BY_IMPORTANCE if (size := _wanted(column, rows, width))}
    left = width - name - 1 - bar
    least = dict(wanted)
    if sum(len(gap) + size for size in wanted.values()) > left:
        least |= {column: min(size, _LEAST[column]) for column, size in wanted.items() if column in _LEAST}
    chosen: dict[str, int] = {}
    for column, size in least.items():
        need = len(gap) + size
        if need > left and column == "waker" and width >= _NARROW:
            slack = bar - width * 9 // 40
            missing = need - left
            if missing <= slack + max(0, name - _LEAST_NAME):
                name -= max(0, missing - slack)
                left = need
        if need > left and not (column == "waits" and width >= 60):
            break
        left -= need
        chosen[column] = size
    bar = width - name - 1 - sum(len(gap) + size for size in chosen.values())
    least_bar = _WIDE_BAR if width >= _WIDE else width // 4 if width >= _NARROW else width * 3 // 10
    for column in chosen:
        more = max(0, min(bar - least_bar, wanted[column] - chosen[column]))
        chosen[column] += more
        bar -= more
    bar = max(1, bar)
    return Layout(min(name, max(1, width - 2)), bar, {column: chosen[column] for column in _ON_SCREEN if column in chosen}, gap)


def _name_width(rows: list[Cells], width: int) -> int:
    widest = max((width_of(row.guides + "".join(row.names[0])) for row in rows), default=0)
    return max(4, min(widest, max(12, width * 33 // 100)))


def _wanted(column: str, rows: list[Cells], width: int) -> int:
    """The cells that a column would like to have; none if there is nothing to say in it."""
    if column == "ending" and all(row.outcome == "returned" for row in rows):
        return 0
    title = width_of(_TITLES.get(column, column)) + (_WAITS_SHARE + 1 if column == "waits" else 0)
    size = max(title, max((width_of(row.texts[column]) for row in rows), default=0))
    return min(size, _limit(column, width))


def _limit(column: str, width: int) -> int:
    """The most cells that a column of text may take."""
    return {"waits": max(17, width * 28 // 100 if width < 120 else width // 7), "waker": max(12, width // 9), "ending": 22}.get(
        column, 10
    )
