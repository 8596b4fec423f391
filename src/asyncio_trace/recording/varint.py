"""Numbers of one to ten bytes, seven bits a byte, lowest first; the highest bit says that another follows (unsigned LEB128)."""

from __future__ import annotations

MASK64 = (1 << 64) - 1


def signed(number: int) -> int:
    """The 64-bit signed integer that has a number's low 64 bits."""
    number &= MASK64
    return number - (1 << 64) if number >> 63 else number


def zigzag(number: int) -> int:
    """A 64-bit signed integer as an unsigned one that is small if the integer is near zero."""
    number = signed(number)
    return (number << 1) ^ (number >> 63)


def varint(number: int) -> bytes:
    """The bytes of a number's low 64 bits."""
    number &= MASK64
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned number that begins at `at`, and where the next thing begins.

    Raises:
        IndexError: The data ends inside the number, or it has more than 64 bits.
    """
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise IndexError("a number of more than ten bytes")
    if number > MASK64:
        raise IndexError("a number of more than 64 bits")
    return number, at


def read_signed(data: bytes, at: int) -> tuple[int, int]:
    """The same, as a 64-bit signed integer."""
    number, at = read_varint(data, at)
    return (number - (1 << 64) if number >> 63 else number), at
