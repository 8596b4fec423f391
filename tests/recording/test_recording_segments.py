"""A recording reads on behind damage, at the next segment, and says what was lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncio_trace.errors import InputError
from asyncio_trace.events.records import HEADERS, Ended, Record, TaskCreated, pack
from asyncio_trace.model import load
from asyncio_trace.recording import writer as writing
from asyncio_trace.recording.format import EVENTS, FRAME_HEAD, MAGIC, SEGMENT, Segment, frame, segment_payload
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.recording.writer import RecordingWriter
from recording.files import STYLES, frames_of, recording, small, version_1, words


def read(path: Path) -> tuple[list[Record | Segment], RecordingReader]:
    """All that a file says."""
    with RecordingReader(path) as reader:
        return list(reader.records()), reader


def records(found: list[Record | Segment]) -> list[Record]:
    """The records among it."""
    return [item for item in found if not isinstance(item, Segment)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a recording is written."""
    return tmp_path / "test.atrace"


@pytest.mark.parametrize("style", STYLES)
def test_every_style_says_the_same(path: Path, style: str) -> None:
    """Packed, as words or both, in one segment or several, and in version 1, the trace is the same."""
    stream, rows = small()
    path.write_bytes(recording(stream, rows, style, segments=1))
    found, reader = read(path)
    assert records(found) == stream
    assert not reader.cut
    trace = load(path)
    assert trace.complete
    path.write_bytes(recording(stream, rows, style, segments=4))
    assert load(path) == trace
    path.write_bytes(version_1(stream, rows))
    assert load(path) == trace


@pytest.mark.parametrize("style", STYLES)
def test_damage_costs_the_rest_of_its_segment(path: Path, style: str) -> None:
    """Wherever a byte is flipped in the second of three segments, the first and the third are read, and the loss is counted."""
    stream, rows = small()
    content = recording(stream, rows, style)
    begins = [at for at, kind, _ in frames_of(content) if kind == SEGMENT]
    size = -(-len(stream) // 3)
    for at in range(begins[1], begins[2]):
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        found, reader = read(path)
        assert records(found)[:size] == stream[:size]
        assert records(found)[-(len(stream) - 2 * size) :] == stream[2 * size :]
        assert reader.cut
        assert reader.lost_places == 1
        assert 0 < reader.lost_bytes <= begins[2] - begins[1]
        last = [item for item in found if isinstance(item, Segment)][-1]
        assert last == Segment(2, 2000, 3000, reader.lost_bytes)
    assert not load(path).complete


def test_a_missing_segment_is_noticed(path: Path) -> None:
    """Segments whose numbers do not follow each other make no whole trace, though every checksum is right."""
    stream, rows = small()
    content = recording(stream, rows)
    begins = [at for at, kind, _ in frames_of(content) if kind == SEGMENT]
    path.write_bytes(content[: begins[1]] + content[begins[2] :])
    trace = load(path)
    assert (trace.complete, trace.gaps, trace.cut) == (False, 1, False)


def test_a_part_of_a_file_is_said_to_be_one(path: Path) -> None:
    """A file that begins with a later segment reads, and the program knows since when it is recorded."""
    stream, rows = small()
    content = recording(stream, rows)
    begins = [at for at, kind, _ in frames_of(content) if kind == SEGMENT]
    path.write_bytes(content[: begins[0]] + content[begins[2] :])
    assert load(path).program.recorded_from_ns == 2000


def test_a_damaged_header_costs_the_header(path: Path) -> None:
    """The segments behind it are read; without one the file is refused."""
    stream, rows = small()
    damaged = bytearray(recording(stream, rows))
    damaged[len(MAGIC) + FRAME_HEAD.size] ^= 1
    path.write_bytes(damaged)
    found, reader = read(path)
    assert records(found) == stream
    assert reader.cut
    assert reader.header == {}
    assert not load(path).complete
    path.write_bytes(damaged[: len(MAGIC) + 60])
    with pytest.raises(InputError):
        load(path)


def test_a_frame_to_come_is_skipped(path: Path) -> None:
    """Types 0 to 9 may be added; any other is damage."""
    begin = frame(SEGMENT, segment_payload(Segment(0, 0, 0)))
    head = recording([], {}, segments=0)
    path.write_bytes(head + begin + frame(b"0", b"later") + frame(EVENTS, pack(Ended(5))))
    found, reader = read(path)
    assert records(found) == [Ended(5)]
    assert not reader.cut
    path.write_bytes(head + begin + frame(b"p", b"later") + frame(EVENTS, pack(Ended(5))))
    found, reader = read(path)
    assert records(found) == []
    assert reader.cut


@pytest.mark.parametrize(
    "payload", [b'{"segment":0}', b'{"segment":0,"ns":0,"unix_ns":true}', b'{"segment":-1,"ns":0,"unix_ns":0}']
)
def test_a_segment_that_lacks_something_is_damage(path: Path, payload: bytes) -> None:
    """Number and both times are whole numbers of 64 bits."""
    path.write_bytes(recording([], {}, segments=0) + frame(SEGMENT, payload) + frame(EVENTS, pack(Ended(5))))
    found, reader = read(path)
    assert found == []
    assert reader.cut


def test_sound_records_of_a_frame_that_is_not_sound_to_its_end_are_kept(path: Path) -> None:
    """A kind that this version does not have costs what comes after it."""
    begins = [frame(SEGMENT, segment_payload(Segment(number, 0, 0))) for number in range(2)]
    head = recording([], {}, segments=0)
    for bad in (frame(EVENTS, pack(Ended(5)) + words(0, 7, 7)), frame(b"P", b"\0\x13\x0a\x00\x13\x0a")):
        path.write_bytes(head + begins[0] + bad + frame(EVENTS, pack(Ended(6))) + begins[1] + frame(EVENTS, pack(Ended(7))))
        found, reader = read(path)
        assert records(found) == [Ended(5), Ended(7)]
        assert reader.lost_places == 1


def test_the_writer_begins_segments_that_stand_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so many bytes a segment begins, in which all rows are repeated while they are few."""
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 400)
    writer = RecordingWriter(path.open("wb", buffering=0), {"started_unix_ns": 5})
    created = [TaskCreated(number, number, 1, 0, number, 0, 0) for number in range(1, 30)]
    for record in created:
        writer.write({"strings": [(record.task, f"task {record.task}")], "sites": [], "stacks": []}, pack(record))
    writer.close()
    content = path.read_bytes()
    begins = [at for at, kind, _ in frames_of(content) if kind == SEGMENT]
    assert len(begins) == 29 * 64 // 448 + 1
    found, reader = read(path)
    assert records(found) == created
    assert [item.segment for item in found if isinstance(item, Segment)] == list(range(len(begins)))
    assert [item.unix_ns - item.ns for item in found if isinstance(item, Segment)] == [5] * len(begins)
    path.write_bytes(content[: begins[0]] + content[begins[-1] :])
    found, reader = read(path)
    assert reader.tables.string(1) == "task 1"
    assert {reader.tables.string(record.task) for record in created} == {f"task {record.task}" for record in created}


def test_the_writer_goes_on_with_a_segment_whose_rows_are_many(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are not repeated for ever."""
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 100)
    monkeypatch.setattr(writing, "MAX_ROWS_BYTES", 100)
    writer = RecordingWriter(path.open("wb", buffering=0), {})
    for number in range(1, 30):
        writer.write({"strings": [(number, "x" * 20)], "sites": [], "stacks": []}, words(HEADERS[Ended], number))
    writer.close()
    found, _ = read(path)
    assert len(records(found)) == 29
    assert len(found) - 29 == 1


def test_a_recording_reads_from_a_pipe(tmp_path: Path) -> None:
    """What can't be read twice is read once; damage then costs the rest."""
    import os
    import threading

    stream, rows = small()
    content = recording(stream, rows)
    begins = [at for at, kind, _ in frames_of(content) if kind == SEGMENT]
    damaged = bytearray(content)
    damaged[begins[1]] ^= 1
    fifo = tmp_path / "fifo.atrace"
    os.mkfifo(fifo)
    for data, expected in ((content, len(stream)), (bytes(damaged), -(-len(stream) // 3))):
        feeder = threading.Thread(target=fifo.write_bytes, args=(data,))
        feeder.start()
        found, reader = read(fifo)
        feeder.join()
        assert len(records(found)) == expected
        assert reader.cut == (data != content)
