"""Runs a generated program on a virtual clock, traced, and says what the rules find in it."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from threading import get_ident
from typing import Any

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.rules import find_all
from asyncio_trace.model import load
from asyncio_trace.recording.writer import RecordingWriter
from asyncio_trace.tracer import watchdog
from asyncio_trace.tracer.loop_state import ATTRIBUTE
from asyncio_trace.tracer.session import Session
from findings.planted import Program
from tracer.virtual_loop import VirtualLoop


class Clock:
    """Tells the time of a virtual loop."""

    loop: VirtualLoop | None = None
    session: Session | None = None

    def __call__(self) -> int:
        """Nanoseconds."""
        return 0 if self.loop is None else round(self.loop.now * 1_000_000_000)

    def work(self, seconds: float) -> None:
        """Let time go on inside a step. What the watchdog's thread would see while it does, this has recorded."""
        assert self.loop is not None
        assert self.session is not None
        recorder, since = self.session.recorder, self()
        period = watchdog.period_ns(watchdog.DEFAULT_THRESHOLD_NS) / 1e9
        while seconds > period:
            self.loop.now += period
            seconds -= period
            if self() - since > period * 1e9:
                frames = watchdog._frames(get_ident())[2:]  # less this one and the one that looks
                loop = getattr(self.loop, ATTRIBUTE)
                watchdog.Samples(recorder).blocked(loop, frames, (loop.current.id if loop.current else 0, since, 0))
        self.loop.now += seconds


def findings_of(program: Program, core: str) -> list[Finding]:
    """Run a program and look for what is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.py"
        path.write_text(program.source)
        clock = Clock()
        names: dict[str, Any] = {"__name__": "planted", "work": clock.work}
        exec(compile(program.source, str(path), "exec"), names)
        recording = Path(folder) / "planted.atrace"
        session = clock.session = Session(
            RecordingWriter(recording.open("wb", buffering=0), {"argv": ["planted"]}), core=core, clock=clock
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _run(program, names["main"], clock)
                names.clear()
        finally:
            failure = session.end()
        assert failure is None
        trace = load(recording)
        assert trace.complete
        return find_all(trace)


def _run(program: Program, main: Any, clock: Clock) -> None:
    """Run to the end, without the words that asyncio has for what is lost."""
    logger = logging.getLogger("asyncio")
    disabled, logger.disabled = logger.disabled, True
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    loop = clock.loop = VirtualLoop()
    try:
        if program.closes_early:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(main())
            loop.close()
            asyncio.set_event_loop(None)
        else:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(main())
        loop.seen.clear()  # it keeps every task; now they go
        gc.collect()
    finally:
        logger.disabled, sys.unraisablehook = disabled, hook
