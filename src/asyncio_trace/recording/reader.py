"""Reads a recording as a stream of typed records, never more than a frame at a time."""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from asyncio_trace.errors import InputError
from asyncio_trace.events.records import KINDS, Record
from asyncio_trace.recording.format import (
    EVENTS,
    FRAME_HEAD,
    HEADER,
    MAGIC,
    MAGIC_PREFIX,
    MAX_PAYLOAD,
    MAX_RECORD_FIELDS,
    TABLES,
)


class Tables:
    """What numbers in records stand for. Filled while the records are read; number 0 is "none"."""

    def __init__(self) -> None:
        self.strings: dict[int, str] = {0: ""}
        self.sites: dict[int, tuple[str, str, int, str]] = {}
        """Number to (function, file, line, module)."""
        self.stacks: dict[int, tuple[int, ...]] = {0: ()}
        """Number to sites, outermost first."""

    def add(self, rows: dict[str, Any]) -> None:
        """Take in the rows of one frame."""
        for number, text in rows.get("strings", ()):
            self.strings[int(number)] = str(text)
        for number, function, file, line, module in rows.get("sites", ()):
            self.sites[int(number)] = (self.string(function), self.string(file), int(line), self.string(module))
        for number, sites in rows.get("stacks", ()):
            self.stacks[int(number)] = tuple(int(site) for site in sites)

    def string(self, number: int) -> str:
        """Text by its number, or "?" where the recording does not have it."""
        return self.strings.get(number, "?")


class RecordingReader:
    """A recording open for reading.

    Raises:
        InputError: The file is missing, can't be read, is empty, or is not a recording that this version reads.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.tables = Tables()
        self.cut = False
        """True, once `records` is exhausted, if the file ends inside a frame or is damaged from some frame on."""
        self.header: dict[str, Any] = {}
        try:
            self._file: BinaryIO = self.path.open("rb")
        except OSError as error:
            raise InputError(f"{self.path}: can't be read: {error.strerror or error}") from None
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def records(self) -> Iterator[Record]:
        """Yield the records in the order they were made; fill `tables` ahead of them."""
        while (frame := self._next_frame()) is not None:
            kind, payload = frame
            if kind == TABLES:
                try:
                    self.tables.add(json.loads(payload))
                except (ValueError, TypeError, AttributeError):
                    self.cut = True
                    return
            elif kind == EVENTS:
                yield from self._decode(payload)

    def _read_header(self) -> None:
        start = self._file.read(len(MAGIC))
        if not start:
            raise InputError(f"{self.path}: the file is empty; a recording is made by `asyncio-trace run`")
        if start != MAGIC:
            if start.startswith(MAGIC_PREFIX):
                raise InputError(f"{self.path}: a recording of another version; read it with the asyncio-trace that made it")
            raise InputError(f"{self.path}: not a recording of asyncio-trace; make one with `asyncio-trace run -o FILE.atrace`")
        frame = self._next_frame()
        if frame is None or frame[0] != HEADER:
            raise InputError(f"{self.path}: the recording was cut before its header; record again")
        try:
            header = json.loads(frame[1])
        except ValueError:
            header = None
        if not isinstance(header, dict):
            raise InputError(f"{self.path}: the recording's header is damaged; record again")
        self.header = header

    def _next_frame(self) -> tuple[bytes, bytes] | None:
        head = self._file.read(FRAME_HEAD.size)
        if not head:
            return None
        if len(head) < FRAME_HEAD.size:
            self.cut = True
            return None
        kind, length, crc = FRAME_HEAD.unpack(head)
        payload = self._file.read(length) if length <= MAX_PAYLOAD else b""
        if len(payload) < length or zlib.crc32(payload) != crc:
            self.cut = True
            return None
        return kind, payload

    def _decode(self, payload: bytes) -> Iterator[Record]:
        words = array("q")
        words.frombytes(payload[: len(payload) // 8 * 8])
        if sys.byteorder == "big":  # pragma: no cover
            words.byteswap()
        at, end = 0, len(words)
        while at < end:
            head = words[at]
            fields = head >> 8
            if not 0 <= fields <= MAX_RECORD_FIELDS or at + 1 + fields > end:
                self.cut = True
                return
            record = KINDS.get(head & 0xFF)
            if record is not None:
                wanted = len(record._fields)
                if wanted <= fields:
                    yield record._make(words[at + 1 : at + 1 + wanted])
            at += 1 + fields
