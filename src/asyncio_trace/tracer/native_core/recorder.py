"""A recorder whose records are packed, and written to the file, by the extension.

Rows of the tables are worked out by the common `Recorder`, since they are rare; they go to the same stream.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from asyncio_trace.errors import UsageError
from asyncio_trace.events.records import Dropped, Ended
from asyncio_trace.recording.tables import TABLES, pack_rows
from asyncio_trace.recording.writer import Target
from asyncio_trace.tracer.native_core import _native
from asyncio_trace.tracer.recorder import Recorder, Sink

_NEVER = 1 << 62


class _Stream:
    """What Python code of the tracer writes records to, in place of a `bytearray`."""

    extend = staticmethod(_native.extend)

    def __len__(self) -> int:
        return 0

    def clear(self) -> None:
        """Nothing gathers here."""


class _Rows:
    """New rows of one table, on their way to the stream."""

    def __init__(self, table: str) -> None:
        self._table = table

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row."""
        _native.row(pack_rows({self._table: [row]}))


class NativeRecorder(Recorder):
    """See `Recorder`; there is one at a time, since the extension has one stream.

    Raises:
        UsageError: The sink is not a file.
        OSError: The file can't be written.
    """

    def __init__(self, sink: Sink, clock: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__(sink, _native.clock if clock is time.monotonic_ns else clock)
        target = getattr(sink, "target", None)
        if target is None:
            raise UsageError("the native core writes to files only; use --core python")
        self._target: Target = target
        stream: Any = _Stream()
        self.buffer = stream
        self.next_id = _native.next_id
        self.flushed_ns = _NEVER  # the extension's own thread writes
        new: Any = {table: _Rows(table) for table in ("strings", "sites", "stacks")}
        self._new = new

    def begin(self, slow: Any) -> tuple[Any, Any]:
        """Begin to record; `slow` is what the extension calls for all that is rare. The tables of tasks and of futures."""
        self._slow = slow
        clock = None if self.clock is _native.clock else self.clock
        tables: tuple[Any, Any] = _native.begin(self, slow, clock, self.origin, *self._target)
        return tables

    def name(self, text: str) -> int:
        """Number of a task's name; rows of one table are let go of in one order."""
        return self.string(text)

    def _cleared(self, table: str) -> None:
        """A table begins afresh."""
        _native.outdated(TABLES.index(table) + 1, self._last[table])

    def watch_runs(self, limit_ns: int, call: Callable[[], None]) -> None:
        """From now on call this after each run of more than `limit_ns`."""
        self._slow.long_run = call
        _native.watch_runs(limit_ns)

    def position(self) -> tuple[int, int]:
        """Where in the ring everything stands that was flushed: a segment, and bytes of its file."""
        return _native.position()

    def flush(self) -> None:
        """Write what is recorded so far. Not needed: it is on its way already."""
        _native.write_now()

    def close(self) -> None:
        """End the trace: write the rest and the closing record. Closing twice does nothing."""
        if self.active:
            if self.lost_events:
                self.add(Dropped, self.lost_events)
            self.add(Ended, self.now())
            self.active = False
            error, dropped = _native.end()
            self.lost_events += dropped
            if error:
                self.failed(OSError(error, os.strerror(error)))
                self.refused = True
                self.tell_loss()
        try:
            self.sink.close()
        except Exception as error:
            self.failed(error)

    def abandon(self) -> None:
        """Forget everything without touching the file: after a fork it is the parent's."""
        super().abandon()
        _native.abandon()


os.register_at_fork(before=_native.pause_writer)
