"""Writes what a ring holds to a file that is there whole or not at all, under a name that is not taken."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from asyncio_trace.recording.ring import Position, write_recording

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def numbered(path: Path, number: int) -> Path:
    """The name of the dump of that number: `out.atrace`, `out.2.atrace`, `out.3.atrace`."""
    return path if number == 1 else path.with_name(f"{path.stem}.{number}{path.suffix}")


def dump(
    folder: Path, names: Iterator[Path], *, force: bool = False, position: Position | None = None, ended_ns: int | None = None
) -> Path:
    """Write what the ring in `folder` holds to the first of `names` that is not taken (if `force`, to the first); the path.
    `position` and `ended_ns` are those of `write_recording`.

    Raises:
        FileExistsError: They are all taken.
        OSError: It could not be written; nothing is left behind.
    """
    path = next(names)
    draft = path.with_name(f".asyncio-trace-{secrets.token_hex(6)}.tmp")
    try:
        with draft.open("xb") as out:
            write_recording(folder, out, position, ended_ns)
        if force:
            draft.replace(path)
            return path
        while True:
            try:
                _give_name(draft, path)
                return path
            except FileExistsError:
                following = next(names, None)
                if following is None:
                    raise
                path = following
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _give_name(draft: Path, path: Path) -> None:
    """Like a rename that overwrites nothing."""
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))  # takes the name, or fails
        draft.replace(path)
