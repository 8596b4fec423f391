"""The layout of a recording (`.atrace`), version 1.

A line of text that names the format, then frames until the end of the file. A frame is a 9-byte head and a payload::

    type    1 byte   H, T or E
    length  4 bytes  unsigned, little endian: bytes of payload
    crc     4 bytes  unsigned, little endian: CRC-32 of the payload

``H`` (once, first) is a JSON object about the program. ``T`` is a JSON object with rows to add to the tables: ``strings``
``[number, text]``, ``sites`` ``[number, function, file, line, module]`` (texts by number) and ``stacks`` ``[number, [site,
...]]`` outermost first. ``E`` holds records as signed 64-bit little-endian words, as `asyncio_trace.events.records` describes.
A table row stands before the first record that names it. A file that ends inside a frame, or whose last frames fail their
checksum, was cut; everything before is good.
"""

from __future__ import annotations

import struct

MAGIC = b"asyncio-trace recording 1\n"
MAGIC_PREFIX = b"asyncio-trace recording "
FRAME_HEAD = struct.Struct("<cII")
HEADER = b"H"
TABLES = b"T"
EVENTS = b"E"

MAX_PAYLOAD = 1 << 28
"""Bytes; a longer frame is not ours but damage."""

MAX_RECORD_FIELDS = 255
"""Words after a record's header; more is damage."""
