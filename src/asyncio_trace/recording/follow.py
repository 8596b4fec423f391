"""Reads a recording while it is being written: what is there, then what has come, for as long as the program lives.

`RecordingReader` takes the end of the file for the end of the recording. A follower takes it for now, and a frame that is not
whole for one that is still being written, until it is told that nobody writes any more. It keeps no more than what the segment
that it is in needs.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from asyncio_trace.events.records import Record
from asyncio_trace.recording.format import (
    EVENTS,
    FRAME_HEAD,
    HEADER,
    MAGIC,
    MAX_PAYLOAD,
    PACKED,
    SEGMENT,
    SEGMENT_MARK,
    SKIPPED,
    TABLES,
    Segment,
    parse_segment,
)
from asyncio_trace.recording.packed import Stream, unpack_records
from asyncio_trace.recording.tables import Tables, TablesError
from asyncio_trace.recording.words import records_of_words

_PIECE = 1 << 20
"""Bytes read at once in search of a segment."""


class NotARecordingError(Exception):
    """The file is no recording of this version. One that has no first line yet may still become one."""


class Follower:
    """A recording that grows; use it as a context manager.

    Raises:
        OSError: The file can't be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.tables = Tables()
        """What numbers in the records of the present segment stand for; another object in each segment."""
        self.header: dict[str, Any] = {}
        """The header, once it has been read."""
        self.lost_bytes = 0
        """Bytes that were no sound frames, so far."""
        self.at = 0
        """Bytes before the next frame."""
        self._stream = Stream()
        self._file: BinaryIO = Path(path).open("rb", buffering=0)  # noqa: SIM115

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        self._file.close()

    def behind(self) -> int:
        """Bytes in the file that have not been read."""
        return max(0, os.fstat(self._file.fileno()).st_size - self.at)

    def records(self, *, ended: bool = False, limit_bytes: int = 1 << 24) -> Iterator[Record | Segment]:
        """Yield the records of the frames that are there, and each segment where it begins, up to about `limit_bytes` of file.

        With `ended`, nobody writes any more: a frame that is not whole is then lost, and before that only waited for.

        Raises:
            OSError: The file can't be read any further.
            NotARecordingError: It is none.
        """
        until = self.at + limit_bytes
        if not self.at and not self._begin():
            return
        while self.at < until:
            frame = self._frame()
            if frame is None:
                if not ended or not self.behind() or not self._skip():
                    return
                continue
            kind, payload = frame
            self.at += FRAME_HEAD.size + len(payload)
            try:
                yield from self._take(kind, payload)
            except ValueError:  # what the decoders raise, and json
                self.lost_bytes += len(payload)
                self._skip()

    def _begin(self) -> bool:
        """Read the first line; False if it is not there yet."""
        line = self._read(0, len(MAGIC))
        if line != MAGIC[: len(line)]:
            raise NotARecordingError
        if len(line) < len(MAGIC):
            return False
        self.at = len(MAGIC)
        return True

    def _frame(self) -> tuple[bytes, bytes] | None:
        """The next frame; None if it is not there, or not sound: a write that went wrong is taken back and made again."""
        head = self._read(self.at, FRAME_HEAD.size)
        if len(head) < FRAME_HEAD.size:
            return None
        kind, length, crc = FRAME_HEAD.unpack(head)
        if length > MAX_PAYLOAD or length > self.behind() - FRAME_HEAD.size:
            return None
        payload = self._read(self.at + FRAME_HEAD.size, length)
        return (kind, payload) if len(payload) == length and zlib.crc32(payload) == crc else None

    def _take(self, kind: bytes, payload: bytes) -> Iterator[Record | Segment]:
        if kind == PACKED:
            yield from unpack_records(payload, self._stream)
        elif kind == EVENTS:
            yield from records_of_words(payload)
        elif kind == TABLES:
            self.tables.add_packed(payload)
        elif kind == SEGMENT:
            segment = parse_segment(payload)
            if segment is None:
                raise TablesError("no segment")
            # Its rows stand in it again; those of the segments before would gather for ever.
            self.tables = Tables()
            self._stream = Stream()
            yield segment
        elif kind == HEADER:
            header = json.loads(payload)
            self.header = header if isinstance(header, dict) else {}
        elif kind not in SKIPPED:
            raise TablesError("no frame of this version")

    def _skip(self) -> bool:
        """Go to the next segment behind damage, or to the end; False if there is none."""
        start = self.at
        at = start + 1
        kept = b""
        while piece := self._read(at, _PIECE):
            data = kept + piece
            mark = data.find(SEGMENT_MARK)
            while mark >= 0:
                found = at - len(kept) + mark - FRAME_HEAD.size
                if found > start and self._is_segment(found):
                    self.lost_bytes += found - start
                    self.at = found
                    return True
                mark = data.find(SEGMENT_MARK, mark + 1)
            at += len(piece)
            kept = data[-len(SEGMENT_MARK) :]
        self.lost_bytes += at - start
        self.at = max(at, start)
        return False

    def _is_segment(self, at: int) -> bool:
        before, self.at = self.at, at
        frame = self._frame()
        self.at = before
        return frame is not None and frame[0] == SEGMENT

    def _read(self, at: int, length: int) -> bytes:
        self._file.seek(at)
        data = bytearray()
        while len(data) < length and (piece := self._file.read(length - len(data))):
            data += piece
        return bytes(data)
