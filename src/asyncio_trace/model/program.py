"""What a recording says of the program, its loops and its threads: little, and told record by record."""

from __future__ import annotations

from typing import Any

import numpy as np

from asyncio_trace.events import records as r
from asyncio_trace.model.columns import Int64
from asyncio_trace.model.hearing import Hearing
from asyncio_trace.model.interned import Strings
from asyncio_trace.model.names import Names
from asyncio_trace.model.places import Places
from asyncio_trace.model.recorded import Fields, Recorded
from asyncio_trace.model.tables import Loop, Program
from asyncio_trace.model.witnesses import Witnesses


def program_of(header: dict[str, Any]) -> Program:
    """What the header says; it may hold anything."""
    argv = header.get("argv")
    return Program(
        argv=[str(word) for word in argv] if isinstance(argv, list) else [],
        python=str(header.get("python", "")),
        platform=str(header.get("platform", "")),
        pid=_whole(header.get("pid")),
        started_unix_ns=_whole(header.get("started_unix_ns")),
        core=str(header.get("core", "")),
        block_threshold_ns=_whole(header.get("block_threshold_ns")) or 100_000_000,
    )


def _whole(number: object) -> int:
    return number if type(number) is int else 0


Threads = dict[int, tuple[int, int]]
"""Number of a thread to the number of its name, and the system's id."""


def loops_and_threads(
    recorded: Recorded, names: Names, strings: Strings
) -> tuple[list[Loop], Threads, list[tuple[Int64, Int64]]]:
    """The loops by creation, the threads, and the instants that the records of loops tell of, as `Gaps` takes them."""
    seen, started, alive, closed = (recorded.take(kind) for kind in (r.ThreadSeen, r.LoopStarted, r.LoopAlive, r.LoopClosed))
    known = zip(seen.thread.tolist(), names.strings(seen.name).tolist(), seen.native_id.tolist(), strict=True)
    threads: Threads = {thread: (name, native) for thread, name, native in known}
    loops: dict[int, Loop] = {}
    stream = [
        *((seq, "started", row) for seq, *row in _rows(started, "loop", started.ns, names.strings(started.type), "thread")),
        *((seq, "alive", row) for seq, *row in _rows(alive, "loop", alive.started_ns, names.strings(alive.type), "thread")),
        *((seq, "closed", row) for seq, *row in _rows(closed, "loop", closed.ns)),
    ]
    for _, what, row in sorted(stream):
        if what == "closed":
            if row[0] in loops:
                loops[row[0]].closed_ns = row[1]
        elif what == "started" or row[0] not in loops:
            name, native = threads.get(row[3], (0, 0))
            loops[row[0]] = Loop(row[0], strings[row[2]], native, strings[name], row[1])
    ordered = sorted(loops.values(), key=lambda loop: loop.created_ns)
    return ordered, threads, [(alive.seq, alive.ns), (closed.seq, closed.ns)]


def _rows(fields: Fields, *columns: Any) -> list[tuple[int, ...]]:
    arrays = [getattr(fields, column) if isinstance(column, str) else column for column in columns]
    return list(zip(fields.seq.tolist(), *(array.tolist() for array in arrays), strict=True))


def parent_spans(spans: Fields, known: Any) -> dict[int, tuple[int, int, int]]:
    """Task to the OpenTelemetry span that was active where it was created, of those records that are of known tasks."""
    high, low, span = (
        column[known].astype(np.uint64).tolist() for column in (spans.trace_id_high, spans.trace_id_low, spans.span_id)
    )
    rows = zip(spans.task[known].tolist(), high, low, span, spans.trace_flags[known].tolist(), strict=True)
    return {task: (high << 64 | low, span, flags) for task, high, low, span, flags in rows}


def witnesses(recorded: Recorded) -> Witnesses:
    """What the tracer saw with its own eyes."""
    hearing = Hearing(recorded.tables, Places(recorded.tables))
    for kind, hear in hearing.takers.items():
        for record in recorded.take(kind).records():
            hear(record)
    return hearing.witnesses
