"""Programs of a test on a virtual clock, traced: sleeping jumps, blocking advances the clock, threads work side by side."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from asyncio_trace.model import Trace, load
from asyncio_trace.recording.writer import RecordingWriter
from asyncio_trace.tracer.session import Session
from tracer.virtual_loop import VirtualLoop

SECOND = 1_000_000_000

Main = Callable[[], Coroutine[Any, Any, Any]]


class Clock:
    """Tells the time of a virtual loop, which goes on by `tick` nanoseconds with each reading."""

    def __init__(self, tick: int) -> None:
        self.loop: VirtualLoop | None = None
        self.tick = tick

    def __call__(self) -> int:
        """Nanoseconds."""
        if self.loop is None:
            return 0
        self.loop.now += self.tick / SECOND
        return round(self.loop.now * SECOND)


def spend(seconds: float) -> None:
    """Block the loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.now += seconds


def simulated(*mains: Main, core: str = "python", tick: int = 0) -> Trace:
    """The trace of one or more main coroutines on a virtual loop; each may end cancelled."""
    clock = Clock(tick)

    def make() -> VirtualLoop:
        clock.loop = VirtualLoop()
        return clock.loop

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.atrace"
        file = path.open("wb", buffering=0)
        session = Session(RecordingWriter(file, {"argv": ["test"]}), core=core, clock=clock)
        try:
            with asyncio.Runner(loop_factory=make) as runner:
                for main in mains:
                    with suppress(asyncio.CancelledError):
                        runner.run(main())
        finally:
            assert session.end() is None
        return load(path)


def took(main: Main) -> float:
    """How many seconds `main()` takes on a virtual loop, untraced."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return loop.now
