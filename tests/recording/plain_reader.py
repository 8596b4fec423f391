"""A reader of recordings written from docs/reference/recording.md alone, to hold that text against what is written.

It takes nothing from asyncio-trace, is as plain as can be, and knows version 2 only. Records come as (kind, fields).
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "recording.md"
FIRST_LINE = b"asyncio-trace recording 2\n"


def kinds_of(text: str) -> dict[int, list[str]]:
    """The table of kinds: number to the classes of the fields."""
    rows = re.findall(r"^\| (\d+) \| \w+ \| (.*) \|$", text, re.MULTILINE)
    return {int(number): re.findall(r"\w+ `(\w+)`", fields) for number, fields in rows}


KINDS = kinds_of(DOCUMENT.read_text(encoding="utf-8"))


class DamageError(Exception):
    """Something is not as described."""


class Bytes:
    """Bytes to take from."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, length: int) -> bytes:
        """The next bytes."""
        if length > len(self.data) - self.at:
            raise DamageError
        self.at += length
        return self.data[self.at - length : self.at]

    def varint(self) -> int:
        """The next number."""
        number = 0
        for place in range(10):
            (byte,) = self.take(1)
            number += (byte & 127) << 7 * place
            if byte < 128:
                if number >= 1 << 64:
                    raise DamageError
                return number
        raise DamageError

    def zigzag(self) -> int:
        """The next signed number."""
        v = self.varint()
        return (v >> 1) ^ -(v & 1)


def wrapped(number: int) -> int:
    """Modulo 2 to the power of 64, signed."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


class PlainReader:
    """Reads all of a recording at once."""

    def __init__(self, content: bytes) -> None:
        assert content.startswith(FIRST_LINE)
        self.header: dict[str, Any] = {}
        self.segments: list[dict[str, Any]] = []
        self.strings = {0: ""}
        self.sites: dict[int, tuple[str, str, int, str]] = {}
        self.stacks: dict[int, tuple[int, ...]] = {0: ()}
        self.records: list[tuple[int, tuple[int, ...]]] = []
        self.damaged = False
        self.last = {"id": 0, "time": 0, "loop": 0}
        at = len(FIRST_LINE)
        while at < len(content):
            start = at
            try:
                head = content[at : at + 9]
                if len(head) < 9:
                    raise DamageError
                kind, length, crc = struct.unpack("<cII", head)
                payload = content[at + 9 : at + 9 + length]
                if len(payload) < length or zlib.crc32(payload) != crc:
                    raise DamageError
                at += 9 + length
                self.frame(kind, payload)
            except DamageError:
                self.damaged = True
                at = self.next_segment(content, start + 1)

    def next_segment(self, content: bytes, start: int) -> int:
        """Where the next sound frame of type S begins."""
        for match in re.finditer(re.escape(b'{"segment":'), content):
            at = match.start() - 9
            if at >= start and content[at : at + 1] == b"S":
                _, length, crc = struct.unpack("<cII", content[at : at + 9])
                payload = content[at + 9 : at + 9 + length]
                if length <= 512 and zlib.crc32(payload) == crc:
                    return at
        return len(content)

    def frame(self, kind: bytes, payload: bytes) -> None:
        """Take in a frame."""
        if kind == b"H":
            self.header = json.loads(payload)
        elif kind == b"S":
            self.segments.append(json.loads(payload))
            self.last = {"id": 0, "time": 0, "loop": 0}
        elif kind == b"T":
            self.tables(Bytes(payload))
        elif kind == b"E":
            self.words(payload)
        elif kind == b"P":
            self.packed(Bytes(payload))
        elif not b"0" <= kind <= b"9":
            raise DamageError

    def tables(self, data: Bytes) -> None:
        """Rows."""
        while data:
            (tag,) = data.take(1)
            number = data.varint()
            if tag == 1:
                self.strings[number] = data.take(data.varint()).decode("utf-8", "surrogatepass")
            elif tag == 2:
                function, file, line, module = (data.varint() for _ in range(4))
                self.sites[number] = (self.strings[function], self.strings[file], line, self.strings[module])
            elif tag == 3:
                self.stacks[number] = tuple(data.varint() for _ in range(data.varint()))
            else:
                raise DamageError

    def words(self, payload: bytes) -> None:
        """Records as words."""
        words = struct.unpack(f"<{len(payload) // 8}q", payload)
        at = 0
        while at < len(words):
            kind, count = words[at] & 255, words[at] >> 8
            if kind in KINDS:
                self.records.append((kind, words[at + 1 : at + 1 + len(KINDS[kind])]))
            at += 1 + count

    def packed(self, data: Bytes) -> None:
        """Records packed."""
        if data.varint() != 0:
            raise DamageError
        while data:
            (head,) = data.take(1)
            kind = head & 63
            if kind >= 48:
                data.take(data.varint())
                continue
            if kind not in KINDS or head & 64:
                raise DamageError
            fields: list[int] = []
            first_time = None
            for name in KINDS[kind]:
                if name in ("id", "time"):
                    value = self.last[name] = wrapped(self.last[name] + data.zigzag())
                elif name == "dur":
                    value = self.last["time"] = wrapped(self.last["time"] + data.varint())
                elif name == "back":
                    assert first_time is not None
                    value = wrapped(first_time - data.zigzag())
                elif name == "loop":
                    if not head & 128:
                        self.last["loop"] = wrapped(data.varint())
                    value = self.last["loop"]
                elif name == "sig":
                    value = data.zigzag()
                else:
                    value = wrapped(data.varint())
                if name == "time" and first_time is None:
                    first_time = value
                fields.append(value)
            self.records.append((kind, tuple(fields)))
