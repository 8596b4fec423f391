"""A loop on which time jumps instead of passing and threads run one by one, so that a program does the same each time."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MOST_RESCUES = 1000


class JumpingSelector(selectors.DefaultSelector):
    """Never waits: with nothing ready it runs a thread's job, or jumps to the next timer, or cancels what hangs."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, never later than now."""
        loop = self.loop
        loop.look_around()
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if loop.jobs:
            thread = threading.Thread(target=loop.jobs.popleft())
            thread.start()
            thread.join()
            return super().select(0)
        if timeout is not None:
            loop.now += timeout
            return ready
        loop.rescue()
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Keeps every task that it meets, and counts its turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = 0
        self.seen: dict[int, tuple[asyncio.Task[Any], str]] = {}
        """Each task with its coroutine's name."""
        self.jobs: deque[Callable[[], None]] = deque()
        self.executor = InTurn(self)
        self.rank: Callable[[asyncio.Task[Any]], int] = id
        """Orders tasks in a way that is the same each time."""
        self._rescues = 0
        selector = JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """The time to which it has jumped."""
        return self.now

    def look_around(self) -> None:
        """Keep the tasks that are there now; each lives over at least one turn, eager ones apart."""
        self.turns += 1
        for task in asyncio.all_tasks(self):
            self.keep(task, task.get_coro())

    def keep(self, task: asyncio.Task[Any], coro: Any) -> None:
        """Know of a task."""
        self.seen.setdefault(id(task), (task, getattr(coro, "__qualname__", type(coro).__qualname__)))

    def rescue(self) -> None:
        """Nothing will ever happen any more: cancel what is left, as often as it takes."""
        self._rescues += 1
        if self._rescues > MOST_RESCUES:
            raise RuntimeError("the program hangs")
        for task in self.in_order():
            task.cancel()

    def in_order(self) -> list[asyncio.Task[Any]]:
        """The tasks that are not done, in an order that is the same each time."""
        return sorted(asyncio.all_tasks(self), key=self.rank)


class InTurn(ThreadPoolExecutor):
    """Runs each job on a thread of its own, when the loop has nothing else to do."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(1)
        self._loop = loop

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Take a job."""
        future: Future[Any] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)

        self._loop.jobs.append(job)
        return future
