"""Source lines that a trace names, read when it is exported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_LONGEST = 400
"""Characters of a line that are kept."""


def embed(sites: Iterable[Sequence[Any]]) -> dict[str, dict[str, str]]:
    """The lines of `sites` (function, file, line, ...), by file and line number; what can't be read is left out."""
    wanted: dict[str, set[int]] = {}
    for _, file, line, *_ in sites:
        wanted.setdefault(file, set()).add(line)
    lines = {file: _lines(file, numbers) for file, numbers in wanted.items()}
    return {file: found for file, found in lines.items() if found}


def _lines(file: str, numbers: set[int]) -> dict[str, str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as source:
            return {str(number): line.rstrip()[:_LONGEST] for number, line in enumerate(source, 1) if number in numbers}
    except (OSError, ValueError):
        return {}
