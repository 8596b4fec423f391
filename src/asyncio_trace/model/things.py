"""What a task of a running program may wait on beside other tasks: futures, resources, and jobs of executors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from asyncio_trace.events import records as r
from asyncio_trace.model.meters import Meters
from asyncio_trace.model.tables import Job, Site
from asyncio_trace.model.trees import MOST_ROWS, LeftOut, Node

REMEMBERED = 20_000
"""Tasks that ended, futures, locks and the like that are remembered, the last: a wait may name them."""

Key = TypeVar("Key")
Value = TypeVar("Value")


def remember(known: dict[Key, Value], key: Key, value: Value) -> None:
    """Put into a dictionary that forgets what it has had longest."""
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]


def outcome(number: int) -> str:
    """The name of an outcome; what a later version may add is unknown here."""
    return r.Outcome.NAMES[number] if 0 <= number < len(r.Outcome.NAMES) else "pending"


class Things:
    """Feed it records by `takers`.

    Args:
        string: Gives a text by its number.
        site: Gives a place by its number.
        node: Gives a task that lives by its id.
        thread: Gives name and native id of a thread by its number.
        meters: Where futures and jobs are counted.
    """

    def __init__(
        self,
        string: Callable[[int], str],
        site: Callable[[int], Site | None],
        node: Callable[[int], Node | None],
        thread: Callable[[int], tuple[str, int] | None],
        meters: Meters,
    ) -> None:
        self.jobs: list[Job] = []
        """Jobs that no task handed over, the first of them."""
        self.left_out = LeftOut()
        """The others."""
        self._string = string
        self._site = site
        self._node = node
        self._thread = thread
        self._meters = meters
        self._types: dict[int, str] = {}
        """Class of each future and resource."""
        self._newest = 0
        """The highest id of a future; they grow."""
        self._jobs: dict[int, Job] = {}
        self._job_futures: dict[int, Job] = {}
        self._early: dict[int, r.JobRan] = {}
        self.takers: dict[type, Callable[[Any], None]] = {
            r.FutureCreated: self._future_created,
            r.FutureResolved: self._future_resolved,
            r.JobSubmitted: self._job_submitted,
            r.JobRan: self._job_ran,
            r.ResourceSeen: self._resource_seen,
        }

    def type_of(self, number: int) -> str:
        """Class of a future or resource; empty if it is not known."""
        return self._types.get(number, "")

    def job_of(self, future: int) -> Job | None:
        """The job whose result a future carries."""
        return self._job_futures.get(future)

    def _future_created(self, record: r.FutureCreated) -> None:
        if record.future > self._newest:  # else it is told again where a segment begins
            self._newest = record.future
            self._meters.futures += 1
        remember(self._types, record.future, self._string(record.type))

    def _future_resolved(self, record: r.FutureResolved) -> None:
        # Its class stays: a job may be over, and its future resolved, before the task that hands it over waits for it.
        job = self._job_futures.get(record.future)
        if job is not None and job.ended_ns is None:
            job.ended_ns, job.outcome = record.ns, outcome(record.outcome)

    def _resource_seen(self, record: r.ResourceSeen) -> None:
        remember(self._types, record.resource, self._string(record.type))

    def _job_submitted(self, record: r.JobSubmitted) -> None:
        node = self._node(record.task)
        function, site = self._string(record.function), self._site(record.site)
        job = Job(record.job, record.loop, None, record.future or None, function, site, record.ns)
        self._meters.jobs += 1
        if node is not None:
            job.task = record.task
            node.add_job(job)
        elif len(self.jobs) < MOST_ROWS:
            self.jobs.append(job)
        else:
            self.left_out.add("job", 0)
        if record.future:
            remember(self._job_futures, record.future, job)
        early = self._early.pop(record.job, None)
        if early is not None:
            self._finish(job, early)
        else:
            remember(self._jobs, record.job, job)

    def _job_ran(self, record: r.JobRan) -> None:
        job = self._jobs.pop(record.job, None)
        if job is None:
            remember(self._early, record.job, record)  # a thread may be quicker than the loop's own note of submission
        else:
            self._finish(job, record)

    def _finish(self, job: Job, ran: r.JobRan) -> None:
        job.started_ns, job.ended_ns = max(ran.start_ns, job.submitted_ns), ran.end_ns
        job.thread_name, job.thread = self._thread(ran.thread) or (None, None)
        job.outcome = outcome(ran.outcome)
