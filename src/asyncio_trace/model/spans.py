"""Runs of one loop never overlap: an eager task's first step, which runs inside its creator's step, splits that step in two."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from asyncio_trace.model.columns import Int32, Int64
from asyncio_trace.model.lookup import order_by


def split_nested(loop: Int64, start: Int64, end: Int64) -> tuple[Int64, Int64, Int64]:
    """The runs that spans make. What holds another span is running before and after, and not while, that one runs.

    Returns the place of each run's span, its start and its end, ordered by start and loop.
    """
    order = order_by(start, ~end).astype(np.int32)
    first = np.zeros(len(order), np.bool_)
    first[:1] = True
    if (loop != loop[:1]).any():
        order = order[np.argsort(loop[order], kind="stable")]
        first[1:] = loop[order[1:]] != loop[order[:-1]]
    starts, ends = start[order], end[order]
    for low, high in pairwise([*np.flatnonzero(first).tolist(), len(order)]):
        first[low + 1 : high] = starts[low + 1 : high] >= np.maximum.accumulate(ends[low : high - 1])
    alone = first & np.append(first[1:], True)
    kept = alone & (ends > starts)
    nested = np.flatnonzero(~alone)
    pieces = _pieces(loop[order[nested]].tolist(), starts[nested].tolist(), ends[nested].tolist())
    place, begin, over = np.array(pieces, np.int64).reshape(-1, 3).T
    places = np.concatenate((order[kept], order[nested[place]]))
    starts = np.concatenate((starts[kept], begin))
    ends = np.concatenate((ends[kept], over))
    if (starts[1:] > starts[:-1]).all():
        return places, starts, ends
    final = order_by(starts, loop[places])
    return places[final], starts[final], ends[final]


def _pieces(loops: list[int], starts: list[int], ends: list[int]) -> list[tuple[int, int, int]]:
    """(place, start, end) of the runs of spans that hold others, ordered by loop, start, and length, the longest first."""
    runs: list[tuple[int, int, int]] = []
    open_spans: list[int] = []
    """The spans that hold the place we are at, innermost last."""
    at = 0
    for span, (loop, start) in enumerate(zip(loops, starts, strict=True)):
        while open_spans and (loops[open_spans[-1]] != loop or ends[open_spans[-1]] <= start):
            over = open_spans.pop()
            if ends[over] > at:
                runs.append((over, at, ends[over]))
                at = ends[over]
        if open_spans and start > at:
            runs.append((open_spans[-1], at, start))
        open_spans.append(span)
        at = start
    for over in reversed(open_spans):
        if ends[over] > at:
            runs.append((over, at, ends[over]))
            at = ends[over]
    return runs


def sums_by_row(rows: Int32, values: Int64, length: int) -> Int64:
    """For each row of a table of so many, the sum of the values that belong to it."""
    sums = np.zeros(length, np.int64)
    np.add.at(sums, rows, values)
    return sums
