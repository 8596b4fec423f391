"""Programs of a test on a virtual clock, traced: sleeping jumps, blocking advances the clock, threads work side by side."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from asyncio_trace.model import Trace, load
from asyncio_trace.recording.writer import RecordingWriter
from asyncio_trace.tracer.session import Session
from tracer.virtual_loop import VirtualLoop

SECOND = 1_000_000_000

Main = Callable[[], Coroutine[Any, Any, Any]]


class Clock:
    """Tells the time of a virtual loop."""

    def __init__(self, tick: int) -> None:
        self.loop: VirtualLoop | None = None
        self.tick = tick
        self.reads = 0

    def __call__(self) -> int:
        """Nanoseconds; each reading takes `tick` of them."""
        self.reads += 1
        return self.reads * self.tick + (0 if self.loop is None else round(self.loop.now * SECOND))


def spend(seconds: float) -> None:
    """Block the loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.now += seconds


def simulated(main: Main, *, core: str = "python", tick: int = 0) -> Trace:
    """The trace of `main()` on a virtual loop."""
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
