"""Takes in a recording's records and keeps them as columns, one for each field of each kind: eight bytes a field, no objects.

There are two that do the same: `_gather.Gatherer`, in C, takes 80 ns a record, `PlainGatherer`, in Python, twenty times that.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, Protocol

from asyncio_trace.events.packing import CLASSES, FieldClass
from asyncio_trace.events.records import KINDS, Record
from asyncio_trace.recording.packed import PackedError, Stream, unpack_records
from asyncio_trace.recording.words import WordsError, records_of_words

NUMBERS = {record: number for number, record in KINDS.items()}

_LETTERS = {
    FieldClass.ID: "i",
    FieldClass.REF: "r",
    FieldClass.TIME: "t",
    FieldClass.DURATION: "d",
    FieldClass.BACK: "b",
    FieldClass.NUMBER: "n",
    FieldClass.SIGNED: "s",
    FieldClass.LOOP: "l",
}
"""What the extension calls the classes."""


class Gatherer(Protocol):
    """Takes in payloads of frames, gives away columns."""

    @property
    def records(self) -> int:
        """Records taken in so far."""

    def packed(self, payload: bytes, stream: Stream, /) -> int:
        """Take in packed records. Returns the bytes of the payload that are sound; what comes behind is left out."""

    def words(self, payload: bytes, /) -> int:
        """Take in records as words. Returns the bytes of the payload that are sound; what comes behind is left out."""

    def take(self, kind: int, /) -> list[Any]:
        """Give away the columns of a kind, as buffers of 64-bit integers: each record's number in the order of all, then the
        fields.
        """


class PlainGatherer:
    """A gatherer in Python."""

    def __init__(self) -> None:
        self.records = 0
        self._rows: dict[type[Record], array[int]] = {record: array("q") for record in NUMBERS}

    def packed(self, payload: bytes, stream: Stream, /) -> int:
        """Take in packed records."""
        try:
            self._keep(unpack_records(payload, stream))
        except PackedError as error:
            return error.good
        return len(payload)

    def words(self, payload: bytes, /) -> int:
        """Take in records as words."""
        try:
            self._keep(records_of_words(payload))
        except WordsError as error:
            return error.good
        return len(payload)

    def take(self, kind: int, /) -> list[Any]:
        """Give away the columns of a kind."""
        record = KINDS[kind]
        rows, self._rows[record] = self._rows[record], array("q")
        width = 1 + len(record._fields)
        return [rows[column::width] for column in range(width)]

    def _keep(self, records: Iterable[Record]) -> None:
        rows = self._rows
        for number, record in enumerate(records, self.records):
            self.records = number + 1
            kept = rows[type(record)]
            kept.append(number)
            kept.extend(record)


def new_gatherer() -> Gatherer:
    """The fastest there is."""
    try:
        from asyncio_trace.recording import _gather
    except ImportError:
        return PlainGatherer()
    return _gather.Gatherer(
        {NUMBERS[record]: "".join(_LETTERS[field] for field in fields) for record, fields in CLASSES.items()}
    )
