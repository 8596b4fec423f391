"""What is written reads back; whatever else is in a file gives a partial trace or one line, never a traceback."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncio_trace.errors import InputError
from asyncio_trace.events.records import HEADERS, KINDS, Ended, Record
from asyncio_trace.model import Trace, load
from asyncio_trace.recording.format import EVENTS, FRAME_HEAD, MAGIC, MAGIC_1, TABLES, Segment, frame
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.recording.writer import RecordingWriter
from asyncio_trace.tracer.session import record_to
from recording.drawn import QUICK, records


def words_of(stream: list[Record]) -> list[int]:
    """Records as words."""
    words: list[int] = []
    for record in stream:
        words += [HEADERS[type(record)], *record]
    return words


class Kept(io.BytesIO):
    """A file that can be looked at after it was closed."""

    content = b""

    def close(self) -> None:
        """Keep the content."""
        self.content = self.getvalue()
        super().close()


def written(frames: list[tuple[dict[str, list[Any]], list[int]]]) -> bytes:
    """A recording of these frames."""
    file = Kept()
    writer = RecordingWriter(file, {"argv": ["test"]})
    for tables, words in frames:
        writer.write(tables, struct.pack(f"<{len(words)}q", *words))
    writer.close()
    return file.content


def read(path: Path) -> tuple[list[Record], RecordingReader]:
    """All records of a file."""
    with RecordingReader(path) as reader:
        return [record for record in reader.records() if not isinstance(record, Segment)], reader


@QUICK
@given(st.lists(st.lists(records(), max_size=5), max_size=4), st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_what_is_written_reads_back(tmp_path: Path, batches: list[list[Record]], texts: list[str]) -> None:
    """Records come back in order with their types, and tables with their texts."""
    strings = [[number, text] for number, text in enumerate(texts, 1)]
    frames: list[Any] = [({"strings": strings, "sites": [], "stacks": []}, [])]
    frames += [({"strings": [], "sites": [], "stacks": []}, words_of(batch)) for batch in batches]
    path = tmp_path / "roundtrip.atrace"
    path.write_bytes(written(frames))
    found, reader = read(path)
    assert found == [record for batch in batches for record in batch]
    assert [reader.tables.string(number) for number in range(1, len(texts) + 1)] == texts
    assert reader.tables.string(len(texts) + 1) == "?"
    assert reader.header == {"argv": ["test"]}
    assert not reader.cut


def test_unknown_kinds_and_added_fields_are_skipped(tmp_path: Path) -> None:
    """A later version may add kinds of records, and fields at the end of those there are."""
    unknown = max(KINDS) + 1
    longer = (HEADERS[Ended] & 0xFF) | 3 << 8
    path = tmp_path / "later.atrace"
    path.write_bytes(written([({}, [unknown | 2 << 8, 7, 7, longer, 42, 1, 2, HEADERS[Ended], 43])]))
    found, reader = read(path)
    assert found == [Ended(42), Ended(43)]
    assert not reader.cut


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a real, small recording in several frames."""
    path = tmp_path_factory.mktemp("small") / "small.atrace"

    async def main() -> None:
        await asyncio.sleep(0)
        session.recorder.flush()
        await asyncio.create_task(asyncio.sleep(0))

    session = record_to(str(path), argv=["small"])
    try:
        asyncio.run(main())
    finally:
        session.end()
    return path.read_bytes()


def load_or_refuse(path: Path) -> Trace | None:
    """The trace, or None if the file was refused in one line."""
    try:
        return load(path)
    except InputError as error:
        refusal = error
    assert refusal.exit_status == 65
    assert "\n" not in str(refusal)
    assert str(path) in str(refusal)
    return None


def test_a_file_cut_anywhere_gives_what_was_there(tmp_path: Path, small: bytes) -> None:
    """Cut after any byte, a recording is a shorter trace that is not complete, or is refused."""
    path = tmp_path / "cut.atrace"
    path.write_bytes(small)
    whole = load(path)
    assert whole.complete
    before = 0
    for length in range(len(small)):
        path.write_bytes(small[:length])
        trace = load_or_refuse(path)
        if trace is not None:
            assert not trace.complete
            assert before <= len(trace.tasks) <= len(whole.tasks)
            before = len(trace.tasks)
    assert before > 0


@settings(QUICK, max_examples=150)
@given(data=st.data())
def test_a_damaged_file_never_gives_a_traceback(tmp_path: Path, small: bytes, data: st.DataObject) -> None:
    """Whatever bytes are changed, the recording loads in part or is refused."""
    damaged = bytearray(small)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.atrace"
    path.write_bytes(damaged)
    load_or_refuse(path)


@settings(QUICK, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from([b"T", b"E", b"H", b"x"]), st.binary(max_size=60)), max_size=4))
def test_frames_of_nonsense_never_give_a_traceback(tmp_path: Path, small: bytes, frames: list[tuple[bytes, bytes]]) -> None:
    """Frames whose checksums are right but whose content is anything load in part or are refused."""
    path = tmp_path / "nonsense.atrace"
    body = b"".join(FRAME_HEAD.pack(kind, len(payload), zlib.crc32(payload)) + payload for kind, payload in frames)
    path.write_bytes(small + body)
    assert load_or_refuse(path) is not None
    path.write_bytes(MAGIC + body)
    load_or_refuse(path)


@settings(QUICK, max_examples=150)
@given(st.lists(records(), max_size=12))
def test_records_of_nonsense_never_give_a_traceback(tmp_path: Path, stream: list[Record]) -> None:
    """Records whose words are anything make some trace."""
    path = tmp_path / "records.atrace"
    path.write_bytes(written([({}, words_of(stream))]))
    load_or_refuse(path)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4))


@settings(QUICK, max_examples=150)
@given(st.dictionaries(st.sampled_from(["strings", "sites", "stacks", "more"]), JSON) | JSON)
def test_tables_of_nonsense_never_give_a_traceback(tmp_path: Path, tables: Any) -> None:
    """Tables that hold anything end the readable part of the file."""
    payload = json.dumps(tables).encode()
    path = tmp_path / "tables.atrace"
    path.write_bytes(written([]).replace(MAGIC, MAGIC_1) + frame(TABLES, payload))
    load_or_refuse(path)


@settings(QUICK, max_examples=100)
@given(JSON | st.dictionaries(st.sampled_from(["argv", "pid", "started_unix_ns", "python", "core"]), JSON))
def test_headers_of_nonsense_never_give_a_traceback(tmp_path: Path, header: Any) -> None:
    """A header that holds anything is refused, or what is right in it is taken."""
    payload = json.dumps(header).encode()
    path = tmp_path / "header.atrace"
    path.write_bytes(MAGIC + FRAME_HEAD.pack(b"H", len(payload), zlib.crc32(payload)) + payload)
    load_or_refuse(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello", "not a recording"),
        (b'{"format": "asyncio-trace/timeline"}\n', "not a recording"),
        (b"\x00" * 100, "not a recording"),
        (b"asyncio-trace recording 9\n", "another version"),
        (MAGIC, "cut before its header"),
        (MAGIC + FRAME_HEAD.pack(b"H", 2, 0) + b"{}", "cut before its header"),
        (MAGIC + FRAME_HEAD.pack(EVENTS, 0, 0), "cut before its header"),
        (MAGIC + FRAME_HEAD.pack(b"H", 2, zlib.crc32(b"[]")) + b"[]", "header is damaged"),
    ],
)
def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    """The line says what is wrong with the file."""
    path = tmp_path / "foreign.atrace"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says) as raised:
        load(path)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_status == 65


def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    """A missing file and a folder are refused like a foreign one."""
    for path in (tmp_path / "missing.atrace", tmp_path):
        with pytest.raises(InputError, match="can't be read"):
            load(path)
