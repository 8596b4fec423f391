"""Traces code of a test in this process, and says what every trace must keep."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncio_trace.model import Trace, load
from asyncio_trace.recording.writer import RecordingWriter
from asyncio_trace.tracer.core import why_not_native
from asyncio_trace.tracer.session import Session

CORES = ("python",) if why_not_native() else ("python", "native")
"""Cores that every test here runs on."""

Main = Callable[[], Coroutine[Any, Any, Any]]


class Traced:
    """What came of a traced stretch of a test; complete once the `with` is over."""

    trace: Trace
    result: Any = None

    def __init__(self, session: Session, path: Path) -> None:
        self.session = session
        self.path = path


@contextmanager
def traced(core: str, *, every_loop: bool = True, check: bool = True) -> Iterator[Traced]:
    """Trace what runs inside; afterwards the trace is loaded and, unless told otherwise, has passed `check_invariants`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.atrace"
        file = path.open("wb", buffering=0)
        writer = RecordingWriter(file, {"argv": ["test"], "started_unix_ns": time.time_ns()})
        try:
            session = Session(writer, core=core, every_loop=every_loop)
        except BaseException:
            file.close()
            raise
        recording = Traced(session, path)
        try:
            yield recording
        finally:
            failure = session.end()
        recording.trace = load(path)
    if check:
        assert failure is None
        assert session.recorder.lost_events == 0
        assert recording.trace.complete
        check_invariants(recording.trace)


class UserLoop(asyncio.SelectorEventLoop):
    """A loop class of a user's own that changes nothing."""


@dataclass(frozen=True)
class LoopKind:
    """A way of running a main coroutine."""

    name: str
    factory: Callable[[], asyncio.AbstractEventLoop]
    debug: bool = False
    eager: bool = False
    uses_asyncio_loop: bool = True

    def run(self, main: Main) -> Any:
        """Run `main()` to its end on a new loop."""
        with asyncio.Runner(loop_factory=self._make, debug=self.debug or None) as runner:
            return runner.run(main())

    def _make(self) -> asyncio.AbstractEventLoop:
        loop = self.factory()
        if sys.version_info >= (3, 12) and self.eager:
            loop.set_task_factory(asyncio.eager_task_factory)
        return loop


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


ASYNCIO = LoopKind("asyncio", asyncio.SelectorEventLoop)
UVLOOP = LoopKind("uvloop", _uvloop, uses_asyncio_loop=False)
HAS_UVLOOP = importlib.util.find_spec("uvloop") is not None
HAS_EAGER = sys.version_info >= (3, 12)
LOOPS = (
    ASYNCIO,
    LoopKind("debug", asyncio.SelectorEventLoop, debug=True),
    LoopKind("user's subclass", UserLoop),
    LoopKind("eager", asyncio.SelectorEventLoop, eager=True),
    UVLOOP,
)


def check_invariants(trace: Trace) -> None:
    """What the contract promises of every trace."""
    ids = [task.id for task in trace.tasks] + [future.id for future in trace.futures] + [job.id for job in trace.jobs]
    assert len(ids) == len(set(ids)), "ids are not unique"
    _check_runs(trace)
    _check_times(trace)
    runs_of: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for run in trace.runs:
        if run.task is not None:
            runs_of[run.task].append((run.start_ns, run.end_ns))
    wakers = [wait.waker for wait in trace.waits]
    wakers += [future.resolved_by for future in trace.futures]
    wakers += [task.cancelled_by for task in trace.tasks]
    for waker in wakers:
        if waker is not None and waker.kind == "task":
            assert waker.task is not None
            assert any(start <= waker.ns <= end for start, end in runs_of[waker.task]), f"not running then: {waker}"


def _check_runs(trace: Trace) -> None:
    ends: dict[int, int] = {}
    for run in trace.runs:
        assert run.start_ns >= ends.get(run.loop, 0), f"runs overlap at {run}"
        assert run.end_ns >= run.start_ns >= 0
        ends[run.loop] = run.end_ns


def _check_times(trace: Trace) -> None:
    for task in trace.tasks:
        for part in (task.running_ns, task.ready_ns, task.waiting_ns):
            assert part >= 0, f"a negative time in {task}"
        if task.ended_ns is not None:
            assert task.running_ns + task.ready_ns + task.waiting_ns == task.ended_ns - task.created_ns, task
            assert task.outcome != "pending", task
        else:
            assert task.outcome == "pending", task
    for wait in trace.waits:
        if wait.end_ns is not None:
            assert wait.ready_ns is not None, wait
            assert wait.start_ns <= wait.ready_ns <= wait.end_ns, wait
            assert wait.waker is not None, f"nobody woke {wait}"
        elif wait.ready_ns is not None:
            assert wait.start_ns <= wait.ready_ns, wait
    for future in trace.futures:
        if future.resolved_ns is not None:
            assert future.resolved_by is not None, f"nobody resolved {future}"
            assert future.outcome != "pending"
            assert future.resolved_ns >= future.created_ns
        else:
            assert future.outcome == "pending"
