"""A recording's records as columns, before they mean anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from asyncio_trace.events.records import Record
from asyncio_trace.model.columns import Int64
from asyncio_trace.recording.format import Segment
from asyncio_trace.recording.gather import NUMBERS, Gatherer
from asyncio_trace.recording.tables import Tables


class Fields:
    """The records of one kind: `seq`, each one's number in the order of all records, and an array for each field."""

    seq: Int64

    def __init__(self, kind: type[Record], columns: list[Any]) -> None:
        self._kind = kind
        arrays = [np.frombuffer(column, np.int64) for column in columns]
        self.__dict__.update(zip(("seq", *kind._fields), arrays, strict=True))

    def __getattr__(self, name: str) -> Int64:
        raise AttributeError(name)  # for type checkers: whatever stands in `__dict__` is an array

    def __len__(self) -> int:
        return len(self.seq)

    def records(self) -> Iterator[Record]:
        """The records themselves, for kinds of which there are few."""
        columns = (getattr(self, name).tolist() for name in self._kind._fields)
        return map(self._kind._make, zip(*columns, strict=True))


@dataclass(slots=True)
class Recorded:
    """All that was read of a recording."""

    gatherer: Gatherer
    segments: list[tuple[int, Segment]]
    """Each with the number of records before it."""
    tables: Tables
    header: dict[str, Any]

    def take(self, kind: type[Record]) -> Fields:
        """The records of a kind; each kind can be had once, so that nobody keeps what nobody needs."""
        return Fields(kind, self.gatherer.take(NUMBERS[kind]))
