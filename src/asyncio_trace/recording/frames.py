"""Finds the frames of a file, and after damage the next one that a reader can go on from."""

from __future__ import annotations

import os
import stat
import zlib
from typing import BinaryIO

from asyncio_trace.recording.format import (
    FRAME_HEAD,
    MAX_PAYLOAD,
    MAX_SEGMENT_PAYLOAD,
    SEGMENT,
    SEGMENT_MARK,
    parse_segment,
)

_PIECE = 1 << 20
"""Most bytes read at once where the file's size is not known, or where something is searched for."""

_FIRST_PIECE = 1 << 12
"""Bytes read at first in a search: mostly there is something."""

_PATIENCE = 1 << 26
"""Bytes that may be read in vain, besides `_PATIENCE_FACTOR` times the file: a file made to be slow is given up."""

_PATIENCE_FACTOR = 8


class FrameError(ValueError):
    """There is no sound frame where one should be."""


class Frames:
    """The frames of a file, one after the other, each read whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        status = os.fstat(file.fileno())
        self._regular = stat.S_ISREG(status.st_mode)
        self._patience = _PATIENCE + _PATIENCE_FACTOR * status.st_size
        self.at = 0
        """Bytes before the next frame."""

    def line(self, length: int) -> bytes:
        """The first bytes of the file, which are no frame."""
        data = self._file.read(length)
        self.at = len(data)
        return data

    def next(self) -> tuple[bytes, bytes] | None:
        """Type and payload of the next frame; None where the file ends.

        Raises:
            FrameError: What stands there is none. `at` is where it stands.
        """
        head = self._file.read(FRAME_HEAD.size)
        if not head:
            return None
        if len(head) < FRAME_HEAD.size:
            raise FrameError("the file ends inside a frame")
        kind, length, crc = FRAME_HEAD.unpack(head)
        if length > MAX_PAYLOAD:
            raise FrameError("no frame is so long")
        payload = self._payload(length)
        if zlib.crc32(payload) != crc:
            self._patience -= length
            raise FrameError("the checksum is wrong")
        self.at += FRAME_HEAD.size + length
        return kind, payload

    def skip_to_segment(self, start: int) -> None:
        """Go to the next frame of type `S` that begins at `start` or later, or to the end. What can't be read again, as a pipe,
        is read to its end.
        """
        if not self._regular:
            while data := self._file.read(_PIECE):
                self.at += len(data)
            return
        found = self._find_segment(start)
        self.at = self._file.seek(0, os.SEEK_END) if found is None else self._file.seek(found)

    def _payload(self, length: int) -> bytes:
        if self._regular and length > os.fstat(self._file.fileno()).st_size - self.at - FRAME_HEAD.size:
            raise FrameError("the file ends inside a frame")
        if self._regular or length <= _PIECE:
            payload = self._file.read(length)
        else:  # a length that is damaged must not take memory that no data fills
            pieces = bytearray()
            while len(pieces) < length and (piece := self._file.read(min(_PIECE, length - len(pieces)))):
                pieces += piece
            payload = bytes(pieces)
        if len(payload) < length:
            raise FrameError("the file ends inside a frame")
        return payload

    def _find_segment(self, start: int) -> int | None:
        least = FRAME_HEAD.size + len(SEGMENT_MARK)
        base = start
        kept = b""
        size = _FIRST_PIECE
        self._file.seek(start)
        while self._patience > 0 and (piece := self._file.read(size)):
            data = kept + piece
            size = min(2 * size, _PIECE)
            self._patience -= len(piece)
            mark = data.find(SEGMENT_MARK, FRAME_HEAD.size)
            while mark >= 0:
                if self._is_segment(base + mark - FRAME_HEAD.size, data[mark - FRAME_HEAD.size : mark]):
                    return base + mark - FRAME_HEAD.size
                mark = data.find(SEGMENT_MARK, mark + 1)
            kept = data[-(least - 1) :]
            base += len(data) - len(kept)
            self._file.seek(base + len(kept))
        return None

    def _is_segment(self, at: int, head: bytes) -> bool:
        kind, length, crc = FRAME_HEAD.unpack(head)
        if kind != SEGMENT or length > MAX_SEGMENT_PAYLOAD:
            return False
        self._file.seek(at + FRAME_HEAD.size)
        payload = self._file.read(length)
        return zlib.crc32(payload) == crc and parse_segment(payload) is not None
