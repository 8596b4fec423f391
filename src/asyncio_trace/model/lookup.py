"""From ids to rows, for whole columns at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from asyncio_trace.model.codes import NONE
from asyncio_trace.model.columns import Int32, Int64

_SPARSE = 8
"""A table of all ids up to the largest is made if it has at most so many places for each id,"""
_SMALL = 1 << 16
"""or so many."""


class Lookup:
    """Numbers by id; `NONE` for what is not there.

    Args:
        ids: Each at most once.
        numbers: What they lead to; by default, their places in `ids`.
    """

    def __init__(self, ids: Int64, numbers: Any = None) -> None:
        values = np.arange(len(ids), dtype=np.int32) if numbers is None else np.asarray(numbers, np.int32)
        self._dense = bool(len(ids)) and ids.min() >= 0 and ids.max() < _SPARSE * len(ids) + _SMALL
        self._empty = not len(ids)
        if self._dense:
            self._values = np.full(int(ids.max()) + 1, NONE, np.int32)
            self._values[ids] = values
        else:
            order = np.argsort(ids, kind="stable")
            self._ids, self._values = ids[order], values[order]

    def __call__(self, ids: Int64) -> Int32:
        """The numbers of many ids."""
        if self._empty:
            return np.full(len(ids), NONE, np.int32)
        if self._dense:
            inside = (ids >= 0) & (ids < len(self._values))
            if inside.all():
                return self._values[ids]
            return np.where(inside, self._values[np.where(inside, ids, 0)], np.int32(NONE))
        place = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[place] == ids, self._values[place], np.int32(NONE))

    def one(self, number: int) -> int:
        """The number of one id."""
        return int(self(np.array([number], np.int64))[0])


def first_places(ids: Any) -> Int64:
    """The place at which each different id stands first."""
    return np.unique(ids, return_index=True)[1]


def last_places(ids: Any) -> Int64:
    """The place at which each different id stands last."""
    return len(ids) - 1 - np.unique(ids[::-1], return_index=True)[1]


def order_by(first: Int64, second: Any) -> Int64:
    """The order by one column and, where that is equal, by another; what is equal in both stays in its order.

    For a first column that is nearly sorted, as times are, which makes it much quicker than `numpy.lexsort`.
    """
    order = np.argsort(first, kind="stable")
    ordered = first[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(same):
        tied = np.union1d(same, same + 1)
        members = order[tied]
        order[tied] = members[np.lexsort((second[members], first[members]))]
    return order
