"""A file that appears under its name when it is whole, and not at all if writing it fails."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, BinaryIO, TextIO, cast


@contextmanager
def written_whole(path: str) -> Iterator[TextIO]:
    """Open a neighbour of `path` for writing UTF-8, and give it the name `path` once the block is through.

    A lone surrogate (part of an undecodable file name) becomes `?`, as no valid UTF-8 can hold it. What is there and no regular
    file, such as `/dev/stdout` or a pipe, is written to directly. A symbolic link stays, and what it points to is replaced.

    Raises:
        OSError: The file could not be written; nothing is left behind.
    """
    with _whole(path, "", encoding="utf-8", errors="replace", newline="\n") as file:
        yield cast(TextIO, file)


@contextmanager
def bytes_written_whole(path: str) -> Iterator[BinaryIO]:
    """The same for bytes."""
    with _whole(path, "b") as file:
        yield cast(BinaryIO, file)


@contextmanager
def _whole(path: str, mode: str, **how: Any) -> Iterator[IO[Any]]:
    if os.path.isfile(path):
        path = os.path.realpath(path)
    elif os.path.exists(path):
        with open(path, "w" + mode, **how) as direct:
            yield direct
        return
    draft = os.path.join(os.path.dirname(path), f".asyncio-trace-{secrets.token_hex(6)}.tmp")
    try:
        with open(draft, "x" + mode, **how) as file:
            yield file
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
