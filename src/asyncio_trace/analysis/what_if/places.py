"""How a change names a place: `app.py:42`, `app.py:40-44`, or the name of a function."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asyncio_trace.model import Site


@dataclass(frozen=True, slots=True)
class Place:
    """Lines of a file, or a function."""

    text: str
    file: str = ""
    """The end of the path."""
    first: int = 0
    last: int = 0
    function: str = ""

    def has(self, site: Site | None) -> bool:
        """Whether a site is there."""
        if site is None:
            return False
        if self.function:
            return self.names(site.function)
        file = site.file.replace("\\", "/")
        return self.first <= site.line <= self.last and (file == self.file or file.endswith(f"/{self.file}"))

    def names(self, qualified: str) -> bool:
        """Whether this is the function of that qualified name."""
        if not self.function:
            return False
        inner = qualified.rpartition("<locals>.")[2]
        return self.function in (qualified, inner, inner.rpartition(".")[2])


def place(text: str) -> Place:
    """Read a place."""
    match = re.fullmatch(r"(.+):(\d+)(?:-(\d+))?", text)
    if match is None:
        return Place(text, function=text)
    first = int(match[2])
    return Place(text, match[1].replace("\\", "/").removeprefix("./"), first, int(match[3] or first))
