"""Waits while they are open, and what they are called once every name is known."""

from __future__ import annotations

from asyncio_trace.events import records as r
from asyncio_trace.model import kinds, wait_rules
from asyncio_trace.model.places import Places
from asyncio_trace.model.resources import ResourceBook
from asyncio_trace.model.tables import Awaited, Future, Site, Task, Wait, Waker


class OpenWait:
    """A wait whose end is not known yet."""

    __slots__ = ("awaited", "gaps", "made", "members", "stack", "start", "yielded")

    def __init__(self, start: int, awaited: int, stack: int, yielded: bool, made: Future | None, gaps: int) -> None:
        self.start = start
        self.made = made
        """The future that asyncio made for this wait."""
        self.awaited = awaited
        self.members: tuple[tuple[int, int], ...] = ()
        """Ids that it is for, where it is for several: from the first, how many."""
        self.stack = stack
        self.yielded = yielded
        self.gaps = gaps
        """Gaps in the recording before it was last heard of."""


class WaitNames:
    """Says of each wait what it is on. The tables are the builder's own, complete by the time that this is asked."""

    def __init__(
        self,
        places: Places,
        tasks: dict[int, Task],
        futures: dict[int, Future],
        resources: ResourceBook,
        threads: dict[int, tuple[str, int]],
        job_futures: dict[int, int],
        jobs_ran: dict[int, r.JobRan],
    ) -> None:
        self._places = places
        self._tasks = tasks
        self._futures = futures
        self._resources = resources
        self._threads = threads
        self._job_futures = job_futures
        self._jobs_ran = jobs_ran
        self._kinds: dict[int, tuple[str, str] | None] = {}
        self._labels: dict[int, str | None] = {}
        self._rules = wait_rules.installed()

    def wait(self, opened: OpenWait, task: int, ready: int | None, end: int | None, waker: Waker | None) -> Wait:
        """The wait with its names."""
        stack = self._places.stack(opened.stack)
        kind, awaited = self._awaited(opened, stack)
        if waker is not None and waker.task == task:
            waker = self._by_quick_thread(opened.awaited, waker)
        return Wait(task, opened.start, ready, end, kind, awaited, stack, waker)

    def _by_quick_thread(self, future: int, waker: Waker) -> Waker:
        """A job that is over before `run_in_executor` returns resolves its future on the stack of the task that submitted it;
        still it is the thread that did it.
        """
        ran = self._jobs_ran.get(self._job_futures.get(future, 0))
        return waker if ran is None else Waker("thread", None, waker.ns, None, self._threads.get(ran.thread, (None, 0))[0])

    def _awaited(self, opened: OpenWait, stack: tuple[Site, ...]) -> tuple[str, Awaited]:
        if opened.yielded:
            return "yield", Awaited("", None, "yield")
        number = opened.awaited
        task, future = self._tasks.get(number), self._futures.get(number)
        if task is not None:
            type_name = "Task"
        elif future is not None:
            type_name = future.type
        else:
            type_name = self._resources.type_of(number)
        if opened.stack not in self._kinds:
            self._kinds[opened.stack] = kinds.of_stack(stack)
        by_type = kinds.of_type(type_name, is_task=task is not None, is_job=number in self._job_futures)
        by_stack = self._kinds[opened.stack]
        if by_stack is None or (by_type[0] == "gather"):
            kind, label = by_type
        else:
            kind, label = by_stack
        if task is None:
            if opened.stack not in self._labels:
                self._labels[opened.stack] = self._rules.label(stack)
            label = self._labels[opened.stack] or label
        else:
            name = task.name or f"task {task.id}"
            label = f"{label} {name}".strip() if label else name
        return kind, Awaited(type_name, number or None, label)
