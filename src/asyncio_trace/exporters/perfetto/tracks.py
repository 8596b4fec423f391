"""Tracks: the process, its threads, and a track for each task."""

from __future__ import annotations

from collections.abc import Iterator

from asyncio_trace.exporters.perfetto import wire
from asyncio_trace.model import Trace

PROCESS = 1
_FIRST_THREAD = 2
_FIRST_TASK = 1 << 32
_BY_TIME = 2
_NEVER_MERGED = 2
"""Perfetto takes tracks of one name and one parent for one, unless told not to."""


class Tracks:
    """Numbers of tracks, and their descriptions."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        names = {loop.thread: loop.thread_name for loop in trace.program.loops}
        self._loop_thread = {loop.id: loop.thread for loop in trace.program.loops}
        for job in trace.jobs:
            if job.thread is not None:
                names.setdefault(job.thread, job.thread_name or "")
        names.setdefault(0, "unknown thread")
        self._threads = dict(zip(names, range(_FIRST_THREAD, _FIRST_THREAD + len(names)), strict=True))
        self._names = names

    def of_loop(self, loop: int) -> int:
        """The track of the thread that a loop ran in."""
        return self.of_thread(self._loop_thread.get(loop, 0))

    def of_thread(self, thread: int) -> int:
        """The track of a thread by the system's id; 0 for one that is not known."""
        return self._threads[thread]

    @staticmethod
    def of_task(row: int) -> int:
        """The track of a task by its row."""
        return _FIRST_TASK + row

    def packets(self) -> Iterator[bytes]:
        """The descriptions of all tracks, parents first."""
        program = self._trace.program
        pid = program.pid or 1
        process = wire.number(1, pid) + b"".join(wire.text(2, word) for word in program.argv)
        process += wire.text(6, " ".join(program.argv) or "asyncio program")
        yield wire.track_packet(wire.number(1, PROCESS) + wire.message(3, process) + wire.number(11, _BY_TIME))
        used = {self._loop_thread.get(loop, 0) for loop in set(self._trace.runs.columns.loop.tolist())}
        for thread, name in self._names.items():
            body = wire.number(1, self._threads[thread])
            if thread:
                about = wire.number(1, pid) + wire.number(2, thread) + wire.text(5, name)
                yield wire.track_packet(body + wire.message(4, about))
            elif 0 in used or any(job.thread is None and job.started_ns is not None for job in self._trace.jobs):
                yield wire.track_packet(body + wire.number(5, PROCESS) + wire.text(2, name))
        yield from self._tasks()

    def _tasks(self) -> Iterator[bytes]:
        tasks, strings = self._trace.tasks.columns, self._trace.strings
        how = wire.number(11, _BY_TIME) + wire.number(15, _NEVER_MERGED)
        rows = zip(tasks.name.tolist(), tasks.coroutine.tolist(), tasks.parent_row.tolist(), tasks.id.tolist(), strict=True)
        for row, (name, coroutine, parent, number) in enumerate(rows):
            called = strings[name] if name >= 0 and strings[name] else f"task {number}"
            above = PROCESS if parent < 0 or parent == row else self.of_task(parent)
            about = wire.text(2, f"{strings[coroutine]} · {called}")
            yield wire.track_packet(wire.number(1, self.of_task(row)) + wire.number(5, above) + about + how)
