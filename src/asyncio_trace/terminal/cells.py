"""Lines of styled text, measured in terminal cells: East Asian characters take two, combining ones none."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from asyncio_trace.terminal.glyphs import STYLES

Span = tuple[str, str]
"""Text, and the name of its style in `glyphs.STYLES`."""
Line = list[Span]

_SINGLE = re.compile("[ -~─-╿▀-▟·µ×…✓✗⊘»↑]*")
"""Text of characters that surely take one cell each: nearly all that is drawn, and much faster to measure."""
_RICH_STYLES = {name: Style.parse(style) for name, style in STYLES.items()}


def width_of(text: str) -> int:
    """How many terminal cells `text` takes."""
    return len(text) if _SINGLE.fullmatch(text) else cell_len(text)


def fit(text: str, width: int, ellipsis: str, *, right: bool = False) -> str:
    """`text` in exactly `width` cells: padded on one side, or cut with an ellipsis."""
    size = width_of(text)
    if size > width:
        return set_cell_size(text, max(0, width - len(ellipsis))) + ellipsis[:width]
    padding = " " * (width - size)
    return padding + text if right else text + padding


def flow(facts: Iterable[Line], width: int, separator: str, indent: int = 0) -> list[Line]:
    """Facts side by side, as many on a line as `width` cells hold."""
    lines: list[Line] = []
    used = 0
    for fact in facts:
        size = sum(width_of(text) for text, _ in fact)
        if lines and used + width_of(separator) + size <= width:
            lines[-1] += [(separator, "faint"), *fact]
            used += width_of(separator) + size
        else:
            margin = " " * indent if lines else ""
            lines.append([(margin, ""), *fact])
            used = len(margin) + size
    return lines


class Picture:
    """Lines that rich prints as they are: nothing in them is markup, and none is wider than the console."""

    def __init__(self, lines: list[Line], ellipsis: str) -> None:
        self.lines = lines
        self.ellipsis = ellipsis

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        newline = Segment.line()
        for line in self.lines:
            if console.color_system is None:
                line = [("".join(text for text, _ in line), "")]
            for text, style in _trimmed(line, options.max_width, self.ellipsis):
                yield Segment(text, _RICH_STYLES[style])
            yield newline


def _trimmed(line: Line, width: int, ellipsis: str) -> Line:
    """The line without trailing blanks, cut at `width` cells."""
    whole = "".join(text for text, _ in line)
    visible = whole.rstrip(" ")
    keep = len(visible)
    mark = ellipsis[:width] if width_of(visible) > width else ""
    if mark:
        keep = len(set_cell_size(visible, width - len(mark)).rstrip(" "))
    trimmed: Line = []
    for text, style in line:
        if keep <= 0:
            break
        if trimmed and trimmed[-1][1] == style:
            trimmed[-1] = (trimmed[-1][0] + text[:keep], style)
        elif text:
            trimmed.append((text[:keep], style))
        keep -= len(text)
    if mark:
        trimmed.append((mark, "faint"))
    return trimmed
