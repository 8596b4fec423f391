"""Reads a recording as a stream of typed records, never more than a frame at a time, and over damage as far as can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from asyncio_trace.errors import InputError
from asyncio_trace.events.records import Record
from asyncio_trace.recording.format import (
    EVENTS,
    FRAME_HEAD,
    HEADER,
    MAGIC,
    MAGIC_1,
    MAGIC_PREFIX,
    PACKED,
    SEGMENT,
    SKIPPED,
    TABLES,
    Segment,
    parse_segment,
)
from asyncio_trace.recording.frames import FrameError, Frames
from asyncio_trace.recording.gather import Gatherer
from asyncio_trace.recording.packed import PackedError, Stream, unpack_records
from asyncio_trace.recording.tables import Tables, TablesError, rows_of_json
from asyncio_trace.recording.words import WordsError, records_of_words


class RecordingReader:
    """A recording open for reading.

    Raises:
        InputError: The file is missing, can't be read, is empty, or is not a recording that this version reads.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.tables = Tables()
        self.header: dict[str, Any] = {}
        self.version = 0
        self.segment: Segment | None = None
        """The segment that is being read. Version 1 has none."""
        self.cut = False
        """True, once `records` is exhausted, if something is missing: the file ends inside a frame, or was damaged."""
        self.lost_bytes = 0
        """Bytes that could not be read, so far."""
        self.lost_places = 0
        """Places in the file at which they were."""
        self.good = 0
        """Bytes of the frame that `decode` read last that are sound records."""
        self._pending_loss = 0
        self._stream = Stream()
        try:
            self._file: BinaryIO = self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from None
        self._frames = Frames(self._file)
        try:
            self._read_header()
        except OSError as error:
            self._file.close()
            raise self._unreadable(error) from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def records(self) -> Iterator[Record | Segment]:
        """Yield the records in the order they were made, and each segment where it begins; fill `tables` ahead of them.

        Raises:
            InputError: The file can't be read any further.
        """
        for kind, payload in self.frames():
            if kind == SEGMENT:
                assert self.segment is not None
                yield self.segment
            else:
                yield from self.decode(kind, payload)

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield type and payload of each sound frame after the header. Records in them are for `decode` to read, at once.

        Raises:
            InputError: The file can't be read any further.
        """
        try:
            while True:
                self._start = self._frames.at
                try:
                    frame = self._frames.next()
                    if frame is None:
                        return
                    if frame[0] in SKIPPED:
                        continue
                    self._take(*frame)
                except (FrameError, TablesError):
                    self._lose(self._start, self._start + 1)
                else:
                    yield frame
        except OSError as error:
            raise self._unreadable(error) from None

    def decode(self, kind: bytes, payload: bytes) -> Iterator[Record]:
        """Yield the records of a frame that `frames` has just yielded. If it is not sound to its end, `lost_bytes` grows, and
        `frames` goes on with the next segment.
        """
        self.good = len(payload)
        try:
            if kind == PACKED:
                yield from unpack_records(payload, self._stream)
            elif kind == EVENTS:
                yield from records_of_words(payload)
        except (PackedError, WordsError) as error:
            self.good = error.good
            self._lose_rest()

    def _lose_rest(self) -> None:
        """Only the first `good` bytes of the frame are records."""
        self._lose(self._start + FRAME_HEAD.size + self.good, self._start + 1)

    def gather(self, gatherer: Gatherer) -> list[tuple[int, Segment]]:
        """Let `gatherer` take in all records, and fill `tables`.

        Returns the segments, each with the number of records before it.

        Raises:
            InputError: The file can't be read any further.
        """
        segments = []
        for kind, payload in self.frames():
            if kind == SEGMENT:
                assert self.segment is not None
                segments.append((gatherer.records, self.segment))
            elif kind in (PACKED, EVENTS):
                self.good = gatherer.packed(payload, self._stream) if kind == PACKED else gatherer.words(payload)
                if self.good < len(payload) or (kind == PACKED and not payload):
                    self._lose_rest()
        return segments

    def _take(self, kind: bytes, payload: bytes) -> None:
        """Keep what a frame says beside records."""
        if kind == TABLES:
            if self.version == 1:
                self.tables.add(rows_of_json(payload))
            else:
                self.tables.add_packed(payload)
        elif kind == SEGMENT and self.version != 1:
            segment = parse_segment(payload)
            if segment is None:
                raise FrameError("no segment")
            self.cut = self.cut or segment.lost_bytes > 0
            self.segment = segment._replace(lost_bytes=min(segment.lost_bytes + self._pending_loss, (1 << 63) - 1))
            self._pending_loss = 0
            self._stream = Stream()
        elif kind != EVENTS and (kind != PACKED or self.version == 1):
            raise FrameError("no frame of this version")

    def _lose(self, start: int, search: int) -> None:
        """Note that the file is damaged at `start`, and go to the next segment that begins at `search` or later."""
        self.cut = True
        self._frames.skip_to_segment(search)
        lost = self._frames.at - start
        self.lost_bytes += lost
        self._pending_loss += lost
        self.lost_places += 1

    def _read_header(self) -> None:
        start = self._frames.line(len(MAGIC))
        if not start:
            raise InputError(f"{self.path}: the file is empty; a recording is made by `asyncio-trace run`")
        if start not in (MAGIC, MAGIC_1):
            if start.startswith(MAGIC_PREFIX):
                raise InputError(f"{self.path}: a recording of another version; read it with the asyncio-trace that made it")
            raise InputError(f"{self.path}: not a recording of asyncio-trace; make one with `asyncio-trace run -o FILE.atrace`")
        self.version = 1 if start == MAGIC_1 else 2
        at = self._frames.at
        refusal = "recording was cut before its header"
        try:
            frame = self._frames.next()
            if frame is not None and frame[0] == HEADER:
                refusal = "recording's header is damaged"
                header = json.loads(frame[1])
                if isinstance(header, dict):
                    self.header = header
                    return
        except (ValueError, RecursionError):
            pass
        self._lose(at, at)
        if self._file.peek(1):  # type: ignore[attr-defined]  # a segment: all but the header can be read
            return
        raise InputError(f"{self.path}: the {refusal}; record again")

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: can't be read: {error.strerror or error}")
