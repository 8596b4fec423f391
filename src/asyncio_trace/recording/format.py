"""The layout of a recording (`.atrace`), versions 1 and 2. docs/reference/recording.md says it in full; this is what is shared.

A line of text that names the format, then frames until the end of the file. A frame is a 9-byte head and a payload::

    type    1 byte   H, S, T, E or P
    length  4 bytes  unsigned, little endian: bytes of payload
    crc     4 bytes  unsigned, little endian: CRC-32 of the payload

``H`` (once, first) is a JSON object about the program. ``S`` begins a segment: what stands in it can be read without the rest
of the file. ``T`` are rows of the tables, which stand before the first record, in the segment, that names them. ``E`` are
records as words, ``P`` are records packed. Version 1 has no segments, no ``P``, and its ``T`` is JSON.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any, NamedTuple

MAGIC = b"asyncio-trace recording 2\n"
MAGIC_1 = b"asyncio-trace recording 1\n"
MAGIC_PREFIX = b"asyncio-trace recording "
FRAME_HEAD = struct.Struct("<cII")
HEADER = b"H"
SEGMENT = b"S"
TABLES = b"T"
EVENTS = b"E"
PACKED = b"P"
SKIPPED = frozenset(b"%d" % digit for digit in range(10))
"""Types that may be added to this version: a reader skips them. Any other type is damage, since no checksum covers the type."""

MAX_PAYLOAD = 1 << 28
"""Bytes; a longer frame is not ours but damage."""

MAX_RECORD_FIELDS = 255
"""Words after a record's header; more is damage."""

SEGMENT_MARK = b'{"segment":'
"""What the payload of ``S`` begins with, so that a reader can search for it."""

MAX_SEGMENT_PAYLOAD = 512
"""Bytes of the payload of ``S``."""


class Segment(NamedTuple):
    """Where a segment begins."""

    segment: int
    """From 0; a recording whose first is another is a part of one."""
    ns: int
    """Nanoseconds since the trace began."""
    unix_ns: int
    """The same instant as wall-clock time."""
    lost_bytes: int = 0
    """Bytes of the recording that were lost between this segment and what stands before."""


def frame(kind: bytes, payload: bytes) -> bytes:
    """A frame of the file."""
    return FRAME_HEAD.pack(kind, len(payload), zlib.crc32(payload)) + payload


def segment_payload(segment: Segment) -> bytes:
    """What a frame of type ``S`` holds."""
    values: dict[str, Any] = segment._asdict()
    if not segment.lost_bytes:
        del values["lost_bytes"]
    return json.dumps(values, separators=(",", ":")).encode()


def parse_segment(payload: bytes) -> Segment | None:
    """What a frame of type ``S`` holds; None if it is none."""
    if len(payload) > MAX_SEGMENT_PAYLOAD or not payload.startswith(SEGMENT_MARK):
        return None
    try:
        values = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    numbers = [values.get(name, 0 if name == "lost_bytes" else None) for name in Segment._fields]
    if any(type(number) is not int or not -(1 << 63) <= number < 1 << 63 for number in numbers):
        return None
    return Segment(*numbers) if numbers[0] >= 0 and numbers[3] >= 0 else None
