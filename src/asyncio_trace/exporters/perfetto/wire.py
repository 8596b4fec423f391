"""Messages of Perfetto's protobuf format, as bytes.

Only what a trace of slices, tracks and flows takes; the numbers are those of `protos/perfetto/trace` in Perfetto's repository,
and a test decodes what this writes with Perfetto's own message classes. A trace is millions of small messages that differ in
two numbers: pasting bytes is several times faster than filling message objects.
"""

from __future__ import annotations

from asyncio_trace.recording.varint import varint

BEGIN, END = 1, 2
"""Types of a `TrackEvent`."""

_NEEDS_STATE = 2
_CLEARS_STATE = 1
_SEQUENCE = 1


def number(field: int, value: int) -> bytes:
    """A field that holds a whole number."""
    return varint(field << 3) + varint(value)


def fixed(field: int, value: int) -> bytes:
    """A field of eight bytes."""
    return varint(field << 3 | 1) + value.to_bytes(8, "little")


def message(field: int, body: bytes) -> bytes:
    """A field that holds bytes: a text or a message."""
    return varint(field << 3 | 2) + varint(len(body)) + body


def text(field: int, value: str) -> bytes:
    """A field that holds a text; a lone surrogate, which UTF-8 does not have, becomes `?`."""
    return message(field, value.encode("utf-8", "replace"))


_OF_SEQUENCE = number(10, _SEQUENCE)
_EVENT_TAIL = _OF_SEQUENCE + number(13, _NEEDS_STATE)


def first_packet(wall_clock_ns: int) -> bytes:
    """Clears what a reader knows, and says what time it was at instant 0 (clock 6, which events use) by the wall clock (1)."""
    clocks = message(1, number(1, 6) + number(2, 0)) + message(1, number(1, 1) + number(2, wall_clock_ns))
    return message(1, _OF_SEQUENCE + number(13, _CLEARS_STATE) + message(6, clocks))


def track_packet(descriptor: bytes) -> bytes:
    """A packet that describes a track."""
    return message(1, _OF_SEQUENCE + message(60, descriptor))


def event_packet(ns: int, event: bytes) -> bytes:
    """A packet with an event that is a whole field already (see `event`)."""
    body = b"\x40" + varint(ns) + event + _EVENT_TAIL
    return b"\x0a" + varint(len(body)) + body


def event(body: bytes) -> bytes:
    """The field of a packet that holds a `TrackEvent`."""
    return message(11, body)


class Interner:
    """Texts that are written once and then named by number."""

    NAMES, ANNOTATIONS, VALUES = 2, 3, 29
    """Fields of `InternedData`: names of events, names of their annotations, and what these say."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], int] = {}
        self._new: list[bytes] = []

    def number(self, kind: int, value: str) -> int:
        """The number of a text; it is among `news` until that is asked for."""
        known = self._numbers.get((kind, value))
        if known is None:
            known = self._numbers[kind, value] = len(self._numbers) + 1
            self._new.append(message(kind, number(1, known) + text(2, value)))
        return known

    def news(self) -> bytes:
        """A packet with the texts that came up since the last; empty if none did."""
        if not self._new:
            return b""
        body = b"".join(self._new)
        self._new.clear()
        return message(1, _EVENT_TAIL + message(12, body))
