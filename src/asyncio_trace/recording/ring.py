"""A ring: the last part of a trace, as a folder of files of a segment each, of which the oldest are removed.

The files are there whatever becomes of the program, `kill -9` included, and the program's memory does not grow by them. In a
ring's folder `header` holds what a recording begins with; `N.segment` are its segments. Put behind each other they are a
recording.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from asyncio_trace.errors import UsageError
from asyncio_trace.events.records import CallbackRun, Dropped, Ended, Record, Step, TaskAlive, YieldedStep, pack
from asyncio_trace.recording.alive import Alive
from asyncio_trace.recording.format import EVENTS, HEADER, MAGIC, SEGMENT, TABLES, Segment, frame, segment_payload
from asyncio_trace.recording.naming import named
from asyncio_trace.recording.tables import TABLES as TABLE_NAMES
from asyncio_trace.recording.tables import pack_rows
from asyncio_trace.recording.words import records_of_words
from asyncio_trace.recording.writer import Target

FOLDER_SUFFIX = ".ring"
"""A ring's folder is called as its recording, with this behind it."""

SEGMENTS = 8
"""A ring has so many segments, about."""

_PIECE = 1 << 16
"""Bytes of records in a frame, about."""

_PART = 1 << 20
"""Bytes that are copied at once."""

Position = tuple[int, int]
"""A segment that is being written (-1 before the first), and the bytes that its file has."""


def folder_of(recording: str | os.PathLike[str]) -> Path:
    """Where the ring of a recording is."""
    return Path(f"{os.fspath(recording)}{FOLDER_SUFFIX}")


def check_free(folder: Path) -> None:
    """See that no ring is there.

    Raises:
        UsageError: One is.
    """
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} holds what another trace left; save it with `asyncio-trace repair {folder} -o FILE`, or remove it"
        )


def segment_files(folder: Path) -> list[Path]:
    """The segments in a ring's folder, oldest first."""
    return sorted(folder.glob("*.segment"), key=lambda path: int(path.stem))


def remove(folder: Path) -> None:
    """Remove a ring; what can't be removed stays."""
    with contextlib.suppress(OSError):
        for path in (*segment_files(folder), folder / "header"):
            path.unlink(missing_ok=True)
        folder.rmdir()


def write_recording(folder: Path, out: BinaryIO, position: Position | None = None, ended_ns: int | None = None) -> None:
    """Write what a ring holds as one recording: up to `position` if the ring is still being written, and with an end at
    `ended_ns` if that is given.

    Raises:
        OSError: It can't be read, or `out` can't take it.
    """
    with contextlib.ExitStack() as opened:
        header = opened.enter_context((folder / "header").open("rb"))
        files = []
        for path in segment_files(folder):
            number = int(path.stem)
            if position is None or number <= position[0]:
                with contextlib.suppress(FileNotFoundError):  # the oldest may go at any moment
                    file = opened.enter_context(path.open("rb"))  # what is open stays, also when its name is removed
                    files.append((file, position[1] if position is not None and number == position[0] else None))
        for file, length in ((header, None), *files):
            _copy(file, out, length)
        if not files:
            started = json.loads((folder / "header").read_bytes()[len(MAGIC) + 9 :])["started_unix_ns"]
            out.write(frame(SEGMENT, segment_payload(Segment(0, 0, started))))
    if ended_ns is not None:
        out.write(frame(EVENTS, pack(Ended(ended_ns))))


def _copy(file: BinaryIO, out: BinaryIO, length: int | None) -> None:
    left = os.fstat(file.fileno()).st_size if length is None else length
    while left > 0 and (part := file.read(min(_PART, left))):
        out.write(part)
        left -= len(part)


class RingWriter:
    """Keeps the last part of a trace in a folder. `write` is for the Python core; the native core takes the `target`.

    Args:
        folder: Is made, and must not be there.
        header: As of `RecordingWriter`.
        ring_bytes: What the files may have together.

    Raises:
        UsageError: The folder is there already.
        OSError: It can't be made.
    """

    def __init__(self, folder: Path, header: dict[str, Any], ring_bytes: int) -> None:
        self.folder = folder
        check_free(folder)
        folder.mkdir()
        start = MAGIC + frame(HEADER, json.dumps(header).encode())
        (folder / "header").write_bytes(start)
        self._started_unix_ns = int(header.get("started_unix_ns") or time.time_ns())
        self._bytes = max(ring_bytes - len(start), SEGMENTS)
        self._limit = self._bytes // SEGMENTS
        self.on_run: tuple[int, Callable[[], None]] | None = None
        """What to call when a run was longer than so many nanoseconds."""
        self._alive = Alive()
        self._rows: dict[tuple[str, int], Any] = {}
        self._named: set[tuple[str, int]] = set()
        self._outdated: list[dict[str, int]] = [{}, {}, {}]
        """Of each table the number up to which rows are not given out any more: now, and when the last two segments began."""
        self._file: BinaryIO | None = None
        self._segment = -1
        self._sizes: dict[int, int] = {}
        self._now = 0

    @property
    def target(self) -> Target:
        """The ring, for a core that writes frames itself."""
        return Target(-1, os.fsencode(os.path.abspath(self.folder)), self._bytes, 0, self._started_unix_ns)

    def write(self, tables: dict[str, list[Any]], records: bytes) -> None:
        """Keep the rows that are new in the tables, then the records, as words.

        Raises:
            OSError: The files can't take them.
        """
        if self._segment < 0 and (there := segment_files(self.folder)):
            with there[-1].open("ab") as last:  # the native core has written them, and this is its last word
                last.write(frame(EVENTS, records))
            return
        for table, rows in tables.items():
            for row in rows:
                self._rows[table, row[0]] = row
        words = bytearray()
        rows_before: list[tuple[str, Any]] = []
        told = bytearray()
        long_run = False
        limit, call = self.on_run or (0, None)
        for record in records_of_words(records):
            if self._segment < 0 or (not words and self._sizes[self._segment] >= self._limit):
                self._begin_segment()
            for thing in self._alive.things(record):
                told += pack(thing)
                rows_before += self._rows_named(thing)
            rows_before += self._rows_named(record)
            self._alive.take(record)
            words += pack(record)
            if isinstance(record, (Step, YieldedStep, CallbackRun)):
                self._now = max(self._now, record.end_ns)
                long_run = long_run or (call is not None and record.end_ns - record.start_ns > limit)
            if len(words) + len(told) >= min(_PIECE, self._limit):
                self._write(_frames(rows_before, told + words))
                words, told, rows_before = bytearray(), bytearray(), []
        if words:
            self._write(_frames(rows_before, told + words))
        if long_run and call is not None:
            call()

    def outdated(self, table: str, last: int) -> None:
        """Rows of a table with numbers up to `last` are not given out any more."""
        self._outdated[0][table] = last

    def position(self) -> Position:
        """Where `write` is."""
        return self._segment, self._sizes.get(self._segment, 0)

    def close(self) -> None:
        """Close the files. Closing twice does nothing."""
        if self._file is not None:
            self._file.close()

    def _begin_segment(self) -> None:
        self.close()
        self._segment += 1
        self._sizes[self._segment] = 0
        path = self.folder / f"{self._segment:08}.segment"
        self._file = path.open("wb", buffering=0)
        self._named.clear()
        self._alive.begin_segment()
        head = frame(SEGMENT, segment_payload(Segment(self._segment, self._now, self._started_unix_ns + self._now)))
        words, things, told = bytearray(), bytearray(), 0
        rows: list[tuple[str, Any]] = []
        for record in self._alive.alive(self._now) if self._segment else ():
            if len(words) + len(things) > self._limit // 2:
                break
            for thing in self._alive.things(record):  # who holds what is told once it is known that he is there
                rows += self._rows_named(thing)
                things += pack(thing)
            rows += self._rows_named(record)
            words += pack(record)
            told += isinstance(record, TaskAlive)
        words += things
        if self._segment and told < self._alive.tasks:
            words += pack(Dropped(self._alive.tasks - told))
        oldest = self._outdated.pop()
        self._outdated.insert(0, dict(self._outdated[0]))
        self._forget_rows(oldest)
        self._write(head + _frames(rows, words))

    def _rows_named(self, record: Record) -> Iterator[tuple[str, Any]]:
        """Rows that the segment does not have yet, those first that others name."""
        for key in named(record):
            yield from self._row(key)

    def _row(self, key: tuple[str, int]) -> Iterator[tuple[str, Any]]:
        if key[1] == 0 or key in self._named or key not in self._rows:
            return
        self._named.add(key)
        row = self._rows[key]
        if key[0] == "sites":
            for text in (row[1], row[2], row[4]):
                yield from self._row(("strings", text))
        elif key[0] == "stacks":
            for site in row[1]:
                yield from self._row(("sites", site))
        yield key[0], row

    def _forget_rows(self, last: dict[str, int]) -> None:
        """Let go of rows with numbers up to those, unless the segment, or a row that is kept, names them."""
        if not last:
            return
        pinned: set[tuple[str, int]] = set()
        for table in reversed(TABLE_NAMES):
            kept = {}
            for key, row in self._rows.items():
                if key[0] != table or key[1] > last.get(table, 0) or key in self._named or key in pinned:
                    kept[key] = row
                    if key[0] == table == "stacks":
                        pinned.update(("sites", site) for site in row[1])
                    elif key[0] == table == "sites":
                        pinned.update(("strings", text) for text in (row[1], row[2], row[4]))
            self._rows = kept

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        while sum(self._sizes.values()) + len(data) > self._bytes and self._drop_oldest():
            pass
        view = memoryview(data)
        while view:
            try:
                view = view[self._file.write(view) or 0 :]
            except OSError:
                if not self._drop_oldest():
                    with contextlib.suppress(OSError):  # take back what is there of it, so that the file ends with a frame
                        self._file.truncate(self._sizes[self._segment])
                        self._file.seek(self._sizes[self._segment])
                    raise
        self._sizes[self._segment] += len(data)

    def _drop_oldest(self) -> bool:
        """Remove the oldest segment; False if there is none but the one that is being written."""
        oldest = min(self._sizes)
        if oldest == self._segment:
            return False
        (self.folder / f"{oldest:08}.segment").unlink(missing_ok=True)
        del self._sizes[oldest]
        return True


def _frames(rows: list[tuple[str, Any]], words: bytearray) -> bytes:
    data = b"".join(pack_rows({table: [row]}) for table, row in rows)
    return (frame(TABLES, data) if data else b"") + (frame(EVENTS, bytes(words)) if words else b"")
