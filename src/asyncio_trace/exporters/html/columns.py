"""Columns of whole numbers as text that an HTML page can hold: byte planes, deflated, base64.

A column is the small residuals of something predictable, so most of its high bytes are zero. Its planes (all lowest bytes, then
all second ones, ...) deflate as well as variable-length numbers do, and neither side loops over single bytes to read them.
"""

from __future__ import annotations

import base64
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

_LEVEL = 6


class Packed(NamedTuple):
    """A column as it stands in the page."""

    name: str
    rows: int
    width: int
    """Bytes a row, which is the number of planes."""
    text: str
    """Base64 of the deflated planes, lowest first."""


def pack(name: str, values: Numbers) -> Packed:
    """A column of numbers that are not negative."""
    count = len(values)
    top = int(values.max()) if count else 0
    width = max(1, (top.bit_length() + 7) // 8)
    planes = np.ascontiguousarray(values.astype("<u8").view(np.uint8).reshape(count, 8)[:, :width].T)
    return Packed(name, count, width, base64.b64encode(zlib.compress(planes.tobytes(), _LEVEL)).decode("ascii"))


def zigzag(values: Numbers) -> Numbers:
    """Signed numbers as ones that are not negative, small ones small: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return (values << 1) ^ (values >> 63)


def steps(values: Numbers) -> Numbers:
    """Differences between neighbours, zigzag; the first to 0."""
    return zigzag(np.diff(values, prepend=np.int64(0)))
