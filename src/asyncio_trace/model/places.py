"""Places in code by their numbers, each made once."""

from __future__ import annotations

from asyncio_trace.model.tables import Site
from asyncio_trace.recording.tables import Tables


class Places:
    """Sites and stacks of a recording's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._sites: dict[int, Site | None] = {0: None}
        self._stacks: dict[int, tuple[Site, ...]] = {}

    def site(self, number: int) -> Site | None:
        """A site; None for 0, and where the recording does not have it."""
        if number not in self._sites:
            row = self._tables.sites.get(number)
            self._sites[number] = None if row is None else Site(*row)
        return self._sites[number]

    def stack(self, number: int) -> tuple[Site, ...]:
        """The frames of a stack, outermost first."""
        if number not in self._stacks:
            sites = (self.site(site) for site in self._tables.stacks.get(number, ()))
            self._stacks[number] = tuple(site for site in sites if site is not None)
        return self._stacks[number]
