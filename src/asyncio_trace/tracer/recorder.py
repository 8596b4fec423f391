"""Where events gather between the moment they happen and the file: records, interned tables, ids, the clock, and failures.

The hot path packs integers and appends them to one `bytearray`; that is atomic, so threads share it. All else happens when
the loop is about to sleep, or when a good many records have gathered.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from asyncio_trace.events.records import HEADERS, PACK, Dropped, Ended, Record, ResourceSeen, ThreadSeen, pack

FLUSH_BYTES = 1 << 19
"""Bytes that gather before they are written even though the loop is busy: some 5,000 to 10,000 events."""

FLUSH_IDLE_NS = 20_000_000
"""Least time between two writes that happen because the loop is about to sleep."""

FLUSH_SLEEP_NS = 2_000_000
"""The same, where the loop is about to sleep for long: whoever kills the program meanwhile shall not take its last events."""

MOST_STRINGS = 1 << 14
MOST_CHARACTERS = 1 << 22
MOST_NAMES = 1 << 10
MOST_SITES = 1 << 14
MOST_STACKED_SITES = 1 << 18
"""Texts, characters of all texts together, task names, sites, and sites in all stacks together that a table keeps. Beyond that
it begins afresh: what comes again then gets a new number, and numbers never change their meaning, so a trace may run for ever
in bounded memory.
"""

LONGEST_TEXT = 1 << 14
"""Characters; of a longer text (a name that holds a document, say) the rest is left out."""

SHORT_SLEEP = 0.02
"""Seconds; a longer sleep is long."""

FAR = 4e9
"""Seconds; a timer that is due later, or never, is recorded as due then."""

FLUSH_BUSY_NS = 250_000_000
"""Age at which what has gathered is written although the loop is busy."""


class Sink(Protocol):
    """Where a recorder's output goes; `asyncio_trace.recording.writer.RecordingWriter` is one."""

    def write(self, tables: dict[str, list[Any]], records: bytes) -> None:
        """Keep these rows and records. Raises OSError if it can't."""

    def close(self) -> None:
        """No more will come."""


class Recorder:
    """Gathers the records of one trace and hands them to a sink."""

    def __init__(self, sink: Sink, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.sink = sink
        self.clock = clock
        """Nanoseconds of a monotonic clock; `origin` is its reading at the trace's begin, which records subtract."""
        self.origin = clock()
        self.buffer = bytearray()
        """Records that have gathered, as they go to the file."""
        self.active = True
        self.lost_events = 0
        self.failure: str | None = None
        """The first failure of ours, in one line; told once at the end."""
        self.refused = False
        """The sink has failed; it gets nothing any more."""
        self.next_id: Callable[[], int] = count(1).__next__
        self._pid = os.getpid()
        self.flushed_ns = 0
        self.flushed: Callable[[], None] | None = None
        """Called after each flush."""
        self._lock = threading.RLock()
        self._writing = threading.RLock()
        """Held from taking rows and records until they are written: other threads' go behind them. Taken before `_lock`."""
        self.forgetting: list[Callable[[], None]] = []
        """Called when code objects cease to be kept, and with them what addresses of code stand for; they raise nothing."""
        self._strings: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._sites: dict[tuple[int, int], int] = {}
        self._stacks: dict[tuple[int, ...], int] = {}
        self._stacked_sites = 0
        self._characters = 0
        self._threads: dict[int, int] = {}
        self._code_kept: dict[int, object] = {}
        self._last = {"strings": 0, "sites": 0, "stacks": 0}
        """The highest number that each table has given."""
        self._new: dict[str, list[Any]] = {"strings": [], "sites": [], "stacks": []}

    def now(self) -> int:
        """Nanoseconds since the trace began."""
        return self.clock() - self.origin

    def add(self, kind: type[Record], *fields: int) -> None:
        """Add a record, given its fields."""
        self.buffer.extend(PACK[kind](HEADERS[kind], *fields))

    # -- interning ------------------------------------------------------------------------------------------------------

    def string(self, text: object) -> int:
        """Number of a text; anything that is not a plain `str` is 0."""
        number = self._strings.get(text) if type(text) is str else 0
        if number is None:
            assert type(text) is str
            number = self._text(self._strings, text, MOST_STRINGS)
        return number

    def name(self, text: str) -> int:
        """Number of a task's name: a text that mostly comes once, and so is not kept for long."""
        return self._names.get(text) or self._text(self._names, text, MOST_NAMES)

    def site(self, code: Any, lasti: int, module: object) -> int:
        """Number of a place in code: a code object and an instruction offset in it."""
        key = (id(code), lasti)
        number = self._sites.get(key)
        if number is None:
            line = line_of(code, lasti)
            row = (self.string(code.co_qualname), self.string(code.co_filename), line, self.string(module))
            dropped = None
            with self._lock:
                number = self._sites.get(key)
                if number is None:
                    if len(self._sites) >= MOST_SITES:
                        dropped = self._forget_places()
                    self._code_kept[id(code)] = code  # or its address could come to mean another
                    number = self._sites[key] = self._add_row("sites", *row)
            del dropped  # code objects may have weak references with callbacks: not under the lock
        return number

    def stack(self, sites: tuple[int, ...]) -> int:
        """Number of a stack, given as its sites, outermost first."""
        number = self._stacks.get(sites)
        if number is None:
            with self._lock:
                number = self._stacks.get(sites)
                if number is None:
                    self._stacked_sites += len(sites)
                    if self._stacked_sites > MOST_STACKED_SITES:
                        self._stacks.clear()
                        self._cleared("stacks")
                        self._stacked_sites = len(sites)
                    number = self._stacks[sites] = self._add_row("stacks", sites)
        return number

    def thread(self) -> int:
        """Number of the calling thread; recorded when first seen."""
        ident = threading.get_ident()
        number = self._threads.get(ident)
        if number is None:
            with self._lock:
                number = self._threads[ident] = len(self._threads) + 1
            # not threading.current_thread(): it would register a dummy for a thread that is not Python's
            thread = getattr(threading, "_active", {}).get(ident)
            name = self.string(getattr(thread, "name", f"thread {ident}"))
            self.add(ThreadSeen, number, name, threading.get_native_id())
        return number

    def resource(self, type_name: str) -> int:
        """A new id for a lock, queue or the like."""
        number = self.next_id()
        self.add(ResourceSeen, number, self.string(type_name))
        return number

    def _text(self, table: dict[str, int], text: str, most: int) -> int:
        if len(text) > LONGEST_TEXT:
            text = text[: LONGEST_TEXT - 1] + "…"
        with self._lock:
            number = table.get(text)
            if number is None:
                self._characters += len(text)
                if len(table) >= most or self._characters > MOST_CHARACTERS:
                    self._characters = len(text)
                    table.clear()
                    self._cleared("strings")
                number = table[text] = self._add_row("strings", text)
        return number

    def _cleared(self, table: str) -> None:
        """A table begins afresh: the numbers that it has given so far are not given again. Call this under the lock."""
        outdated = getattr(self.sink, "outdated", None)
        if outdated is not None:
            outdated(table, self._last[table])

    def _add_row(self, table: str, *columns: Any) -> int:
        """Give a row the next number of its table. It is on its way before anybody can name it. Call this under the lock."""
        number = self._last[table] = self._last[table] + 1
        self._new[table].append((number, *columns))
        return number

    def _forget_places(self) -> object:
        """Begin the tables of places in code afresh. Returns the code objects that were kept."""
        kept, self._code_kept = self._code_kept, {}
        self._sites.clear()
        self._stacks.clear()  # they name sites by their old numbers
        self._stacked_sites = 0
        self._cleared("sites")
        self._cleared("stacks")
        for forget in self.forgetting:
            forget()
        return kept

    # -- output ---------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand over what has gathered. A sink that fails costs events, which are counted, and never the program."""
        if os.getpid() != self._pid:
            self.abandon()  # C code forked, and told nobody
        with self._writing:
            if not self.active:
                self._drop_buffer()
                return
            with self._lock:
                records = bytes(self.buffer)
                new, self._new = self._new, {"strings": [], "sites": [], "stacks": []}
                del self.buffer[: len(records)]
            self.flushed_ns = self.now()
            try:
                self.sink.write(new, records)
            except Exception as error:
                self.refused = True
                self.active = False  # the tables have a gap now: nothing after it could be read
                self.lost_events += count_records(records)
                self.failed(error)
        if self.flushed is not None:
            self.flushed()

    def watch_runs(self, limit_ns: int, call: Callable[[], None]) -> None:
        """From now on call this after each run of more than `limit_ns`, once it is on its way to the sink, which is a ring."""
        self.sink.on_run = (limit_ns, call)  # type: ignore[attr-defined]

    def position(self) -> tuple[int, int]:
        """Where in the ring that is the sink everything stands that was flushed: a segment, and bytes of its file."""
        position: tuple[int, int] = self.sink.position()  # type: ignore[attr-defined]
        return position

    def flush_if_free(self) -> None:
        """`flush`, unless another thread is at it."""
        if self._writing.acquire(blocking=False):
            try:
                self.flush()
            finally:
                self._writing.release()

    def close(self) -> None:
        """End the trace: write the rest and the closing record. Closing twice does nothing."""
        if self.active:
            if self.lost_events:
                self.add(Dropped, self.lost_events)
            self.add(Ended, self.now())
            self.flush()
            self.active = False
        self._drop_buffer()
        if self.refused:
            self.tell_loss()
        try:
            self.sink.close()
        except Exception as error:
            self.failed(error)

    def tell_loss(self) -> None:
        """Say in the file how much is not there, if it can take that much by now."""
        with contextlib.suppress(Exception):
            self.sink.write({}, pack(Dropped(max(1, self.lost_events))) + pack(Ended(self.now())))

    def abandon(self) -> None:
        """Forget everything without touching the file: after a fork it is the parent's, and so are threads that held locks."""
        self._lock, self._writing = threading.RLock(), threading.RLock()
        self.active = False
        self.buffer.clear()

    def _drop_buffer(self) -> None:
        """What is still recorded after the end is no loss; after a failure it is."""
        if self.refused:
            self.lost_events += count_records(bytes(self.buffer))
        self.buffer.clear()

    def failed(self, error: BaseException, lost: int = 0) -> None:
        """Note a failure of the tracer's own; the program goes on."""
        self.lost_events += lost
        if self.failure is None:
            self.failure = f"{type(error).__name__}: {error}".splitlines()[0]


def count_records(records: bytes) -> int:
    """How many records there are in a run of them."""
    at = number = 0
    while at < len(records):
        at += 8 * (1 + (int.from_bytes(records[at : at + 8], "little") >> 8))
        number += 1
    return number


def line_of(code: Any, lasti: int) -> int:
    """Line of the instruction at byte offset `lasti`; the function's first line where the compiler left none."""
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return int(line)
    return int(code.co_firstlineno)
