"""What has happened is written soon, also if the program does not come back to its loop, or its loop has nothing to do."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncio_trace.tracer.session import Session, record_to
from durable.test_durable_killed import last_event_ns
from tracer.tracing import CORES, HAS_UVLOOP, LOOPS, LoopKind

SOON = 1.0
"""Seconds."""
KINDS = [kind for kind in LOOPS if kind.name in ("asyncio", "uvloop")]


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """Name of a core."""
    return str(request.param)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def loop_kind(request: pytest.FixtureRequest) -> LoopKind:
    """A loop of asyncio's, and one that is not."""
    kind: LoopKind = request.param
    if kind.name == "uvloop" and not HAS_UVLOOP:
        pytest.skip("uvloop is not installed")
    return kind


def is_written_soon(path: Path, instant: int) -> bool:
    """Wait until the recording tells of `instant` or later; False if that takes too long."""
    deadline = time.monotonic() + SOON
    while last_event_ns(path) < instant:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


async def steps(number: int) -> None:
    """Some steps."""
    for _ in range(number):
        await asyncio.sleep(0)


def fork() -> None:
    """A child that does nothing."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def run(path: Path, core: str, loop_kind: LoopKind, before: Callable[[], None], *, idle: bool) -> list[bool]:
    """Trace a loop that does something, and then blocks or idles until that is written; a few times, since a write may have
    come just then. Whether it was written soon.
    """
    session: Session = record_to(str(path), core=core)

    async def main() -> list[bool]:
        found = []
        for _ in range(3):
            await steps(20)
            before()
            await steps(20)
            written = time.monotonic_ns() - session.recorder.origin
            await steps(2)
            if idle:
                found.append(await asyncio.get_running_loop().run_in_executor(None, is_written_soon, path, written))
            else:
                found.append(is_written_soon(path, written))
        return found

    try:
        found: list[bool] = loop_kind.run(main)
    finally:
        assert session.end() is None
    return found


@pytest.mark.parametrize("idle", [False, True], ids=["blocked", "idle"])
def test_what_happened_before_is_written_meanwhile(core: str, loop_kind: LoopKind, idle: bool, tmp_path: Path) -> None:
    """While a step blocks the loop, or the loop waits for a thread, what happened before comes to the file."""
    assert run(tmp_path / "r.atrace", core, loop_kind, lambda: None, idle=idle) == [True] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("idle", [False, True], ids=["blocked", "idle"])
def test_so_it_is_after_a_fork(core: str, loop_kind: LoopKind, idle: bool, tmp_path: Path) -> None:
    """Whoever writes was stopped for the fork, and is at work again with the next event."""
    assert run(tmp_path / "r.atrace", core, loop_kind, fork, idle=idle) == [True] * 3
