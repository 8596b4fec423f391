"""What a recording's numbers stand for, as numbers of a trace: those have no gaps, and one value has one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asyncio_trace.model import kinds
from asyncio_trace.model.codes import NONE
from asyncio_trace.model.columns import Int32, Int64
from asyncio_trace.model.lookup import Lookup
from asyncio_trace.model.tables import Site

if TYPE_CHECKING:
    from asyncio_trace.model.trace import Trace
    from asyncio_trace.recording.tables import Tables


class Names:
    """Strings, sites and stacks of a recording, put into a trace."""

    def __init__(self, tables: Tables, trace: Trace) -> None:
        self._trace = trace
        self._strings = _lookup({number: trace.strings.add(text) for number, text in tables.strings.items()})
        self._unknown: int | None = None
        sites = {number: Site(*row) for number, row in tables.sites.items() if number}
        self._sites = _lookup({number: trace.sites.add(site) for number, site in sites.items()})
        stacks = {number: tuple(sites[site] for site in numbers if site in sites) for number, numbers in tables.stacks.items()}
        self._stacks = _lookup({number: trace.stacks.add(stack) for number, stack in stacks.items()})

    def strings(self, numbers: Int64) -> Int32:
        """Texts; "?" where the recording does not have them."""
        found = self._strings(numbers)
        missing = found == NONE
        if missing.any():
            found[missing] = self._trace.strings.add("?")
        return found

    def strings_or_none(self, numbers: Int64) -> Int32:
        """Texts, or none where they are empty."""
        found = self.strings(numbers)
        found[found == 0] = NONE
        return found

    def sites(self, numbers: Int64) -> Int32:
        """Places; none where the recording does not have them."""
        return self._sites(numbers)

    def stacks(self, numbers: Int64) -> Int32:
        """Stacks; the empty one where the recording does not have them."""
        found = self._stacks(numbers)
        found[found == NONE] = 0
        return found

    def own_sites(self, stacks: Int32) -> Int32:
        """The program's innermost line in each stack of the trace, if there is one."""
        used, place = np.unique(stacks, return_inverse=True)
        sites = []
        for number in used.tolist():
            stack = self._trace.stacks[number]
            site = next((site for site in reversed(stack) if not kinds.is_plumbing(site)), None)
            sites.append(NONE if site is None else self._trace.sites.add(site))
        return np.array(sites, np.int32)[place]


def _lookup(numbers: dict[int, int]) -> Lookup:
    return Lookup(np.array(list(numbers), np.int64), np.array(list(numbers.values()), np.int32))
