"""Traces made by hand for the drawings: a small builder, and the scenes that the golden files show."""

from __future__ import annotations

from asyncio_trace.model import Awaited, Idle, Job, Loop, Program, Run, Site, Task, Trace, Wait, Waker

MS = 1_000_000
US = 1_000
TIMER = Waker("timer", None, 0, None)
IO = Waker("io", None, 0, None)


class Scene:
    """Builds a trace whose totals add up."""

    def __init__(self, *argv: str, duration_ns: int) -> None:
        loop = Loop(1, "_UnixSelectorEventLoop", 1, "MainThread", 0, duration_ns)
        self.trace = Trace(
            Program(list(argv), "3.14.2", "linux", 4242, [loop], 1_790_000_000_000_000_000, duration_ns, "python")
        )

    def task(self, coroutine: str, at: int, parent: Task | None = None, name: str | None = None) -> Task:
        """A task created at `at`."""
        number = len(self.trace.tasks) + 1
        site = Site("main", "/srv/app/main.py", 10 + number)
        parent_id = parent.id if parent else None
        task = Task(number, name or f"Task-{number}", coroutine, parent_id, 1, at, created_at=site)
        self.trace.tasks.append(task)
        return task

    def run(self, task: Task, start: int, end: int) -> None:
        """A step."""
        if task.started_ns is None:
            task.started_ns = start
            task.ready_ns += start - task.created_ns
        task.running_ns += end - start
        task.steps += 1
        self.trace.runs.append(Run(task.id, None, 1, start, end))

    def callback(self, name: str, start: int, end: int) -> None:
        """A run that is no task's."""
        self.trace.runs.append(Run(None, name, 1, start, end))

    def wait(
        self, task: Task, kind: str, start: int, ready: int | None, end: int | None, waker: Waker | None = TIMER,
        type_: str = "Future", id_: int | None = None, label: str | None = None,
    ) -> None:  # fmt: skip
        """A wait with its three instants."""
        task.waiting_ns += (ready if ready is not None else self.trace.program.duration_ns) - start
        task.ready_ns += end - ready if ready is not None and end is not None else 0
        stack = (Site(task.coroutine, "/srv/app/main.py", 20 + task.id),)
        self.trace.waits.append(Wait(task.id, start, ready, end, kind, Awaited(type_, id_, label or kind), stack, waker))

    def end(self, task: Task, at: int, outcome: str = "returned", exception: str | None = None) -> None:
        """The task's last instant."""
        task.ended_ns, task.outcome, task.exception = at, outcome, exception

    def done(self) -> Trace:
        """The trace, its rows ordered by their start."""
        self.trace.runs = sorted(self.trace.runs, key=lambda run: run.start_ns)
        self.trace.waits = sorted(self.trace.waits, key=lambda wait: wait.start_ns)
        return self.trace


def gather() -> Trace:
    """The tutorial's `gather`: ten sleeps of 1 to 5 units, all children of `main`."""
    scene = Scene("/usr/lib/scenarios/gather.py", "--scale", "0.02", duration_ns=104 * MS)
    main = scene.task("main", 1 * MS)
    scene.run(main, 1 * MS + 30 * US, 1 * MS + 400 * US)
    now = 1 * MS + 400 * US
    sleepers = [scene.task("worker", 1 * MS + (100 + 20 * place) * US, main) for place in range(10)]
    for task, units in zip(sleepers, (5, 2, 2, 1, 4, 5, 3, 1, 5, 4), strict=True):
        scene.run(task, now, now + 60 * US)
        due = now + units * 20 * MS
        late = 40 * US * (task.id - 1)
        scene.wait(task, "sleep", now + 60 * US, due, due + late, label="sleep")
        scene.run(task, due + late, due + late + 35 * US)
        scene.end(task, due + late + 35 * US)
        now += 60 * US
    last = max(task.ended_ns or 0 for task in sleepers)
    scene.wait(main, "gather", 1 * MS + 400 * US, last, last + 50 * US, Waker("task", 10, last, None), "_GatheringFuture", 30)
    scene.run(main, last + 50 * US, last + 120 * US)
    scene.end(main, last + 120 * US)
    scene.trace.idle.append(Idle(1, 2 * MS, 20 * MS))
    return scene.done()


def trouble() -> Trace:
    """Everything that can go wrong in one program: a blocked loop, a contended lock, errors, cancellation, a leak, threads."""
    scene = Scene("/srv/app/shop.py", duration_ns=2_000 * MS)
    main = scene.task("main", 0)
    scene.run(main, 0, 3 * MS)
    server = scene.task("Server.serve", 1 * MS, main, "http-server")
    scene.run(server, 3 * MS, 4 * MS)
    scene.wait(server, "socket", 4 * MS, 1_900 * MS, 1_900 * MS, Waker("task", main.id, 1_900 * MS, None), label="sock_accept")
    scene.run(server, 1_900 * MS, 1_901 * MS)
    scene.end(server, 1_901 * MS, "cancelled")
    for place in range(3):
        handler = scene.task("main.<locals>.handle", (100 + 20 * place) * MS, server)
        begin, lock_from = (100 + 20 * place) * MS, (300 + 400 * place) * MS
        scene.run(handler, begin, begin + 2 * MS)
        waker = Waker("task", handler.id - 1, lock_from, None, None) if place else TIMER
        scene.wait(handler, "lock", begin + 2 * MS, lock_from, lock_from + 1 * MS, waker, "Lock", 12, "Lock")
        scene.run(handler, lock_from + 1 * MS, lock_from + (260 if place == 1 else 2) * MS)
        resumed = lock_from + (260 if place == 1 else 2) * MS
        scene.wait(
            handler, "stream.read", resumed, lock_from + 390 * MS, lock_from + 395 * MS, IO, label="StreamReader.readline"
        )
        scene.run(handler, lock_from + 395 * MS, lock_from + 396 * MS)
        scene.end(
            handler,
            lock_from + 396 * MS,
            "raised" if place == 2 else "returned",
            "ConnectionResetError" if place == 2 else None,
        )
    ticker = scene.task("heartbeat", 2 * MS, main, "heartbeat")
    scene.run(ticker, 5 * MS, 6 * MS)
    at = 6 * MS
    while at < 1_800 * MS:
        due = at + 100 * MS
        late = 960 * MS - due if 701 * MS < due < 960 * MS else 0
        scene.wait(ticker, "sleep", at, due, due + late)
        scene.run(ticker, due + late, due + late + 1 * MS)
        at = due + late + 1 * MS
    scene.wait(ticker, "sleep", at, None, None, None)
    report = scene.task("report", 1_000 * MS, main, "nightly \x1b[31m[red]report[/red]")
    scene.run(report, 1_001 * MS, 1_002 * MS)
    scene.wait(
        report,
        "executor",
        1_002 * MS,
        1_600 * MS,
        1_601 * MS,
        Waker("thread", None, 1_600 * MS, None, "asyncio_0"),
        label="render",
    )
    scene.run(report, 1_601 * MS, 1_604 * MS)
    scene.end(report, 1_604 * MS)
    scene.trace.jobs = [
        Job(40, 1, report.id, 41, "render", None, 1_002 * MS, 1_003 * MS, 1_600 * MS, 77, "asyncio_0", "returned"),
        Job(42, 1, report.id, 43, "upload", None, 1_002 * MS, 1_300 * MS, 1_450 * MS, 77, "asyncio_0", "raised"),
    ]
    spinner = scene.task("poll", 1_650 * MS, main)
    for step in range(60):
        start = 1_650 * MS + step * 4 * MS
        scene.run(spinner, start, start + 1 * MS)
        if step < 59:
            scene.wait(
                spinner,
                "yield",
                start + 1 * MS,
                start + 1 * MS,
                start + 4 * MS,
                Waker("task", spinner.id, start, None),
                "",
                None,
                "",
            )
    scene.end(spinner, 1_650 * MS + 59 * 4 * MS + 1 * MS)
    scene.callback("Timeout._on_timeout", 1_960 * MS, 1_961 * MS)
    scene.wait(
        main, "event", 3 * MS, 1_899 * MS, 1_899 * MS, Waker("signal", None, 1_899 * MS, None, "SIGINT"), "Event", 9, "Event"
    )
    scene.run(main, 1_899 * MS, 1_900 * MS)
    scene.wait(main, "gather", 1_900 * MS, None, None, None, "_GatheringFuture", 30)
    return scene.done()


def crowd(workers: int = 1_000) -> Trace:
    """A crawler: `main`, a few supervisors, and many workers, of which some raise and one blocks the loop."""
    scene = Scene("/srv/app/crawl.py", duration_ns=(workers + 600) * MS)
    main = scene.task("main", 0)
    scene.run(main, 0, 2 * MS)
    supervisors = [scene.task("supervise", 1 * MS, main, f"supervisor-{place}") for place in range(3)]
    for place, supervisor in enumerate(supervisors):
        scene.run(supervisor, (2 + place) * MS, (3 + place) * MS)
    for number in range(workers):
        supervisor = supervisors[number % 3]
        begin = (6 + number) * MS
        worker = scene.task("fetch", begin, supervisor)
        scene.run(worker, begin + 100 * US, begin + 300 * US)
        ready = begin + (200 + number * 37 % 300) * MS
        holder = Waker("task", max(5, worker.id - 40), 0, None)
        scene.wait(worker, "semaphore", begin + 300 * US, begin + 40 * MS, begin + 41 * MS, holder, "Semaphore", 3, "Semaphore")
        held = 120 * MS if number == 500 else 100 * US
        scene.run(worker, begin + 41 * MS, begin + 41 * MS + held)
        scene.wait(worker, "stream.read", begin + 41 * MS + held, ready, ready + 1 * MS, IO, label="StreamReader.read")
        scene.run(worker, ready + 1 * MS, ready + 1 * MS + 100 * US)
        failed = number % 211 == 17
        scene.end(worker, ready + 1 * MS + 100 * US, "raised" if failed else "returned", "TimeoutError" if failed else None)
    finish = (workers + 590) * MS
    for place, supervisor in enumerate(supervisors):
        waker = Waker("task", len(scene.trace.tasks), finish, None)
        scene.wait(supervisor, "task", (3 + place) * MS, finish, finish + 1 * MS, waker, "Task", len(scene.trace.tasks))
        scene.run(supervisor, finish + 1 * MS, finish + 2 * MS)
        scene.end(supervisor, finish + 2 * MS)
    scene.wait(main, "gather", 2 * MS, finish + 2 * MS, finish + 3 * MS, Waker("task", 4, finish, None), "_GatheringFuture", 9)
    scene.run(main, finish + 3 * MS, finish + 4 * MS)
    scene.end(main, finish + 4 * MS)
    return scene.done()
