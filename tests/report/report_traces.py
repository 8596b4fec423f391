"""Traces made by hand for reports: a small builder, and paper to draw on."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from asyncio_trace.model import Awaited, Idle, Job, Loop, Program, Run, Site, Task, Trace, Wait

MS = 1_000_000


class Made:
    """A trace of one loop, built task by task."""

    def __init__(self, duration_ns: int = 1_000 * MS) -> None:
        loop = Loop(1, "asyncio.unix_events._UnixSelectorEventLoop", 7, "MainThread", 0, duration_ns)
        self.trace = Trace(Program(["/srv/shop.py"], "3.14.2", "linux", 42, [loop], 0, duration_ns, "python"))

    def task(self, coroutine: str, start: int, end: int | None, *, running: int = 0, waiting: int = 0, steps: int = 1) -> Task:
        """A task; what it neither ran nor waited, it was ready."""
        number = len(self.trace.tasks) + 1
        lived = (self.trace.program.duration_ns if end is None else end) - start
        task = Task(number, f"Task-{number}", coroutine, None, 1, start, start, end, "returned" if end else "pending")
        task.running_ns, task.waiting_ns, task.ready_ns, task.steps = running, waiting, lived - running - waiting, steps
        self.trace.tasks.append(task)
        return task

    def run(self, task: Task | None, start: int, end: int, callback: str | None = None) -> None:
        """A step or a callback."""
        self.trace.runs.append(Run(task.id if task else None, callback, 1, start, end))

    def wait(
        self, task: Task, kind: str, times: tuple[int, int | None, int | None], label: str = "", id_: int | None = None,
        line: int = 20, type_: str = "Future",
    ) -> None:  # fmt: skip
        """A wait with its start, ready and end; asyncio's own frame stands inside the program's."""
        stack = (Site("main", "/srv/shop.py", line), Site("helper", "/usr/lib/asyncio/locks.py", 99, "asyncio.locks"))
        self.trace.waits.append(Wait(task.id, *times, kind, Awaited(type_, id_, label or kind), stack, None))

    def job(self, function: str, submitted: int, started: int | None, ended: int | None, thread: int = 70) -> None:
        """An executor job."""
        outcome = "returned" if ended is not None else "pending"
        number = 1_000 + len(self.trace.jobs)
        at = Site("main", "/srv/shop.py", 30)
        self.trace.jobs.append(
            Job(number, 1, None, None, function, at, submitted, started, ended, thread, f"thread_{thread}", outcome)
        )

    def idle(self, start: int, end: int) -> None:
        """A stretch in the selector."""
        self.trace.idle.append(Idle(1, start, end))


def shop(slowness: int = 1) -> Trace:
    """Three handlers behind a lock, of which the second holds the loop `slowness` times 120 ms."""
    made = Made()
    main = made.task("main", 0, 900 * MS, running=10 * MS, waiting=890 * MS, steps=2)
    made.run(main, 0, 5 * MS)
    for place in range(3):
        start, held = (100 + 200 * place) * MS, (120 * slowness if place == 1 else 2) * MS
        handler = made.task("main.<locals>.handle", start, start + 30 * MS + held, running=held, waiting=20 * MS, steps=2)
        made.wait(handler, "lock", (start, start + 20 * MS, start + 30 * MS), "Lock.acquire", 12, 41)
        made.run(handler, start + 30 * MS, start + 30 * MS + held)
    made.wait(main, "task", (5 * MS, 894 * MS, 895 * MS), "Task-4", 4, 50, "Task")
    made.run(main, 895 * MS, 900 * MS)
    made.run(None, 910 * MS, 911 * MS, "Timeout._on_timeout")
    made.job("render", 200 * MS, 210 * MS, 260 * MS)
    made.idle(500 * MS, 800 * MS)
    made.trace.runs = sorted(made.trace.runs, key=lambda run: run.start_ns)
    return made.trace


def on_paper(draw: Callable[[Console], None], width: int, encoding: str = "utf-8", *, colours: bool = False) -> str:
    """What `draw` prints on a console of that width."""
    paper = io.BytesIO()
    file = io.TextIOWrapper(paper, encoding=encoding, newline="\n")
    draw(
        Console(
            file=file, width=width, height=40, force_terminal=colours, legacy_windows=False, _environ={},
            color_system="standard" if colours else None,
        )
    )  # fmt: skip
    file.flush()
    return paper.getvalue().decode(encoding)
