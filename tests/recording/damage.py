"""Damages small recordings in every way that we could think of, from a seed; for tests and for `benchmarks/fuzz_reader.py`."""

from __future__ import annotations

import functools
import random
import struct
import zlib
from collections.abc import Callable

from asyncio_trace.recording.format import FRAME_HEAD, MAGIC
from recording.files import STYLES, frames_of, recording, small, version_1

SPECIAL = (
    b'{"segment":', b'S', b"T", b"P", b"E", b"H", b"\0" * 8, b"\xff" * 10, b"\x80" * 12, b"\xff" * 9 + b"\x01", b"[" * 300,
    struct.pack("<q", -1), struct.pack("<q", 1 << 62), b'{"strings":[[1,"' , b"\xed\xa0\x80", b"\xb0\xff\xff\x7f",
)  # fmt: skip
"""Bytes that mean something, or seem to."""


@functools.cache
def sound() -> tuple[bytes, ...]:
    """Small recordings in each style that the format has."""
    records, rows = small()
    part = records[:24]
    made = [recording(part, rows, style, segments=2, frames=2) for style in STYLES]
    return (*made, recording(records, rows, segments=3), version_1(part, rows))


def damaged(seed: int) -> bytes:
    """A damaged recording; the same for the same seed."""
    chance = random.Random(seed)
    content = bytearray(chance.choice(sound()))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if content:
            chance.choice(_WAYS)(content, chance)
    return bytes(content)


def _flip(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _overwrite(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    piece = chance.choice(SPECIAL)
    content[at : at + len(piece)] = piece


def _insert(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content) + 1)
    content[at:at] = chance.choice((chance.choice(SPECIAL), chance.randbytes(chance.randint(1, 40))))


def _delete(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.choice((1, 2, 9, 40, 400))]


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def _splice(content: bytearray, chance: random.Random) -> None:
    other = chance.choice(sound())
    begin = chance.randrange(len(other))
    at = chance.randrange(len(content))
    content[at : at + chance.choice((0, 9, 100, 10_000))] = other[begin : begin + chance.randint(1, 500)]


def _repeat(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    content[at:at] = content[at : at + chance.randint(1, 300)]


def _frames(content: bytearray) -> list[int]:
    """Where frames begin, as long as all is sound."""
    try:
        return [at for at, _, _ in frames_of(bytes(content))]
    except (AssertionError, struct.error):
        return []


def _attack_length(content: bytearray, chance: random.Random) -> None:
    """A frame that claims to be of another length."""
    if frames := _frames(content):
        at = chance.choice(frames)
        length = chance.choice((0, 1, 8, 1 << 16, (1 << 28) - 1, 1 << 28, (1 << 31) - 1, (1 << 32) - 1, chance.randrange(4000)))
        struct.pack_into("<I", content, at + 1, length)


def _swap(content: bytearray, chance: random.Random) -> None:
    """Two frames, each sound, that stand in the wrong order."""
    frames = _frames(content)
    if len(frames) > 2:
        first = chance.randrange(len(frames) - 2)
        a, b, c = frames[first : first + 3]
        content[a:c] = content[b:c] + content[a:b]


def _forge(content: bytearray, chance: random.Random) -> None:
    """A frame whose checksum is right, and whose payload or type is not."""
    frames = _frames(content)
    if not frames:
        return
    at = chance.choice(frames)
    kind, length, _ = FRAME_HEAD.unpack_from(content, at)
    begin = at + FRAME_HEAD.size
    payload = content[begin : begin + length]
    for _ in range(chance.choice((1, 1, 2, 5))):
        if payload:
            chance.choice((_flip, _flip, _overwrite, _insert, _delete, _cut, _repeat))(payload, chance)
    if chance.random() < 0.1:
        kind = chance.choice((b"H", b"S", b"T", b"E", b"P", b"0", b"x"))
    content[at : begin + length] = FRAME_HEAD.pack(kind, len(payload), zlib.crc32(payload)) + payload


def _other_version(content: bytearray, chance: random.Random) -> None:
    if len(content) >= len(MAGIC):
        content[len(MAGIC) - 2] ^= 3  # 1 for 2, 2 for 1


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _overwrite, _insert, _delete, _cut, _splice, _repeat, _attack_length, _swap, _forge, _forge, _forge, _forge,
    _other_version,
)  # fmt: skip
