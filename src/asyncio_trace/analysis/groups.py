"""Sums over the rows of a table that have something in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from asyncio_trace.model.columns import Int64


class Groups:
    """Rows of a table, grouped by a number that each has. The groups stand in the order of their first rows.

    Args:
        keys: The number of each row.
    """

    def __init__(self, keys: Any) -> None:
        self.keys, first, place = np.unique(keys, return_index=True, return_inverse=True)
        """The number that the rows of each group have."""
        order = np.argsort(first)
        self.keys, self.first = self.keys[order], first[order]
        """The first row of each group."""
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order))
        self.of_row = rank[place.reshape(-1)]
        """The group of each row."""

    def __len__(self) -> int:
        return len(self.keys)

    def counts(self) -> Int64:
        """How many rows each group has."""
        return np.bincount(self.of_row, minlength=len(self)).astype(np.int64)

    def sums(self, values: Int64) -> Int64:
        """The sum of each group's values. Exact, as those of floating-point numbers would not be."""
        sums = np.zeros(len(self), np.int64)
        np.add.at(sums, self.of_row, values)
        return sums

    def longest(self, values: Int64) -> Int64:
        """The row of the largest value of each group; of several the first."""
        most = np.full(len(self), np.iinfo(np.int64).min)
        np.maximum.at(most, self.of_row, values)
        rows = np.flatnonzero(values == most[self.of_row])[::-1]
        found = np.zeros(len(self), np.int64)
        found[self.of_row[rows]] = rows  # of several, the last stays, which is the first row
        return found

    def counted(self, values: Any, names: Any) -> list[dict[str, int]]:
        """How often each group has which value, by name."""
        both = Groups(self.of_row.astype(np.int64) * len(names) + values)
        found: list[dict[str, int]] = [{} for _ in range(len(self))]
        for key, count in zip(both.keys.tolist(), both.counts().tolist(), strict=True):
            found[key // len(names)][names[key % len(names)]] = count
        return found
