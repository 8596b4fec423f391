"""A follower reads a recording while it grows, and in the end has read what a reader reads of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncio_trace.events.records import Record
from asyncio_trace.recording.follow import Follower, NotARecordingError
from asyncio_trace.recording.format import MAGIC, PACKED, Segment, frame
from asyncio_trace.recording.reader import RecordingReader
from recording.files import HEAD, STYLES, frames_of, recording, small, version_1


def in_pieces(content: bytes, path: Path, size: int) -> Iterator[list[Record | Segment]]:
    """Let a file grow piece by piece, and follow it; what is new after each piece, and what there is at the end."""
    path.write_bytes(b"")
    with Follower(path) as follower, path.open("ab", buffering=0) as file:
        for at in range(0, len(content), size):
            file.write(content[at : at + size])
            yield list(follower.records())
        yield list(follower.records(ended=True))
        assert follower.header == HEAD
        assert (follower.lost_bytes, follower.behind()) == (0, 0)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [7, 1000, 10_000_000])
def test_a_growing_file_gives_what_the_whole_has(style: str, size: int, tmp_path: Path) -> None:
    """However the pieces fall, each record comes once and in order, as soon as its frame is whole."""
    content = recording(*small(), style)
    batches = list(in_pieces(content, tmp_path / "f.atrace", size))
    (tmp_path / "whole.atrace").write_bytes(content)
    with RecordingReader(tmp_path / "whole.atrace") as reader:
        whole = list(reader.records())
    assert [record for batch in batches for record in batch] == whole != []
    assert batches[-1] == []


def test_tables_are_those_of_the_segment(tmp_path: Path) -> None:
    """Where a segment begins the tables begin anew, so that those of a program that runs for ever do not gather."""
    path = tmp_path / "f.atrace"
    path.write_bytes(recording(*small()))
    seen = []
    with Follower(path) as follower:
        for record in follower.records():
            if isinstance(record, Segment):
                assert list(follower.tables.strings) == [0]
            else:
                seen.append(follower.tables)
        assert len({id(tables) for tables in seen}) == 3
        assert len(follower.tables.strings) > 5


def test_a_limit_ends_a_look(tmp_path: Path) -> None:
    """One look reads a frame more than it is told at most, and the next goes on."""
    content = recording(*small())
    path = tmp_path / "f.atrace"
    path.write_bytes(content)
    places = []
    with Follower(path) as follower:
        while follower.behind():
            list(follower.records(limit_bytes=1))
            places.append(follower.at)
    assert places == [*(at for at, _, _ in frames_of(content)), len(content)]


def test_a_write_that_is_taken_back_is_not_read(tmp_path: Path) -> None:
    """Half a frame is left alone; when it is taken back and another stands there, that is read."""
    records, rows = small()
    content = recording(records, rows)
    last = list(frames_of(content))[-1]
    path = tmp_path / "f.atrace"
    path.write_bytes(content[: last[0] + 20])
    with Follower(path) as follower:
        before = list(follower.records())
        with path.open("r+b") as file:
            file.truncate(last[0])
        assert list(follower.records()) == []
        with path.open("ab") as file:
            file.write(content[last[0] :])
        after = list(follower.records(ended=True))
        assert follower.lost_bytes == 0
    with RecordingReader(path) as reader:
        assert [*before, *after] == list(reader.records())


def test_damage_is_skipped_once_nobody_writes(tmp_path: Path) -> None:
    """A frame that is not sound is waited for while the program lives, and then skipped to the next segment, and counted."""
    content = bytearray(recording(*small()))
    frames = list(frames_of(bytes(content)))
    damaged = next(at for at, kind, _ in frames if kind == PACKED)
    second = [at for at, kind, _ in frames if kind == b"S"][1]
    content[damaged + 12] ^= 0xFF
    path = tmp_path / "f.atrace"
    path.write_bytes(bytes(content))
    with Follower(path) as follower:
        assert [record for record in follower.records() if not isinstance(record, Segment)] == []
        assert follower.at == damaged
        after = list(follower.records(ended=True))
        assert [record.segment for record in after if isinstance(record, Segment)] == [1, 2]
        assert follower.lost_bytes == second - damaged


def test_a_cut_file_ends(tmp_path: Path) -> None:
    """Of a file that ends inside a frame the rest is counted, and the follower comes to its end."""
    content = recording(*small())
    path = tmp_path / "f.atrace"
    path.write_bytes(content[:-5])
    with Follower(path) as follower:
        assert list(follower.records(ended=True))
        assert follower.behind() == 0
        assert follower.lost_bytes > 0
        assert list(follower.records(ended=True)) == []


@pytest.mark.parametrize("content", [b"something else", version_1(*small()), MAGIC[:-2] + b"9\n"], ids=["text", "1", "9"])
def test_what_is_no_recording_of_this_version_is_refused(content: bytes, tmp_path: Path) -> None:
    """Another file, or another version's, is an error of its own kind, not an endless wait."""
    path = tmp_path / "f.atrace"
    path.write_bytes(content)
    with Follower(path) as follower, pytest.raises(NotARecordingError):
        list(follower.records())


def test_a_frame_of_no_known_type_is_damage(tmp_path: Path) -> None:
    """A sound frame of a type that this version does not have is counted as lost, one that it skips is not."""
    content = MAGIC + frame(b"7", b"later") + frame(b"Q", b"what")
    path = tmp_path / "f.atrace"
    path.write_bytes(content)
    with Follower(path) as follower:
        assert list(follower.records(ended=True)) == []
        assert follower.lost_bytes >= 4
