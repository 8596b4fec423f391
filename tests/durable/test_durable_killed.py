"""`kill -9` at any moment costs a second of the trace at most.

The figures for many kills: `ASYNCIO_TRACE_KILLS=200 python -m pytest -s tests/durable/test_durable_killed.py`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from asyncio_trace.events import records as r
from asyncio_trace.model import load
from asyncio_trace.recording.format import Segment
from asyncio_trace.recording.reader import RecordingReader
from cli.command import asyncio_trace, environment
from durable import victim
from tracer.tracing import CORES

KILLS = int(os.environ.get("ASYNCIO_TRACE_KILLS", "10"))
AT_ONCE = 5
"""Victims that live at a time; they mostly sleep."""
SECOND = 1_000_000_000


class Death(NamedTuple):
    """What was left of a program."""

    recording: Path
    lag_ns: int
    """Age, at the moment of death, of the oldest event that was lost; 0 if none was."""
    lived_ns: int


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """Name of a core."""
    return str(request.param)


def last_event_ns(path: Path) -> int:
    """The latest instant that a recording tells of."""
    last = 0
    with RecordingReader(path) as reader:
        for record in reader.records():
            if isinstance(record, (r.Step, r.YieldedStep, r.CallbackRun, r.Idle)):
                last = max(last, record.end_ns)
            elif not isinstance(record, Segment):
                last = max(last, getattr(record, "ns", 0))
    return last


def kill_one(folder: Path, core: str, seed: int) -> Death:
    """Start a program, kill it at a random moment after its first step, and look at what it left."""
    recording, claims_path = folder / f"{seed}.atrace", folder / f"{seed}.claims"
    claims_path.write_bytes(bytes(victim.FILE_BYTES))
    words = [sys.executable, str(Path(victim.__file__)), str(recording), core, str(seed), str(claims_path)]
    process = subprocess.Popen(words, env=environment(), cwd=folder)
    with claims_path.open("rb", buffering=0) as file:
        while not any(os.pread(file.fileno(), victim.CLAIM.size, 8)):
            assert process.poll() is None
            time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0, 2.5))
    died = time.monotonic_ns()
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    origin, claims = victim.read_claims(claims_path)
    last = origin + last_event_ns(recording)
    lost = [died - made for made, begun in claims if begun > last]
    claims_path.unlink()
    return Death(recording, max(lost, default=0), died - claims[0][0])


def test_a_killed_program_has_all_but_its_last_second(core: str, tmp_path: Path) -> None:
    """Killed while it is busy, blocked or idle, a program leaves a recording that loads, is said to be incomplete, and lacks
    nothing that happened more than a second before."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        deaths = list(pool.map(lambda seed: kill_one(tmp_path, core, seed), range(-(-KILLS // len(CORES)))))
    say(core, deaths)
    shown = asyncio_trace("show", deaths[0].recording.name, cwd=tmp_path)
    assert (shown.status, shown.stderr) == (0, "")
    assert "incomplete trace" in shown.stdout
    for death in deaths:
        trace = load(death.recording)
        assert not trace.complete
        assert trace.tasks or death.lived_ns < SECOND
        assert death.lag_ns < SECOND, death


def say(core: str, deaths: list[Death]) -> None:
    """The figures."""
    lags = sorted(death.lag_ns / 1e6 for death in deaths)
    lives = sorted(death.lived_ns / 1e9 for death in deaths)
    print(
        f"{core}: {len(deaths)} killed after {lives[0]:.2f} to {lives[-1]:.2f} s; oldest event lost: median "
        f"{lags[len(lags) // 2]:.0f} ms, 90 % below {lags[len(lags) * 9 // 10]:.0f} ms, most {lags[-1]:.0f} ms"
    )
