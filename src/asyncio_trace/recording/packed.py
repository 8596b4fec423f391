"""Packed records, both ways: bytes to records fast, and records to bytes.

Ten million records are nothing special, so the decoder is made for the purpose: from `asyncio_trace.events.packing` a function
is written, once, in which each kind of record has a straight line of code of its own; a record takes a little over a
microsecond. The encoder is for tests and for what writes few records; the native core has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from asyncio_trace.events import records as r
from asyncio_trace.events.packing import (
    CLASSES,
    FIRST_SKIPPED_KIND,
    KIND_MASK,
    RESERVED_BIT,
    SAME_LOOP,
    FieldClass,
)
from asyncio_trace.recording.varint import read_signed, read_varint, signed, varint, zigzag

STREAM = 0
"""The stream that a payload says it belongs to; this version has one."""


class PackedError(ValueError):
    """The bytes are not packed records, from `good` on."""

    def __init__(self, good: int) -> None:
        super().__init__(f"no packed record at byte {good}")
        self.good = good
        """Bytes of the payload that are whole, sound records (and the stream's number)."""


class Stream:
    """What decoding and encoding remember from one record to the next, within a segment."""

    __slots__ = ("id", "loop", "time")

    def __init__(self) -> None:
        self.id = 0
        self.time = 0
        self.loop = 0


# -- encoding -----------------------------------------------------------------------------------------------------------


_NUMBERS = {record: number for number, record in r.KINDS.items()}


def pack_record(record: r.Record, stream: Stream) -> bytes:
    """One record, as it follows those that `stream` has seen."""
    kind = type(record)
    head = _NUMBERS[kind]
    out = bytearray((head,))
    first: int | None = None
    for value, field in zip(record, CLASSES[kind], strict=True):
        if field is FieldClass.ID:
            out += varint(zigzag(value - stream.id))
            stream.id = value
        elif field is FieldClass.TIME:
            out += varint(zigzag(value - stream.time))
            stream.time = value
            first = value if first is None else first
        elif field is FieldClass.DURATION:
            out += varint(value - stream.time)
            stream.time = value
        elif field is FieldClass.BACK:
            out += varint(zigzag((first or 0) - value))
        elif field is FieldClass.SIGNED:
            out += varint(zigzag(value))
        elif field is FieldClass.LOOP and value == stream.loop:
            out[0] |= SAME_LOOP
        else:
            out += varint(value)
            if field is FieldClass.LOOP:
                stream.loop = value
    return bytes(out)


def pack_records(records: Iterable[r.Record], stream: Stream) -> bytes:
    """The payload of a frame that holds these records."""
    return varint(STREAM) + b"".join(pack_record(record, stream) for record in records)


# -- decoding -----------------------------------------------------------------------------------------------------------


_FREQUENT = (r.YieldedStep, r.Step, r.CallbackRun, r.Idle, r.FutureResolved, r.FutureCreated, r.TaskCreated, r.TaskDone)
"""Asked for first."""


def _source() -> str:
    """The text of `unpack_records`."""
    lines = [
        "def unpack_records(data, stream, at):",
        "    last_id, last_time, last_loop = stream.id, stream.time, stream.loop",
        "    end = len(data)",
        "    good = at",
        "    try:",
        "        while at < end:",
        "            good = at",
        "            head = data[at]",
        "            at += 1",
        f"            kind = head & {KIND_MASK | RESERVED_BIT}",
    ]
    test = "if"
    for kind in (*_FREQUENT, *(kind for kind in _NUMBERS if kind not in _FREQUENT)):
        lines.append(f"            {test} kind == {_NUMBERS[kind]}:")
        lines += [" " * 16 + line for line in _record_source(kind)]
        test = "elif"
    lines += [
        f"            elif {FIRST_SKIPPED_KIND} <= kind <= {KIND_MASK}:",
        *(" " * 16 + line for line in _varint_source("length", 2, signed=False)),
        "                at += length",
        "                if at > end:",
        "                    raise IndexError",
        "            else:",
        "                raise IndexError",
        "    except IndexError:",
        "        raise PackedError(good) from None",
        "    stream.id, stream.time, stream.loop = last_id, last_time, last_loop",
    ]
    return "\n".join(lines)


def _record_source(kind: type[r.Record]) -> Iterator[str]:
    """Statements that read one record of a kind and yield it."""
    classes = CLASSES[kind]
    if FieldClass.LOOP not in classes:
        yield f"if head & {SAME_LOOP}: raise IndexError"
    fields = [(f"f_{name}", field) for name, field in zip(kind._fields, classes, strict=True)]
    first = next((name for name, field in fields if field is FieldClass.TIME), "")
    unzigzagged = "(v >> 1) ^ -(v & 1)"
    for name, field in fields:
        if field is FieldClass.ID:
            yield from _varint_source("v", 2, signed=False)
            yield f"{name} = last_id = last_id + ({unzigzagged})"
            yield f"if {name} >> 63: {name} = last_id = signed({name})"
        elif field in (FieldClass.TIME, FieldClass.DURATION):
            yield from _varint_source("v", 3, signed=False)
            yield f"{name} = last_time = last_time + ({unzigzagged if field is FieldClass.TIME else 'v'})"
            yield f"if {name} >> 63: {name} = last_time = signed({name})"
        elif field is FieldClass.BACK:
            yield from _varint_source("v", 3, signed=False)
            yield f"{name} = {first} - ({unzigzagged})"
            yield f"if {name} >> 63: {name} = signed({name})"
        elif field is FieldClass.SIGNED:
            yield from _varint_source("v", 2, signed=False)
            yield f"{name} = {unzigzagged}"
        elif field is FieldClass.LOOP:
            yield f"if head < {SAME_LOOP}:"
            yield from ("    " + line for line in _varint_source("last_loop", 2, signed=True))
            yield f"{name} = last_loop"
        else:
            yield from _varint_source(name, 2, signed=True)
    yield f"yield new({kind.__name__}, ({', '.join(name for name, _ in fields)},))"


def _varint_source(name: str, inline: int, *, signed: bool) -> Iterator[str]:
    """Statements that read a number into a variable; those of up to `inline` (2 or 3) bytes without a call."""
    long = "read_signed" if signed else "read_varint"
    yield f"{name} = data[at]"
    yield "at += 1"
    yield f"if {name} > 127:"
    yield "    b = data[at]"
    yield "    if b < 128:"
    yield f"        {name} += (b << 7) - 128"
    yield "        at += 1"
    if inline == 3:
        yield "    elif (c := data[at + 1]) < 128:"
        yield f"        {name} += (b << 7) + (c << 14) - {128 + (128 << 7)}"
        yield "        at += 2"
    yield "    else:"
    yield f"        {name}, at = {long}(data, at - 1)"


@cache
def _unpacker() -> Callable[[bytes, Stream, int], Iterator[r.Record]]:
    names: dict[str, Any] = {kind.__name__: kind for kind in _NUMBERS}
    names.update(read_varint=read_varint, read_signed=read_signed, signed=signed, new=tuple.__new__, PackedError=PackedError)
    exec(compile(_source(), __file__ + ":unpack_records", "exec"), names)
    made: Callable[[bytes, Stream, int], Iterator[r.Record]] = names["unpack_records"]
    return made


def unpack_records(payload: bytes, stream: Stream) -> Iterator[r.Record]:
    """The records of a frame's payload, one by one. `stream` is up to date once they are exhausted.

    Raises:
        PackedError: What follows the records yielded so far is none.
    """
    if payload[:1] != varint(STREAM):
        raise PackedError(0)
    return _unpacker()(payload, stream, 1)
