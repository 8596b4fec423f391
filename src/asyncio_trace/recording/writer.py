"""Writes a recording, frame by frame, so that whatever was written reads back however the program ends."""

from __future__ import annotations

import json
import zlib
from typing import Any, BinaryIO

from asyncio_trace.recording.format import EVENTS, FRAME_HEAD, HEADER, MAGIC, TABLES


class RecordingWriter:
    """Appends frames to a binary file that it owns and that is open for writing without a buffer of its own."""

    def __init__(self, file: BinaryIO, header: dict[str, Any]) -> None:
        self._file = file
        self._write(MAGIC + self._frame(HEADER, json.dumps(header).encode()))

    def write(self, tables: dict[str, list[Any]], records: bytes) -> None:
        """Append the rows that are new in the tables, then the records.

        Raises:
            OSError: The file can't take them.
        """
        out = b""
        if any(tables.values()):
            out = self._frame(TABLES, json.dumps(tables, separators=(",", ":")).encode())
        if records:
            out += self._frame(EVENTS, records)
        if out:
            self._write(out)

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        self._file.close()

    @staticmethod
    def _frame(kind: bytes, payload: bytes) -> bytes:
        return FRAME_HEAD.pack(kind, len(payload), zlib.crc32(payload)) + payload

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
