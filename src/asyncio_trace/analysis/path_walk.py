"""The walk back along the critical path; `asyncio_trace.analysis.critical_path` says what that is."""

from __future__ import annotations

from dataclasses import dataclass

from asyncio_trace.analysis.callback_origins import Queued
from asyncio_trace.analysis.path_tables import NOBODY, PathTables
from asyncio_trace.errors import UsageError
from asyncio_trace.model import Site
from asyncio_trace.model.codes import NEVER

KINDS = ("running", "ready", "job", "job-queued", "timer", "io", "thread", "callback", "signal", "loop", "waiting", "pending")
"""What a segment may be. `job` is an executor's thread at work, `job-queued` a job that no thread has taken yet; `timer`, `io`,
`thread`, `signal` and `loop` are waits that those ended; `callback` is a wait for a callback of which nobody knows who queued
it; `waiting` is one for a task of which nothing earlier is known, `pending` one that nothing has ended.
"""


MOST_SEGMENTS = 1_000_000
"""A longer path says nothing to anybody, and takes more memory than most have."""
_OUTSIDE = frozenset({"timer", "io", "thread", "signal", "loop"})


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


class Walk:
    """One walk back, from the end of the task in row `target` to its creation. Tasks and waits go by their rows."""

    def __init__(self, tables: PathTables, target: int) -> None:
        self.segments: list[Segment] = []
        """The last one first."""
        self.floor = tables.created(target)
        self.end = max(tables.ended(target), self.floor)
        self._tables = tables
        self._target = target
        self._t = self.end
        self._task = target
        self._left: list[int] = []
        """Tasks that the walk left for who woke them, which it may have to come back to."""
        self._next: dict[int, int] = {}
        """By task, how many of its waits are still ahead of the walk; -1 if its creation is behind it too. As it only goes
        down, equal instants make no circle.
        """
        self._at: Site | None = None
        """The line by which the path leaves the run that it enters now."""

    def go(self) -> None:
        """Take steps until the target's creation is reached.

        Raises:
            UsageError: The path is too long.
        """
        self._place(self._task)
        while self._t > self.floor:
            self._step()
            if len(self.segments) > MOST_SEGMENTS:
                raise UsageError(
                    f"the critical path of task {self._tables.id(self._target)} has more than {MOST_SEGMENTS:,} stretches;"
                    " ask for that of a task that lived for less long, or trace less"
                )

    def _place(self, task: int) -> None:
        """Stand in the run of `task` at the cursor; where two of its runs touch that instant, in the earlier one."""
        place = self._tables.waits_before(task, self._t)
        self._next[task] = min(place, self._next.get(task, place))
        self._task = task

    def _is_left(self, task: int) -> bool:
        """Whether something of a task's life is still ahead of the walk."""
        return task != NOBODY and self._next.get(task, 0) >= 0

    def _step(self) -> None:
        """From within a run, or from the task's end, to before the wait ahead of it."""
        task = self._task
        place = self._next[task] = self._next[task] - 1
        if place < 0:
            self._to_creation(task)
            return
        wait = self._tables.wait(task, place)
        site = self._tables.own_site(wait)
        ended, resolved = self._tables.end(wait), self._tables.ready(wait)
        over = self._t if ended == NEVER else ended
        self._ran(task, over, self._at or site)
        self._at = None
        self._ready(task, over if resolved == NEVER else resolved, site)
        self._before(task, wait, site)

    def _to_creation(self, task: int) -> None:
        tables = self._tables
        self._ran(task, tables.started(task), self._at)
        self._at = tables.created_at(task)
        self._ready(task, tables.created(task), self._at)
        parent = tables.parent(task)
        if self._is_left(parent):
            self._place(parent)
        else:
            self._come_back()

    def _before(self, task: int, wait: int, site: Site | None) -> None:
        """What ended the wait, and where the walk goes on."""
        tables = self._tables
        kind, start = tables.waker_kind(wait), tables.start(wait)
        if kind == "task" and (other := tables.waker_task(wait)) != task and self._is_left(other):
            self._ready(task, tables.waker_ns(wait), site)
            self._left.append(task)
            self._at = tables.waker_at(wait)
            self._place(other)
            return
        job = tables.job(wait) if kind == "thread" else None
        if job is not None:
            self._job(task, job)
            return
        if kind == "callback":
            chain = tables.callbacks(tables.loop(task), tables.waker_ns(wait))
            if self._through(task, chain, tables.waker_at(wait)):
                return
            kind = chain[-1].kind if chain and chain[-1].kind in _OUTSIDE else kind
        elif kind == "none":
            kind = "pending" if tables.ready(wait) == NEVER else "waiting"
        self._cover("waiting" if kind == "task" else kind, task, start, site, tables.label(wait))
        self._at = site

    def _through(self, task: int, chain: list[Queued], at: Site | None) -> bool:
        """Go through the callbacks that ended a wait; whether it then goes on in the task that queued the first."""
        for queued in chain:
            self._cover("running", NOBODY, queued.start_ns, at, queued.name)
            self._in_line(NOBODY, self._tables.loop(task), queued.ready_ns, at, queued.name)
            at = queued.at
        if not chain or chain[-1].kind != "task" or not self._is_left(chain[-1].task_row):
            return False
        self._left.append(task)
        self._at = at
        self._place(chain[-1].task_row)
        return True

    def _job(self, task: int, job: int) -> None:
        submitter, submitted, started, at, function = self._tables.job_facts(job)
        if started != NEVER:
            self._cover("job", submitter, started, at, function)
            self._cover("job-queued", submitter, submitted, at, function)
        else:
            self._cover("job", submitter, submitted, at, function)
        if submitter != task:
            self._left.append(task)
        if self._is_left(submitter):
            self._at = at
            self._place(submitter)
        else:
            self._come_back()

    def _come_back(self) -> None:
        """Nothing earlier is known of the task: go on in the one that the walk left last, and in the target at the latest."""
        while self._left:
            if self._come_back_to(self._left.pop()):
                return
        if not self._come_back_to(self._target):
            self._cover("waiting", self._target, self.floor, None)

    def _come_back_to(self, task: int) -> bool:
        """Stand in `task`, before the wait that it was in, if it was in one; False if all of its life has been walked."""
        if not self._is_left(task):
            return False
        self._place(task)
        place = self._next[task] - 1
        if place >= 0:
            tables = self._tables
            wait = tables.wait(task, place)
            ready = tables.ready(wait)
            if ready == NEVER or ready >= self._t:
                self._next[task], self._at = place, tables.own_site(wait)
                kind = tables.waker_kind(wait)
                kind = "waiting" if kind in ("none", "task") else kind
                self._cover(kind, task, tables.start(wait), self._at, tables.label(wait))
        return True

    def _ran(self, task: int, start: int, at: Site | None) -> None:
        """Its runs since `start`; what lies between them is an eager child's, and it was ready meanwhile."""
        for begin, end in self._tables.own_runs(task, max(start, self.floor), self._t):
            self._ready(task, end, at)
            self._cover("running", task, max(begin, start), at)
        self._ready(task, start, at)

    def _ready(self, task: int, start: int, at: Site | None) -> None:
        self._in_line(task, self._tables.loop(task), start, at)

    def _in_line(self, task: int, loop: int, start: int, at: Site | None, callback: str = "") -> None:
        """A task or callback was queued since `start`."""
        start = max(start, self.floor)
        if start < self._t:
            held = self._tables.in_the_way(task, loop, start, self._t)
            in_the_way = tuple(InTheWay(who, name, ns) for (who, name), ns in held)
            number = self._tables.id(task) if task != NOBODY else None
            self._add(Segment("ready", number, start, self._t, at, callback, in_the_way))

    def _cover(self, kind: str, task: int, start: int, at: Site | None, label: str = "") -> None:
        """Everything from `start` to the cursor."""
        start = max(start, self.floor)
        if start < self._t:
            self._add(Segment(kind, self._tables.id(task) if task != NOBODY else None, start, self._t, at, label))

    def _add(self, segment: Segment) -> None:
        self.segments.append(segment)
        self._t = segment.start_ns
