"""The tables that a recording interns text, places in code and await stacks in, and how their rows are written."""

from __future__ import annotations

import json
from typing import Any

from asyncio_trace.recording.varint import read_varint, varint

STRING = 1
SITE = 2
STACK = 3
TABLES = ("strings", "sites", "stacks")
"""The tables, in the order of the marks of their rows."""


Rows = dict[str, Any]
"""Lists of rows: "strings" (number, text), "sites" (number, function, file, line, module), "stacks" (number, sites)."""


class TablesError(ValueError):
    """The bytes are no rows."""


class Tables:
    """What numbers in records stand for. Filled while the records are read; number 0 is "none"."""

    def __init__(self) -> None:
        self.strings: dict[int, str] = {0: ""}
        self.sites: dict[int, tuple[str, str, int, str]] = {}
        """Number to (function, file, line, module)."""
        self.stacks: dict[int, tuple[int, ...]] = {0: ()}
        """Number to sites, outermost first."""

    def add(self, rows: Rows) -> None:
        """Take in rows; what they name stands in them or is known already."""
        self.strings.update(rows.get("strings", ()))
        for number, function, file, line, module in rows.get("sites", ()):
            self.sites[number] = (self.string(function), self.string(file), line, self.string(module))
        for number, sites in rows.get("stacks", ()):
            self.stacks[number] = tuple(sites)

    def string(self, number: int) -> str:
        """Text by its number, or "?" where the recording does not have it."""
        return self.strings.get(number, "?")

    def add_packed(self, payload: bytes) -> None:
        """Take in the rows of a frame, all or, if they are damaged, none. A row that is known is not read again.

        Raises:
            TablesError: They are none.
        """
        strings: dict[int, str] = {}
        sites: list[tuple[int, ...]] = []
        stacks: dict[int, tuple[int, ...]] = {}
        at, end = 0, len(payload)
        try:
            while at < end:
                tag = payload[at]
                number, at = read_varint(payload, at + 1)
                if tag == SITE:
                    row = [number]
                    for _ in range(4):
                        field, at = read_varint(payload, at)
                        row.append(field)
                    sites.append(tuple(row))
                    continue
                length, at = read_varint(payload, at)
                if length > end - at:
                    raise TablesError("a row goes beyond its frame")
                if tag == STRING:
                    if number not in self.strings:
                        strings[number] = payload[at : at + length].decode("utf-8", "surrogatepass")
                    at += length
                elif tag == STACK:
                    frames = []
                    for _ in range(length):
                        site, at = read_varint(payload, at)
                        frames.append(site)
                    if number not in self.stacks:
                        stacks[number] = tuple(frames)
                else:
                    raise TablesError("no row")
        except (IndexError, UnicodeDecodeError):
            raise TablesError("no row") from None
        self.strings.update(strings)
        for number, function, file, line, module in sites:
            if number not in self.sites:
                self.sites[number] = (self.string(function), self.string(file), line, self.string(module))
        self.stacks.update(stacks)


def rows_of_json(payload: bytes) -> Rows:
    """The rows of a frame of version 1.

    Raises:
        TablesError: They are none.
    """
    try:
        rows = json.loads(payload)
        return {
            "strings": [(int(number), str(text)) for number, text in rows.get("strings", ())],
            "sites": [
                (int(n), int(fn), int(file), int(line), int(module)) for n, fn, file, line, module in rows.get("sites", ())
            ],
            "stacks": [(int(number), [int(site) for site in sites]) for number, sites in rows.get("stacks", ())],
        }
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise TablesError("no JSON of tables") from None


def pack_rows(rows: Rows) -> bytes:
    """The rows of a frame, strings first, since sites name them."""
    out = bytearray()
    for number, text in rows.get("strings", ()):
        data = text.encode("utf-8", "surrogatepass")
        out.append(STRING)
        out += varint(number) + varint(len(data)) + data
    for row in rows.get("sites", ()):
        out.append(SITE)
        for field in row:
            out += varint(field)
    for number, sites in rows.get("stacks", ()):
        out.append(STACK)
        out += varint(number) + varint(len(sites))
        for site in sites:
            out += varint(site)
    return bytes(out)
