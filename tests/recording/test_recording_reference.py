"""docs/reference/recording.md is enough to read a recording, and says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncio_trace.events import records as r
from asyncio_trace.events.packing import CLASSES
from asyncio_trace.recording.format import SEGMENT, Segment
from asyncio_trace.recording.reader import RecordingReader
from recording.drawn import QUICK, records
from recording.files import STYLES, frames_of, recording, small
from recording.plain_reader import DOCUMENT, KINDS, PlainReader

NUMBERS = {kind: number for number, kind in r.KINDS.items()}


def numbered(stream: list[r.Record]) -> list[tuple[int, tuple[int, ...]]]:
    """Records as the plain reader gives them."""
    return [(NUMBERS[type(record)], tuple(record)) for record in stream]


def test_the_reference_lists_every_kind_with_its_fields() -> None:
    """Number, name, fields and classes are those of the code."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for number, kind in r.KINDS.items():
        fields = ", ".join(f"{name} `{how.value}`" for name, how in zip(kind._fields, CLASSES[kind], strict=True))
        assert f"| {number} | {kind.__name__} | {fields} |" in text
    assert set(KINDS) == set(r.KINDS)


@pytest.mark.parametrize("style", STYLES)
def test_a_reader_written_from_the_reference_reads_what_is_written(style: str) -> None:
    """Records, tables, segments and header are those that were written."""
    stream, rows = small()
    plain = PlainReader(recording(stream, rows, style))
    assert plain.records == numbered(stream)
    assert list(plain.strings.items())[1:] == rows["strings"]
    assert len(plain.sites) == len(rows["sites"])
    assert {number: list(sites) for number, sites in plain.stacks.items() if number} == dict(rows["stacks"])
    assert [segment["segment"] for segment in plain.segments] == [0, 1, 2]
    assert plain.header["argv"] == ["small"]
    assert not plain.damaged


@pytest.mark.parametrize("style", STYLES)
def test_both_readers_go_on_at_the_same_place_behind_damage(style: str, tmp_path: Path) -> None:
    """Whichever byte of a recording behind its header is flipped, both read the same records."""
    stream, rows = small()
    content = recording(stream, rows, style)
    first = next(at for at, kind, _ in frames_of(content) if kind == SEGMENT)
    path = tmp_path / "damaged.atrace"
    for at in range(first, len(content), 23):
        damaged = bytearray(content)
        damaged[at] ^= 0x01
        path.write_bytes(damaged)
        with RecordingReader(path) as reader:
            found = [record for record in reader.records() if not isinstance(record, Segment)]
        plain = PlainReader(bytes(damaged))
        assert plain.records == numbered(found)
        assert plain.damaged
        assert reader.cut


@QUICK
@given(st.lists(records(), max_size=20), st.sampled_from(STYLES))
def test_both_readers_agree_on_any_record(stream: list[r.Record], style: str) -> None:
    """Every field of every kind, at any 64-bit value."""
    assert PlainReader(recording(stream, {}, style)).records == numbered(stream)
