"""A repaired recording is clean, holds all that could be read, and is still said to lack what it lacks."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from asyncio_trace.events.records import Record
from asyncio_trace.model import load
from asyncio_trace.recording.format import SEGMENT, Segment
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.recording.repair import Saved, repair
from recording.files import STYLES, frames_of, recording, small, version_1


def repaired(path: Path) -> Saved:
    """Repair a file in place."""
    out = io.BytesIO()
    with RecordingReader(path) as reader:
        saved = repair(reader, out)
    path.write_bytes(out.getvalue())
    return saved


def read(path: Path) -> tuple[list[Record], RecordingReader]:
    """The records of a file."""
    with RecordingReader(path) as reader:
        return [record for record in reader.records() if not isinstance(record, Segment)], reader


@pytest.mark.parametrize("style", STYLES)
def test_a_sound_recording_stays_what_it_is(tmp_path: Path, style: str) -> None:
    """Nothing is lost, and not a byte is other."""
    path = tmp_path / "sound.atrace"
    stream, rows = small()
    content = recording(stream, rows, style)
    path.write_bytes(content)
    assert repaired(path) == Saved(len(stream), 0, 0, True)
    assert path.read_bytes() == content


def test_version_1_becomes_version_2(tmp_path: Path) -> None:
    """The trace is the same."""
    path = tmp_path / "old.atrace"
    stream, rows = small()
    path.write_bytes(version_1(stream, rows))
    before = load(path)
    assert repaired(path) == Saved(len(stream), 0, 0, True)
    assert load(path) == before
    assert next(frames_of(path.read_bytes()))[1] == b"H"


@pytest.mark.parametrize("style", STYLES)
def test_whatever_is_damaged_the_rest_is_saved_and_clean(tmp_path: Path, style: str) -> None:
    """Every record that can be read is in the repaired file, which is sound, makes the same trace, and repairs to itself."""
    path = tmp_path / "damaged.atrace"
    stream, rows = small()
    content = recording(stream, rows, style)
    chance = random.Random(style)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(300, len(damaged))
            if chance.random() < 0.3:
                del damaged[at : at + chance.randint(1, 200)]
            else:
                damaged[at] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        before, reader = read(path)
        trace = load(path)
        saved = repaired(path)
        assert (saved.records, saved.lost_bytes, saved.lost_places) == (len(before), reader.lost_bytes, reader.lost_places)
        after, clean = read(path)
        assert after == before
        assert clean.lost_bytes == 0
        again = load(path)
        trace.lost_bytes = 0
        assert (again.complete, again.gaps, again.cut) == (trace.complete, trace.gaps, trace.cut)
        assert again == trace
        content_once = path.read_bytes()
        assert repaired(path).lost_bytes == 0
        assert path.read_bytes() == content_once


def test_what_was_lost_stays_known(tmp_path: Path) -> None:
    """The segment behind the gap says how many bytes it is."""
    path = tmp_path / "gap.atrace"
    stream, rows = small()
    damaged = bytearray(recording(stream, rows))
    begins = [at for at, kind, _ in frames_of(bytes(damaged)) if kind == SEGMENT]
    damaged[begins[2] - 1] ^= 1
    path.write_bytes(damaged)
    saved = repaired(path)
    assert saved.ended
    with RecordingReader(path) as reader:
        lost = [item.lost_bytes for item in reader.records() if isinstance(item, Segment)]
    assert lost == [0, 0, saved.lost_bytes]
    assert not load(path).complete
