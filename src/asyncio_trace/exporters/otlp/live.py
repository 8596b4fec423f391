"""Live export: spans of a program that still runs, from the recording that it writes.

Nothing of this runs in the traced program. It writes its recording as ever, and this thread, in the command that started it,
reads the file as it grows. The file is the queue: while the collector is slow or away nothing gathers in memory, the reader
stays behind, and catches up later. Spans are given up, and counted by reason, only if the collector refuses them, if the reader
falls too far behind, or if the program is over and the collector is still away.

A task's spans are sent when all that it belongs to is over (`model.trees`): each request is a whole trace at once, and no span
ever lacks its parent. The program's own span comes last.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from asyncio_trace.exporters.otlp import settings as where
from asyncio_trace.exporters.otlp.describe import Totals
from asyncio_trace.exporters.otlp.encode import Encoder, Request
from asyncio_trace.exporters.otlp.fold import Folded
from asyncio_trace.exporters.otlp.layout import LONG_LIVED_NS
from asyncio_trace.exporters.otlp.rows import Rows
from asyncio_trace.exporters.otlp.spans import (
    WAIT_THRESHOLD_NS,
    Whole,
    build_part,
    new_rng,
)
from asyncio_trace.model import Program, Task
from asyncio_trace.model.live import LiveTasks
from asyncio_trace.model.trees import LeftOut, Node, StepPlaces
from asyncio_trace.recording.follow import Follower, NotARecordingError

if TYPE_CHECKING:
    from asyncio_trace.exporters.otlp.metrics import MetricSender
    from asyncio_trace.exporters.otlp.send import Sender

PERIOD_S = 0.5
"""Seconds between two looks at the file, when there is nothing new."""
STEP_BYTES = 1 << 18
"""Bytes of the recording that are read between two sendings."""
PART_NODES = 2_000
"""Tasks that are sent together, if so many are over."""
MOST_BEHIND_BYTES = 1 << 28
"""Bytes of the recording that the reader may be behind; beyond, spans are given up until it has caught up with half of that."""
PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Seconds before a request is sent again: at first, and at most; doubled each time."""
GIVE_UP_S = 20.0
"""Seconds that a collector may be away once the program is over."""


class LiveExport:
    """Follows one program's recording and sends what is over.

    Args:
        target: URL of the collector; "" for what the OTEL_* variables say.
        long_lived_ns: How long a tree of tasks is held (see `model.trees`).
        period_s: Seconds between two looks at the file, when there is nothing new.
    """

    def __init__(self, target: str, *, long_lived_ns: int = LONG_LIVED_NS, period_s: float = PERIOD_S) -> None:
        self.sent = 0
        """Spans that the collector took."""
        self.dropped: Counter[str] = Counter()
        """Spans that were given up, by reason."""
        self.last_error = ""
        """Why the collector last did not take something."""
        self.failure = ""
        """Why all of this came to nothing, in one line."""
        self._settings = where.resolve(target)
        self._period_s = period_s
        self._over = threading.Event()
        self._tasks = LiveTasks(WAIT_THRESHOLD_NS, Program().block_threshold_ns, long_lived_ns)
        self._rng = new_rng()
        self._encoder = Encoder()
        self._whole = Whole(self._rng.getrandbits(128) or 1)
        self._give_up_at: float | None = None
        self._catching_up = False

    def run(self, recording: str, pid: int, over: threading.Event) -> None:
        """Follow the file `recording`, which may not be there yet, and which process `pid` writes until `over` is set.

        Returns when all that is in it has been sent or given up. Raises nothing: see `failure`.
        """
        self._over = over
        try:
            follower = self._open(recording, pid)
            if follower is not None:
                with follower:
                    self._follow(follower)
        except Exception as error:  # the program's end is still to be told
            self.failure = f"{type(error).__name__}: {error}"

    def give_up(self) -> None:
        """Send no more; what is left is counted as dropped. For another thread."""
        self._give_up_at = time.monotonic()

    @property
    def summary(self) -> str:
        """What became of the spans, in one line."""
        lost = ", ".join(f"{number:,} {reason}" for reason, number in self.dropped.items())
        why = f" ({self.last_error})" if lost and self.last_error else ""
        return f"{self.sent:,} spans sent to {self._settings.shown}" + (f"; not sent: {lost}{why}" if lost else "")

    def _open(self, recording: str, pid: int) -> Follower | None:
        """The recording with its header read, once it is there; a program that never imports asyncio writes none."""
        while True:
            over = self._over.is_set()
            with contextlib.suppress(FileNotFoundError, NotARecordingError):
                follower = Follower(recording)
                while follower.behind() and not follower.header:
                    before = follower.at
                    self._read(follower, over, limit_bytes=1)
                    if follower.at == before:
                        break
                if follower.header.get("pid") == pid:  # else it is an older one, to be overwritten
                    return follower
                follower.close()
            if over:
                return None
            self._over.wait(self._period_s)

    def _read(self, follower: Follower, over: bool, limit_bytes: int | None = None) -> None:
        records = follower.records(ended=over, limit_bytes=limit_bytes or STEP_BYTES)
        self._tasks.add_all(records, lambda: follower.tables)

    def _follow(self, follower: Follower) -> None:
        # Here, because OpenTelemetry and gRPC take a third of a second to import.
        from asyncio_trace.exporters.otlp import metrics, resource, send

        program = _program(follower)
        self._tasks.meters.block_threshold_ns = program.block_threshold_ns
        origin = resource.origin_of(program)
        with send.silence(), send.Sender(self._settings) as sender:
            meters = metrics.MetricSender(self._settings, resource.resource_of(program), origin.scope, origin.scope_version)

            def deliver(rows: Rows, totals: Totals | None = None) -> None:
                spans = build_part(rows, self._whole, self._rng, totals=totals)
                for request in self._encoder.requests(spans, origin):
                    self._deliver(request, sender, follower)

            while True:
                over = self._is_over()
                before = follower.at
                self._read(follower, over)
                for rows in self._parts(program):
                    deliver(rows)
                meters.maybe_send(self._tasks.meters, self._counters())
                if follower.at == before:
                    if over:
                        break
                    self._over.wait(self._period_s)
            self._tasks.close()
            self._finish_parts(program, deliver, complete=self._tasks.ended and not follower.lost_bytes)
            self._last_metrics(meters)

    def _parts(self, program: Program) -> Iterable[Rows]:
        """What is over, in parts."""
        nodes: list[Node] = []
        for tree in self._tasks.trees.take():
            nodes += tree
            if len(nodes) >= PART_NODES:
                yield self._rows(program, nodes)
                nodes = []
        if nodes:
            yield self._rows(program, nodes)

    def _finish_parts(self, program: Program, deliver: Callable[..., None], *, complete: bool) -> None:
        """What is left, and in the end the program's own span with what belongs to no task."""
        for rows in self._parts(program):
            deliver(rows)
        meters = self._tasks.meters
        totals = Totals(
            outcomes=meters.outcomes,
            waits=meters.waits,
            runs=meters.runs,
            futures=meters.futures,
            jobs=meters.jobs,
            running_ns=sum(loop.running_ns for loop in meters.loops.values()),
            idle_ns=sum(loop.idle_ns for loop in meters.loops.values()),
            dropped_events=meters.dropped_events,
            complete=complete and not meters.dropped_events,
        )
        for left in (self._tasks.left_out, self._tasks.things.left_out):
            self._whole.folded.add(Folded(extras=Counter(left.counts), extras_ns=Counter(left.ns)))
        rows = self._rows(program, [])
        rows.runs, rows.around, rows.jobs = self._tasks.callbacks, self._tasks.around, self._tasks.things.jobs
        deliver(rows, totals)

    def _rows(self, program: Program, nodes: list[Node]) -> Rows:
        """What belongs to these tasks."""
        program.loops = list(self._tasks.loops.values())
        rows = Rows(program, [], [], [], [], self._tasks.now)
        left_out: dict[int, LeftOut] = {}
        others: dict[int, Task] = {}
        around: dict[tuple[int, int], StepPlaces] = {}
        for node in nodes:
            rows.tasks.append(node.task)
            rows.waits += node.waits
            rows.runs += node.runs
            rows.jobs += node.jobs
            around.update(node.around)
            others.update(node.others)
            left_out[node.task.id] = node.left_out
        rows.left_out, rows.others, rows.around = left_out, others, around
        return rows

    # -- delivery -------------------------------------------------------------------------------------------------------

    def _deliver(self, request: Request, sender: Sender, follower: Follower) -> None:
        """Send, again and again while there is hope; count what becomes of it."""
        from asyncio_trace.exporters.otlp.send import SendError

        pause = PAUSE_S
        while True:
            if self._give_up_at is not None and time.monotonic() >= self._give_up_at:
                self.dropped["when the program was over"] += request.spans
                return
            if self._is_behind(follower):
                self.dropped["too far behind"] += request.spans
                return
            try:
                sender.send(request)
            except SendError as error:
                self.last_error = str(error)
                if not error.again:
                    refused = request.spans if error.refused is None else min(error.refused, request.spans)
                    self.sent += request.spans - refused
                    self.dropped["refused"] += refused
                    return
                if self._is_over() and self._give_up_at is None:
                    self._give_up_at = time.monotonic() + GIVE_UP_S
                self._pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                self.sent += request.spans
                self._give_up_at = None
                return

    def _pause(self, seconds: float) -> None:
        """Wait before the next try; once the program is over, for no longer than it is worth."""
        if not self._tasks.ended and not self._over.wait(seconds):
            return
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + GIVE_UP_S
        time.sleep(max(0.0, min(PAUSE_S, self._give_up_at - time.monotonic())))

    def _is_over(self) -> bool:
        return self._over.is_set() or self._tasks.ended

    def _is_behind(self, follower: Follower) -> bool:
        behind = follower.behind()
        self._catching_up = behind > (MOST_BEHIND_BYTES // 2 if self._catching_up else MOST_BEHIND_BYTES)
        return self._catching_up

    def _counters(self) -> dict[tuple[str, str], int]:
        return {("sent", ""): self.sent, **{("dropped", reason): number for reason, number in self.dropped.items()}}

    def _last_metrics(self, meters: MetricSender) -> None:
        if self._give_up_at is None:  # else nobody is there to take them
            meters.send(self._tasks.meters, self._counters())
        meters.close()


def _program(follower: Follower) -> Program:
    """What the recording's header says."""
    header = follower.header
    argv, pid, started = header.get("argv"), header.get("pid"), header.get("started_unix_ns")
    block_ns = header.get("block_threshold_ns")
    return Program(
        argv=[str(word) for word in argv] if isinstance(argv, list) else [],
        python=str(header.get("python", "")),
        platform=str(header.get("platform", "")),
        pid=pid if type(pid) is int else 0,
        started_unix_ns=started if type(started) is int else 0,
        core=str(header.get("core", "")),
        block_threshold_ns=block_ns if type(block_ns) is int and block_ns > 0 else Program().block_threshold_ns,
    )
