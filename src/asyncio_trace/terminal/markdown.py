"""Pieces of Markdown as GitHub reads it. Names come from programs: nothing in them may become a table, a link or a tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def escaped(text: str) -> str:
    """Text that shows as it is."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: str) -> str:
    """Text as code; a table takes a bar in it for a cell's end, so that is escaped too."""
    if not text:
        return ""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}".replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """A table; the first `texts` columns are aligned to the left, the others to the right. The cells are Markdown already."""
    rule = ["---" if place < texts else "---:" for place in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in ([*head], rule, *rows)]
