"""The chain of stretches that made a task, or the whole run, take as long as it did.

Walks back from the end: what the task itself ran, then how long it was ready but not running, then what it waited on; and
there it goes on in whoever made that resolve, at that instant. What is not on this path may take longer without anybody
noticing; what is on it delays the end. The walk does not come back to a task that waited: whoever woke it was the later one,
also where it was at work before that wait began. (Program activity graphs: Yang and Miller, "Critical path analysis for the
execution of parallel and distributed programs", ICDCS 1988.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass

from asyncio_trace.analysis.totals import last_instant, own_site
from asyncio_trace.model import Job, Run, Site, Task, Trace, Wait

KINDS = ("running", "ready", "job", "job-queued", "timer", "io", "thread", "callback", "signal", "loop", "waiting", "pending")
"""What a segment may be. `job` is an executor's thread at work, `job-queued` a job that no thread has taken yet; `timer`, `io`,
`thread`, `signal` and `loop` are waits that those ended; `callback` is a wait for a callback, from where who queued it is not
known; `waiting` is one for a task of which nothing earlier is known, `pending` one that nothing has ended.
"""


@dataclass(frozen=True, slots=True)
class InTheWay:
    """What a loop ran while a task was ready."""

    task: int | None
    callback: str | None
    ns: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the path."""

    kind: str
    """One of `KINDS`."""
    task: int | None
    """Who ran, was ready or waited; for a job, who submitted it."""
    start_ns: int
    end_ns: int
    at: Site | None
    """Of a run, the line by which the path leaves it: it awaited, woke or created somebody there; of a task's last run the
    await before it. Of a wait, the program's own line that waited. Of a job, where it was handed over.
    """
    label: str = ""
    """What was waited on, the callback that ran, or the job's function."""
    in_the_way: tuple[InTheWay, ...] = ()
    """What ran while the task was ready, most time first."""

    @property
    def length_ns(self) -> int:
        """How long it took."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The segments from a task's creation to its end, in the order of time, without gap or overlap."""

    task: int
    start_ns: int
    end_ns: int
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class PathTotal:
    """All segments of one kind, of tasks of one coroutine, on one thing at one line."""

    kind: str
    coroutine: str
    """Qualified name; empty for a callback."""
    label: str
    at: Site | None
    count: int
    ns: int


def critical_path(trace: Trace, task: int | None = None) -> CriticalPath | None:
    """The path to the end of a task, or of the run: that of the parentless task that lived longest.

    Returns:
        None if the trace has no such task.
    """
    return Walker(trace).path(task)


def by_place(trace: Trace, path: CriticalPath) -> list[PathTotal]:
    """The path's segments summed up by what they are and where; what took longest comes first."""
    coroutines = {task.id: task.coroutine for task in trace.tasks}
    sums: dict[tuple[str, str, str, Site | None], list[int]] = {}
    for segment in path.segments:
        coroutine = coroutines.get(segment.task, "") if segment.task is not None else ""
        entry = sums.setdefault((segment.kind, coroutine, segment.label, segment.at), [0, 0])
        entry[0] += 1
        entry[1] += segment.length_ns
    return sorted((PathTotal(*key, *entry) for key, entry in sums.items()), key=lambda total: -total.ns)


class Walker:
    """Finds paths in one trace; looks through its tables once."""

    def __init__(self, trace: Trace) -> None:
        self._end = last_instant(trace)
        self._tasks = {task.id: task for task in trace.tasks}
        self._waits: defaultdict[int, list[Wait]] = defaultdict(list)
        for wait in trace.waits:
            self._waits[wait.task].append(wait)
        for waits in self._waits.values():
            waits.sort(key=lambda wait: wait.start_ns)
        self._runs: defaultdict[int, list[Run]] = defaultdict(list)
        """By loop."""
        self._task_runs: defaultdict[int, list[Run]] = defaultdict(list)
        for run in trace.runs:
            self._runs[run.loop].append(run)
            if run.task is not None:
                self._task_runs[run.task].append(run)
        self._jobs = {job.future: job for job in trace.jobs if job.future is not None}
        self._ended_jobs = sorted((job for job in trace.jobs if job.ended_ns is not None), key=lambda job: job.ended_ns or 0)

    def main_task(self) -> int | None:
        """The parentless task that lived longest; None if there is no task."""
        roots = [task for task in self._tasks.values() if task.parent is None]
        return max(roots, key=lambda task: (self._ended(task) - task.created_ns, -task.id)).id if roots else None

    def path(self, task: int | None = None) -> CriticalPath | None:
        """As `critical_path`."""
        task = self.main_task() if task is None else task
        if task not in self._tasks or task is None:
            return None
        target = self._tasks[task]
        end = max(self._ended(target), target.created_ns)
        walk = _Walk(self, target, end)
        walk.go()
        return CriticalPath(task, target.created_ns, end, walk.segments[::-1])

    def _ended(self, task: Task) -> int:
        return self._end if task.ended_ns is None else task.ended_ns

    def task(self, number: int | None) -> Task | None:
        """A task by its id."""
        return None if number is None else self._tasks.get(number)

    def waits(self, task: int) -> list[Wait]:
        """A task's waits, ordered by start."""
        return self._waits.get(task, [])

    def job(self, wait: Wait, ns: int) -> Job | None:
        """The job whose end made a wait resolve at `ns`: the one waited on, else the last one of the thread that woke it."""
        if wait.awaited.id in self._jobs:
            return self._jobs[wait.awaited.id]
        place = bisect_right(self._ended_jobs, ns, key=lambda job: job.ended_ns or 0)
        label = wait.waker.label if wait.waker is not None else None
        for number in range(place - 1, -1, -1):
            job = self._ended_jobs[number]
            if (job.ended_ns or 0) < wait.start_ns:
                break
            if job.thread_name == label:
                return job
        return None

    def own_runs(self, task: int, start: int, end: int) -> list[Run]:
        """A task's runs that overlap a stretch."""
        return _overlapping(self._task_runs.get(task, []), start, end)

    def callback_run(self, loop: int, ns: int) -> Run | None:
        """The callback's run in which an instant lies."""
        runs = self._runs.get(loop, [])
        place = bisect_right(runs, ns, key=lambda run: run.start_ns) - 1
        if place < 0 or runs[place].task is not None or runs[place].end_ns < ns:
            return None
        return runs[place]

    def in_the_way(self, task: Task, start: int, end: int) -> tuple[InTheWay, ...]:
        """What a task's loop ran during a stretch."""
        sums: defaultdict[tuple[int | None, str | None], int] = defaultdict(int)
        for run in _overlapping(self._runs.get(task.loop, []), start, end):
            if run.task != task.id:
                sums[run.task, run.callback] += min(run.end_ns, end) - max(run.start_ns, start)
        return tuple(InTheWay(*who, ns) for who, ns in sorted(sums.items(), key=lambda item: -item[1]) if ns > 0)


def _overlapping(runs: list[Run], start: int, end: int) -> list[Run]:
    """Runs of one loop, which do not overlap each other, that overlap a stretch."""
    first = max(0, bisect_right(runs, start, key=lambda run: run.start_ns) - 1)
    last = bisect_left(runs, end, key=lambda run: run.start_ns)
    return [run for run in runs[first:last] if run.end_ns > start]


class _Walk:
    """One walk back, from `end` to the target's creation."""

    def __init__(self, walker: Walker, target: Task, end: int) -> None:
        self.segments: list[Segment] = []
        """The last one first."""
        self._walker = walker
        self._target = target
        self._floor = target.created_ns
        self._t = end
        self._task = target
        self._left: list[Task] = []
        """Tasks that the walk left for who woke them, which it may have to come back to."""
        self._next: dict[int, int] = {}
        """By task, the place of the earliest wait that was used: earlier ones are left. So equal instants make no circle."""
        self._at: Site | None = None
        """The line by which the path leaves the run that it enters now."""

    def go(self) -> None:
        """Take steps until the target's creation is reached."""
        self._place(self._task)
        while self._t > self._floor:
            self._step()

    def _place(self, task: Task) -> None:
        """Stand in the run of `task` at the cursor; where two of its runs touch that instant, in the earlier one."""
        waits = self._walker.waits(task.id)
        place = bisect_left(waits, self._t, key=lambda wait: wait.start_ns)
        self._next[task.id] = min(place, self._next.get(task.id, len(waits)))
        self._task = task

    def _step(self) -> None:
        """From within a run, or from the task's end, to before the wait ahead of it."""
        task, waits = self._task, self._walker.waits(self._task.id)
        place = self._next[task.id] = self._next[task.id] - 1
        if place < 0:
            self._to_creation(task)
            return
        wait = waits[place]
        over = self._t if wait.end_ns is None else wait.end_ns
        site = own_site(wait.stack)
        self._ran(task, over, self._at or site)
        self._at = None
        ready = over if wait.ready_ns is None else wait.ready_ns
        self._ready(task, ready, site)
        self._before(task, wait, site)

    def _to_creation(self, task: Task) -> None:
        started = task.created_ns if task.started_ns is None else task.started_ns
        self._ran(task, started, self._at)
        self._ready(task, task.created_ns, task.created_at)
        self._at = task.created_at
        parent = self._walker.task(task.parent)
        if parent is not None and self._next.get(parent.id, 1) >= 0:
            self._place(parent)
        else:
            self._come_back()

    def _before(self, task: Task, wait: Wait, site: Site | None) -> None:
        """What ended the wait, and where the walk goes on."""
        waker = wait.waker
        if waker is None:
            self._at = site
            self._cover("pending" if wait.ready_ns is None else "waiting", task, wait.start_ns, site, wait.awaited.label)
            return
        if waker.kind == "task" and waker.task != task.id:
            other = self._walker.task(waker.task)
            if other is not None and self._next.get(other.id, 1) >= 0:
                self._ready(task, waker.ns, site)
                self._left.append(task)
                self._at = waker.at
                self._place(other)
                return
        job = self._walker.job(wait, waker.ns) if waker.kind == "thread" else None
        if job is not None:
            self._job(task, job)
            return
        if waker.kind == "callback":
            run = self._walker.callback_run(task.loop, waker.ns)
            if run is not None:
                self._cover("running", None, max(run.start_ns, wait.start_ns), waker.at, run.callback or "")
        kind = "waiting" if waker.kind == "task" else waker.kind
        self._cover(kind, task, wait.start_ns, site, wait.awaited.label)
        self._at = site

    def _job(self, task: Task, job: Job) -> None:
        submitter = self._walker.task(job.task)
        if job.started_ns is not None:
            self._cover("job", submitter, job.started_ns, job.at, job.function)
            self._cover("job-queued", submitter, job.submitted_ns, job.at, job.function)
        else:
            self._cover("job", submitter, job.submitted_ns, job.at, job.function)
        if submitter is None or self._next.get(submitter.id, 1) < 0:
            self._left.append(task)
            self._come_back()
            return
        if submitter is not task:
            self._left.append(task)
        self._at = job.at
        self._place(submitter)

    def _come_back(self) -> None:
        """Nothing earlier is known of the task: go on in the one that the walk left last, and in the target at the latest."""
        while self._left:
            if self._come_back_to(self._left.pop()):
                return
        if not self._come_back_to(self._target):
            self._cover("waiting", self._target, self._floor, None)

    def _come_back_to(self, task: Task) -> bool:
        """Stand in `task`, before the wait that it was in, if it was in one; False if all of its life has been walked."""
        waits = self._walker.waits(task.id)
        self._place(task)
        place = self._next[task.id] - 1
        if place < -1:
            return False
        if place >= 0:
            wait = waits[place]
            if wait.ready_ns is None or wait.ready_ns >= self._t:
                self._next[task.id], self._at = place, own_site(wait.stack)
                kind = "waiting" if wait.waker is None or wait.waker.kind == "task" else wait.waker.kind
                self._cover(kind, task, wait.start_ns, self._at, wait.awaited.label)
        return True

    def _ran(self, task: Task, start: int, at: Site | None) -> None:
        """Its runs since `start`; what lies between them is an eager child's, and it was ready meanwhile."""
        for run in reversed(self._walker.own_runs(task.id, max(start, self._floor), self._t)):
            self._ready(task, run.end_ns, at)
            self._cover("running", task, max(run.start_ns, start), at)
        self._ready(task, start, at)

    def _ready(self, task: Task, start: int, at: Site | None) -> None:
        start = max(start, self._floor)
        if start < self._t:
            self._add(Segment("ready", task.id, start, self._t, at, "", self._walker.in_the_way(task, start, self._t)))

    def _cover(self, kind: str, task: Task | None, start: int, at: Site | None, label: str = "") -> None:
        """Everything from `start` to the cursor."""
        start = max(start, self._floor)
        if start < self._t:
            self._add(Segment(kind, task.id if task is not None else None, start, self._t, at, label))

    def _add(self, segment: Segment) -> None:
        self.segments.append(segment)
        self._t = segment.start_ns
