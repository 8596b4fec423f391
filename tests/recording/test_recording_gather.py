"""Both gatherers keep the same columns of the same bytes, whatever these are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncio_trace.events import records as r
from asyncio_trace.events.packing import FIRST_SKIPPED_KIND
from asyncio_trace.recording.gather import NUMBERS, Gatherer, PlainGatherer, new_gatherer
from asyncio_trace.recording.packed import Stream, pack_records
from asyncio_trace.recording.varint import varint
from recording.drawn import QUICK, records

NATIVE = not isinstance(new_gatherer(), PlainGatherer)
GATHERERS: list[Callable[[], Gatherer]] = [PlainGatherer, *([new_gatherer] if NATIVE else [])]

pieces = st.one_of(
    st.lists(records(), max_size=6).map(lambda batch: pack_records(batch, Stream())[1:]),
    st.binary(max_size=12),
    st.sampled_from(
        [b"\x80" * 9 + b"\x01", b"\xff" * 9 + b"\x02", b"\xff" * 10, bytes([FIRST_SKIPPED_KIND]) + varint(3) + b"abc"]
    ),
)
PACKED = st.lists(pieces, max_size=5).map(lambda parts: b"\0" + b"".join(parts)) | st.binary(max_size=40)
WORDS = st.lists(
    st.lists(records(), max_size=6).map(lambda batch: b"".join(map(r.pack, batch))) | st.binary(max_size=24), max_size=4
)


def columns(gatherer: Gatherer) -> dict[int, list[list[int]]]:
    """All that it holds."""
    return {
        kind: [memoryview(column).cast("B").cast("q").tolist() for column in gatherer.take(kind)] for kind in NUMBERS.values()
    }


@pytest.mark.parametrize("new", GATHERERS)
def test_columns_hold_the_records(new: Callable[[], Gatherer]) -> None:
    """Each field of each record in its column, with the record's number; over frames, as words and packed, and once only."""
    gatherer, stream, back = new(), Stream(), Stream()
    first: list[r.Record] = [r.Idle(3, 10, 20), r.TaskNamed(7, 1), r.Idle(3, 30, 45)]
    gatherer.packed(pack_records(first, stream), back)
    assert gatherer.words(r.pack(r.Idle(4, -5, 2**62))) == 32
    gatherer.packed(pack_records([r.TaskNamed(9, 2)], stream), back)
    assert gatherer.records == 5
    idle = [memoryview(column).cast("B").cast("q").tolist() for column in gatherer.take(NUMBERS[r.Idle])]
    assert idle == [[0, 2, 3], [3, 3, 4], [10, 30, -5], [20, 45, 2**62]]
    assert columns(gatherer)[NUMBERS[r.TaskNamed]] == [[1, 4], [7, 9], [1, 2]]
    assert columns(gatherer)[NUMBERS[r.TaskNamed]] == [[], [], []]


def both() -> Iterator[Gatherer]:
    """A gatherer of each make."""
    if not NATIVE:
        pytest.skip("built without the extension")
    yield from (make() for make in GATHERERS)


@QUICK
@given(st.lists(PACKED, max_size=3))
def test_packed_bytes_are_taken_alike(payloads: list[bytes]) -> None:
    """Sound records, damaged ones, numbers too long, kinds of later versions: the same columns, good to the same byte."""
    found = []
    for gatherer in both():
        stream = Stream()
        good = []
        for payload in payloads:
            good.append(gatherer.packed(payload, stream))
            if good[-1] < len(payload):
                stream = Stream()
        found.append((good, gatherer.records, columns(gatherer)))
    assert found[0] == found[1]


@QUICK
@given(st.lists(WORDS.map(b"".join), max_size=3))
def test_words_are_taken_alike(payloads: list[bytes]) -> None:
    """The same of records as words."""
    found = [([new.words(payload) for payload in payloads], new.records, columns(new)) for new in both()]
    assert found[0] == found[1]
