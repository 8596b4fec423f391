"""From a trace to Perfetto's packets.

The program is a process. Each loop's thread and each executor's thread is a thread of it, with callbacks and jobs as slices.
Each task is a track below the task that created it, with slices `running`, `ready` and `waiting: ...`. A wake is a flow from
the run in which it happened to the slice in which the woken task is ready.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asyncio_trace.exporters.perfetto import wire
from asyncio_trace.exporters.perfetto.flows import flows
from asyncio_trace.exporters.perfetto.tracks import Tracks
from asyncio_trace.exporters.perfetto.words import Words
from asyncio_trace.exporters.protocol import Progress, no_progress
from asyncio_trace.model import NEVER, Trace
from asyncio_trace.model.columns import TaskRows, Times

_PROGRESS_EVERY = 1024
"""Tasks between two calls of `progress`."""


def packets(trace: Trace, progress: Progress = no_progress) -> Iterator[bytes]:
    """The file's bytes, in pieces."""
    yield wire.first_packet(trace.program.started_unix_ns)
    interner = wire.Interner()
    tracks = Tracks(trace)
    yield from tracks.packets()
    yield from _callbacks(trace, tracks, interner)
    yield from _jobs(trace, tracks, interner)
    tasks = _Tasks(trace, interner)
    total = len(trace.tasks)
    for row in range(total):
        yield from tasks.packets(row)
        if row % _PROGRESS_EVERY == 0:
            progress(row, total)
    progress(total, total)


def _slice(interner: wire.Interner, track: bytes, name: str, start: int, end: int | None) -> Iterator[bytes]:
    number = interner.number(wire.Interner.NAMES, name)
    yield interner.news()
    yield wire.event_packet(start, wire.event(wire.number(9, wire.BEGIN) + track + wire.number(10, number)))
    if end is not None:
        yield wire.event_packet(end, wire.event(wire.number(9, wire.END) + track))


def _callbacks(trace: Trace, tracks: Tracks, interner: wire.Interner) -> Iterator[bytes]:
    """Runs of callbacks, on the tracks of the threads of their loops."""
    runs = trace.runs.columns
    order = np.flatnonzero(runs.task_row < 0)
    rows = zip(*(column[order].tolist() for column in (runs.loop, runs.callback, runs.start_ns, runs.end_ns)), strict=True)
    for loop, callback, start, end in rows:
        name = trace.strings[callback] if callback >= 0 else "callback"
        yield from _slice(interner, wire.number(11, tracks.of_loop(loop)), name, start, end)


def _jobs(trace: Trace, tracks: Tracks, interner: wire.Interner) -> Iterator[bytes]:
    """Jobs, on the tracks of the threads that ran them."""
    for job in sorted(trace.jobs, key=lambda job: job.started_ns or 0):
        if job.started_ns is not None:
            track = wire.number(11, tracks.of_thread(job.thread or 0))
            yield from _slice(interner, track, job.function or "job", job.started_ns, job.ended_ns)


class _Tasks:
    """Slices of tasks, one task after the other."""

    def __init__(self, trace: Trace, interner: wire.Interner) -> None:
        self._interner = interner
        self._words = Words(trace, interner)
        self._flows = flows(trace)
        tasks, runs, waits = trace.tasks.columns, trace.runs.columns, trace.waits.columns
        self._lives = list(zip(tasks.created_ns.tolist(), tasks.started_ns.tolist(), tasks.ended_ns.tolist(), strict=True))
        self._runs = _by_task(runs.task_row, (runs.start_ns, runs.end_ns), len(tasks))
        self._waits = _by_task(waits.task_row, (waits.start_ns, waits.ready_ns, waits.end_ns), len(tasks))
        self._running = wire.number(10, interner.number(wire.Interner.NAMES, "running"))
        self._ready = wire.number(10, interner.number(wire.Interner.NAMES, "ready"))

    def packets(self, row: int) -> Iterator[bytes]:
        """The slices of a task."""
        track = wire.number(11, Tracks.of_task(row))
        end = wire.event(wire.number(9, wire.END) + track)
        begin = wire.number(9, wire.BEGIN) + track
        pieces: list[bytes] = []
        for start, stop, body in self._slices(row):
            pieces.append(wire.event_packet(start, wire.event(begin + body)))
            if stop is not None:
                pieces.append(wire.event_packet(stop, end))
        yield self._interner.news()
        yield b"".join(pieces)

    def _slices(self, row: int) -> Iterator[tuple[int, int | None, bytes]]:
        """Begin, end and the fields that say what it is, in the order of time."""
        created, started, ended = self._lives[row]
        runs, waits = self._runs[row], self._waits[row]
        if started != NEVER:
            if started > created:
                yield created, started, self._ready
        elif not waits:
            yield created, None if ended == NEVER else ended, self._ready
        at = 0
        for start, stop, number in runs:
            while at < len(waits) and waits[at][0] < start:
                yield from self._wait(waits[at], start)
                at += 1
            yield start, stop, self._running + self._flows.starts.get(number, b"")
        for wait in waits[at:]:
            yield from self._wait(wait, None)

    def _wait(self, wait: tuple[int, ...], until: int | None) -> Iterator[tuple[int, int | None, bytes]]:
        """A wait's slices. If no end is known, as where a recording is damaged, it ends when the task ran again."""
        start, ready, end, number = wait
        over = until if end == NEVER else end
        resolved = over if ready == NEVER else ready
        if resolved is None or resolved > start:
            yield start, resolved, self._words.of_wait(number)
        flow = self._flows.ends.get(number, b"")
        if ready != NEVER and (flow or ready != over):
            yield ready, over, self._ready + flow


def _by_task(rows: TaskRows, columns: tuple[Times, ...], tasks: int) -> list[list[tuple[int, ...]]]:
    """For each task the rows of a table, by their first column: the columns' values, and the number of the row."""
    order = np.lexsort((columns[0], rows))
    first = np.searchsorted(rows[order], np.arange(tasks + 1)).tolist()
    values = list(zip(*(column[order].tolist() for column in columns), order.tolist(), strict=True))
    return [values[first[row] : first[row + 1]] for row in range(tasks)]
