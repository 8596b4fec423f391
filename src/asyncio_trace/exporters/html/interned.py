"""Of all texts, places and stacks of a trace those that the page names, with numbers of their own."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from asyncio_trace.exporters.html.columns import Numbers
from asyncio_trace.model import Site, Trace

T = TypeVar("T", bound=Hashable)


class Chosen(Generic[T]):
    """A part of a table of values; numbers are given as they are asked for."""

    def __init__(self, table: Sequence[T]) -> None:
        self._table = table
        self._numbers = np.zeros(1, np.int64)
        """By 1 + the number in the table, 1 + the number here; 0 if not chosen yet. The first, for -1, stays 0."""
        self._extra: dict[T, int] = {}
        self.values: list[T] = []

    def take(self, numbers: npt.NDArray[np.integer[Any]]) -> Numbers:
        """1 + the numbers here; 0 for -1, which means none."""
        self._numbers.resize(len(self._table) + 1, refcheck=False)  # tables of traces made by hand grow as they are read
        used = np.unique(numbers)
        for number in used[(used >= 0) & (self._numbers[used + 1] == 0)].tolist():
            self._numbers[number + 1] = self.number(self._table[number]) + 1
        chosen: Numbers = self._numbers[numbers + 1]
        return chosen

    def number(self, value: T) -> int:
        """The number of a value, which need not stand in the table."""
        known = self._extra.setdefault(value, len(self.values))
        if known == len(self.values):
            self.values.append(value)
        return known


class Names:
    """Texts, places and stacks."""

    def __init__(self, trace: Trace) -> None:
        self.texts: Chosen[str] = Chosen(trace.strings)
        self.sites: Chosen[Site] = Chosen(trace.sites)
        self.stacks: Chosen[tuple[Site, ...]] = Chosen(trace.stacks)

    def site(self, site: Site | None) -> int:
        """1 + the number of a place; 0 for none."""
        return 0 if site is None else self.sites.number(site) + 1


class Combinations:
    """Rows of a few small numbers, of which few differ."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, ...], int] = {}

    def take(self, *columns: npt.NDArray[np.integer[Any]]) -> Numbers:
        """The number of each row's combination."""
        bases = [int(column.max(initial=0)) + 2 for column in columns]
        keys = np.zeros(len(columns[0]), np.int64)
        for column, base in zip(columns, bases, strict=True):
            keys = keys * base + (column.astype(np.int64) + 1)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        rows = zip(*(column[first].tolist() for column in columns), strict=True)
        numbers = [self._numbers.setdefault(row, len(self._numbers)) for row in rows]
        return np.array(numbers, np.int64)[inverse.reshape(-1)] if numbers else np.zeros(0, np.int64)

    def all(self) -> list[tuple[int, ...]]:
        """The combinations, by number."""
        return list(self._numbers)
