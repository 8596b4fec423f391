"""Records as words: to be read as they lie, by whom no time is left to pack them."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence

from asyncio_trace.events.records import KINDS, Record
from asyncio_trace.recording.format import MAX_RECORD_FIELDS


class WordsError(ValueError):
    """The bytes are not records as words, from `good` on."""

    def __init__(self, good: int) -> None:
        super().__init__(f"no record at byte {good}")
        self.good = good
        """Bytes of the payload that are whole, sound records."""


def records_of_words(payload: bytes) -> Iterator[Record]:
    """The records of a frame's payload, one by one; kinds that are not known, and fields beyond the known, are left out.

    Raises:
        WordsError: What follows the records yielded so far is none.
    """
    whole = len(payload) // 8 * 8
    words: Sequence[int]
    if sys.byteorder == "little":
        words = memoryview(payload)[:whole].cast("q")
    else:  # pragma: no cover
        words = array("q", payload[:whole])
        words.byteswap()
    at, end = 0, len(words)
    while at < end:
        head = words[at]
        fields = head >> 8
        after = at + 1 + fields
        if not head & 0xFF or not 0 <= fields <= MAX_RECORD_FIELDS or after > end:
            raise WordsError(8 * at)
        record = KINDS.get(head & 0xFF)
        if record is not None and (wanted := len(record._fields)) <= fields:
            yield record._make(words[at + 1 : at + 1 + wanted])
        at = after
    if whole < len(payload):
        raise WordsError(whole)
