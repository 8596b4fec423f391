"""Pages of traces, recorded or made by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.exporters.html.encode import encode
from asyncio_trace.exporters.html.page import page
from asyncio_trace.model import Awaited, Loop, Program, Run, Site, Task, Trace, Wait, Waker
from viewer.needed import node

JS = Path(__file__).parent / "js"
MS = 1_000_000
APP = Site("writer", "/srv/app.py", 14, "app")
LOCKS = Site("Lock.acquire", "/usr/lib/asyncio/locks.py", 113, "asyncio.locks")


def recorded(scenario: str, folder: Path, *arguments: str) -> Path:
    """The recording of a scenario that comes with asyncio-trace, at a hundredth of its length."""
    recording = folder / f"{scenario}.atrace"
    words = [sys.executable, "-m", "asyncio_trace", "run", "-q", "-o", str(recording), scenario, "--scale", "0.02", *arguments]
    subprocess.run(words, cwd=folder, capture_output=True, timeout=60, check=False)
    return recording


def written(trace: Trace, folder: Path, findings: Sequence[Finding] = (), name: str = "page.html") -> Path:
    """A trace's page."""
    file = folder / name
    file.write_text("".join(page(encode(trace, findings))), encoding="utf-8")
    return file


def read_back(file: Path) -> Any:
    """The tables of a page, as the viewer reads them."""
    done = subprocess.run([node(), str(JS / "dump.js"), str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contended(names: Sequence[str] = ("writer-0", "writer-1"), coroutine: str = "writer") -> Trace:
    """`main`, and tasks of which each holds a lock for 100 ms that the next waits for; the last never gets it.

    Instants are multiples of 100 ms: `main` runs in the first 10 ms, then task n holds the lock from n to n + 1.
    """
    end = (len(names) + 1) * 100 * MS
    loop = Loop(1, "asyncio.unix_events._UnixSelectorEventLoop", 7, "MainThread", 0, None)
    tasks = [Task(1, "Task-1", "main", None, 1, 0, 0, None, "pending", steps=1)]
    runs = [Run(1, None, 1, 0, 10 * MS)]
    waits = [Wait(1, 10 * MS, None, None, "gather", Awaited("_GatheringFuture", 2, "gather"), (APP,), None)]
    for number, name in enumerate(names):
        task, created = 10 + number, (2 + number) * MS
        last = number == len(names) - 1
        tasks.append(Task(task, name, coroutine, 1, 1, created, 11 * MS + number * MS, None, "pending", created_at=APP))
        asleep = 11 * MS + number * MS + MS // 2
        runs.append(Run(task, None, 1, 11 * MS + number * MS, asleep))
        lock = Awaited("Lock", 99, "Lock.acquire")
        if last:
            waits.append(Wait(task, asleep, None, None, "lock", lock, (APP, LOCKS), None))
            continue
        woken = (number + 1) * 100 * MS
        waker = Waker("task", task - 1, woken, APP) if number else Waker("timer", None, woken, None, "call_later")
        waits.append(Wait(task, asleep, woken, woken + 2 * MS, "lock", lock, (APP, LOCKS), waker))
        runs.append(Run(task, None, 1, woken + 2 * MS, woken + 100 * MS))
        tasks[-1].ended_ns, tasks[-1].outcome = woken + 100 * MS, "returned"
    runs.sort(key=lambda run: run.start_ns)
    waits.sort(key=lambda wait: wait.start_ns)
    return Trace(Program(["app.py"], "3.14.2", "linux", 42, [loop], 0, end, "python"), tasks=tasks, runs=runs, waits=waits)


def finding(message: str = "writer-1 waits for a lock that nobody gives back", task: int | None = 11) -> Finding:
    """A finding about the second writer of `contended`."""
    return Finding("deadlock", "error", task, 12 * MS, 290 * MS, APP, message, "give the lock back")
