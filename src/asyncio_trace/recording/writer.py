"""Writes a recording, frame by frame, so that whatever was written reads back however the program ends."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, BinaryIO, NamedTuple

from asyncio_trace.recording.format import EVENTS, HEADER, MAGIC, SEGMENT, TABLES, Segment, frame, segment_payload
from asyncio_trace.recording.tables import pack_rows

SEGMENT_BYTES = 1 << 24
"""A new segment begins once the last has this many bytes of records: what damage costs at most."""

MAX_ROWS_BYTES = 1 << 20
"""Rows of more bytes than this are not written again and again: the last segment goes on instead."""


class Target(NamedTuple):
    """Where a core that writes frames itself does so."""

    descriptor: int
    """Of a file that ends with the frame of its first segment; -1 if it is a ring."""
    folder: bytes
    """Of a ring, else empty."""
    ring_bytes: int
    """What the files in it may have together."""
    segment_bytes: int
    """After so many a segment of a file ends."""
    started_unix_ns: int
    """Wall clock at instant 0."""


class RecordingWriter:
    """Appends frames to a binary file that it owns and that is open for writing without a buffer of its own.

    Args:
        file: The file.
        header: What to say about the program. Its `started_unix_ns` is the wall-clock time of instant 0.
    """

    def __init__(self, file: BinaryIO, header: dict[str, Any]) -> None:
        self._file = file
        self._rows: bytearray | None = bytearray()
        """All rows so far, for the segments to come; None once they are too many."""
        self._segment = 0
        self._segment_bytes = 0
        self._began = self._written = time.monotonic_ns()
        self._started_unix_ns = int(header.get("started_unix_ns") or time.time_ns())
        self._write(MAGIC + frame(HEADER, json.dumps(header).encode()) + self._segment_frame())

    def write(self, tables: dict[str, list[Any]], records: bytes) -> None:
        """Append the rows that are new in the tables, then the records, as words.

        Raises:
            OSError: The file can't take them.
        """
        out = b""
        rows = pack_rows(tables)
        if self._rows is not None:
            self._rows += rows
            if len(self._rows) > MAX_ROWS_BYTES:
                self._rows = None
            elif records and self._segment_bytes >= SEGMENT_BYTES:
                self._segment += 1
                self._segment_bytes = 0
                out = self._segment_frame()
                rows = bytes(self._rows)
        if rows:
            out += frame(TABLES, rows)
        if records:
            self._segment_bytes += len(records)
            out += frame(EVENTS, records)
        if out:
            self._write(out)
        self._written = time.monotonic_ns()

    @property
    def target(self) -> Target:
        """The file, for a core that writes frames itself."""
        return Target(self._file.fileno(), b"", 0, SEGMENT_BYTES, self._started_unix_ns)

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        self._file.close()

    def _segment_frame(self) -> bytes:
        ns = self._written - self._began  # the records to come were made after the last were written
        return frame(SEGMENT, segment_payload(Segment(self._segment, ns, self._started_unix_ns + ns)))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError:
            if len(view) < len(data):  # take back what is there of it, so that the file ends with a frame
                with contextlib.suppress(OSError):
                    size = self._file.seek(0, os.SEEK_CUR) - (len(data) - len(view))
                    self._file.truncate(size)
                    self._file.seek(size)
            raise
