"""Sizes, durations and triggers as people write them: `64MB`, `100ms`, `blocked>100ms,exit`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from asyncio_trace.errors import UsageError

_BYTES = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "kib": 1 << 10, "m": 10**6, "mb": 10**6, "mib": 1 << 20}
_BYTES |= {"g": 10**9, "gb": 10**9, "gib": 1 << 30}
_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "": 10**9}

LEAST_RING = 1_000_000
"""Bytes; a smaller ring would be taken up by what is told again in each of its segments."""

MOST_RING = 1 << 40


def parse_duration(text: str) -> int | None:
    """Nanoseconds of `100ms`, `2s`, `0.5` (seconds); None if it is no duration."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|)\s*", text)
    return None if match is None else int(float(match[1]) * _NS[match[2]])


def parse_ring(size: str | int) -> int:
    """Bytes of a ring: a number, or `64MB`, `1.5GiB`, `500k`.

    Raises:
        UsageError: It is no size, or one that no ring can have.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", str(size).lower())
    if match is None or match[2] not in _BYTES or isinstance(size, bool):
        raise UsageError(f"{str(size)!r} is no size; write 64MB, 1.5GiB or a number of bytes")
    number = int(float(match[1]) * _BYTES[match[2]])
    if not LEAST_RING <= number <= MOST_RING:
        raise UsageError(f"a ring of {size} can't be had; it takes from 1MB to 1024GiB")
    return number


class When(NamedTuple):
    """What makes a flight recorder write what it holds."""

    blocked_ns: int | None = None
    """A run that took longer than this."""
    exception: bool = False
    """An exception that nobody handles."""
    signal: bool = False
    """SIGUSR2, unless the program handles it."""
    exit: bool = True
    """The end of the program, however it ends."""


TRIGGERS = "blocked>DURATION, exception, signal, exit"


def parse_when(words: str | Iterable[str]) -> When:
    """Triggers, each a word, or several with commas between them; none means `exit`.

    Raises:
        UsageError: One of them is none.
    """
    given = [words] if isinstance(words, str) else list(words)
    names = [word.strip() for text in given for word in text.split(",")]
    if not names:
        return When()
    values: dict[str, int | bool] = {"exit": False}
    for name in names:
        kind, above, limit = name.partition(">")
        if kind.strip() == "blocked" and above:
            threshold = parse_duration(limit)
            if threshold is None:
                raise UsageError(f"{name!r}: {limit!r} is no duration; write blocked>100ms")
            values["blocked_ns"] = min(threshold, int(values.get("blocked_ns", threshold)))
        elif name in ("exception", "signal", "exit"):
            values[name] = True
        else:
            hint = "; write blocked>100ms" if kind == "blocked" else ""
            raise UsageError(f"nothing is called {name!r} that a ring is written on{hint}; there are: {TRIGGERS}")
    return When(**values)  # type: ignore[arg-type]
