"""Packed records are exact over all 64 bits, go on over frames, and anything else is refused where it begins."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncio_trace.events import records as r
from asyncio_trace.events.packing import CLASSES, FIRST_SKIPPED_KIND, FieldClass
from asyncio_trace.recording.packed import PackedError, Stream, pack_record, pack_records, unpack_records
from asyncio_trace.recording.varint import varint, zigzag
from recording.drawn import EXAMPLES, LIMITS, QUICK, WORDS, records


@QUICK
@given(st.lists(st.lists(records(), max_size=12), max_size=4))
def test_what_is_packed_unpacks(batches: list[list[r.Record]]) -> None:
    """Records come back as they were, frame after frame, with every field at any 64-bit value."""
    to, back = Stream(), Stream()
    for batch in batches:
        found = list(unpack_records(pack_records(batch, to), back))
        assert found == batch
        assert [type(record) for record in found] == [type(record) for record in batch]


def test_each_kind_has_a_class_for_each_field() -> None:
    """No kind is forgotten; what is told relative to a time has one, and a loop stands once at most."""
    assert set(CLASSES) == set(r.HEADERS)
    for kind, classes in CLASSES.items():
        assert len(classes) == len(kind._fields)
        assert classes.count(FieldClass.LOOP) <= 1
        for late in (FieldClass.DURATION, FieldClass.BACK):
            if late in classes:
                assert FieldClass.TIME in classes[: classes.index(late)]


def test_the_bytes_are_these() -> None:
    """A few records by hand, so that writer and reader can't be wrong together."""
    stream = Stream()
    packed = pack_record(r.Idle(1, 1000, 1300), stream)
    assert packed == bytes([3, 1, 0xD0, 0x0F, 0xAC, 0x02])
    packed = pack_record(r.YieldedStep(4, 1, 1310, 1320, 2), stream)
    assert packed == bytes([20 | 0x80, 8, 20, 10, 2])
    packed = pack_record(r.Step(3, 1, 1400, 1500, 0, 7, 2, 1390, 2, 0, 0, 0, 0), stream)
    assert packed == bytes([6 | 0x80, 1, 0xA0, 0x01, 100, 0, 7, 2, 20, 2, 0, 0, 0, *varint(2 * 1400)])
    assert pack_record(r.TaskNamed(3, 300), stream) == bytes([5, 0, 0xAC, 0x02])


def test_a_record_takes_some_ten_bytes() -> None:
    """The most frequent record of a busy program is short."""
    stream = Stream()
    steps = [r.YieldedStep(n % 100 + 1, 1, n * 10_000, n * 10_000 + 5_000, 3) for n in range(1000)]
    assert len(pack_records(steps, stream)) < 10 * len(steps)


@QUICK
@given(st.lists(records(), min_size=1, max_size=5), st.data())
def test_a_payload_cut_inside_a_record_gives_those_before(batch: list[r.Record], data: st.DataObject) -> None:
    """Cut anywhere, the whole records come, and the error says where the first that is not whole begins."""
    stream = Stream()
    ends = [1]
    payload = b"\0"
    for record in batch:
        payload += pack_record(record, stream)
        ends.append(len(payload))
    length = data.draw(st.integers(1, len(payload)))
    found: list[r.Record] = []
    whole = max(index for index, end in enumerate(ends) if end <= length)
    if length in ends:
        found.extend(unpack_records(payload[:length], Stream()))
    else:
        with pytest.raises(PackedError) as raised:
            found.extend(unpack_records(payload[:length], Stream()))
        assert raised.value.good == ends[whole]
    assert found == batch[:whole]


@settings(max_examples=EXAMPLES * 5, **LIMITS)
@given(st.binary(max_size=80))
def test_any_bytes_are_records_or_refused(payload: bytes) -> None:
    """Bytes of nonsense are records with 64-bit fields, or one error of ours."""
    good = 1
    try:
        for record in unpack_records(b"\0" + payload, Stream()):
            assert all(-(2**63) <= field < 2**63 for field in record)
    except PackedError as error:
        good = error.good
    assert 1 <= good <= len(payload) + 1


@pytest.mark.parametrize("head", [0, 47, 64, 64 | 20, 0xC0 | 20, 19 | 0x80, 28])
def test_a_head_that_means_nothing_is_refused(head: int) -> None:
    """Kind 0, kinds that this version does not have, a set bit 6, and "same loop" where there is none."""
    ended = bytes([19, 2])
    found: list[r.Record] = []
    with pytest.raises(PackedError) as raised:
        found.extend(unpack_records(b"\0" + ended + bytes([head]) + bytes(40), Stream()))
    assert raised.value.good == 3
    assert found == [r.Ended(1)]


def test_a_kind_to_come_is_skipped() -> None:
    """Kinds from 48 on carry their length."""
    later = bytes([FIRST_SKIPPED_KIND + 5, 3, 0xFF, 0xFF, 0xFF])
    assert list(unpack_records(b"\0" + later + bytes([19, 84]) + later, Stream())) == [r.Ended(42)]
    with pytest.raises(PackedError):
        list(unpack_records(b"\0" + bytes([63, 4, 0, 0, 0]), Stream()))


def test_another_stream_is_refused() -> None:
    """This version has one stream; an empty payload has none."""
    for payload in (b"", b"\1", b"\x80\0"):
        with pytest.raises(PackedError):
            list(unpack_records(payload, Stream()))


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    """Ten bytes hold 70 bits; those beyond 64 are damage, and so is an eleventh byte."""
    assert list(unpack_records(b"\0\x12" + b"\xff" * 9 + b"\x01", Stream())) == [r.Dropped(-1)]
    for number in (b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x00"):
        with pytest.raises(PackedError):
            list(unpack_records(b"\0\x12" + number, Stream()))


@QUICK
@given(WORDS)
def test_small_numbers_are_short_either_side_of_zero(number: int) -> None:
    """A number takes no more bytes than its bits need."""
    bits = zigzag(number).bit_length()
    assert len(varint(zigzag(number))) == max(1, -(-bits // 7))
