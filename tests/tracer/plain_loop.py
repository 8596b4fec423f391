"""A loop that a user wrote from nothing: it derives from the abstract class alone and shares no code with asyncio's loops."""

from __future__ import annotations

import asyncio
import heapq
import time
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any


class PlainLoop(asyncio.AbstractEventLoop):
    """Callbacks and timers, and nothing else."""

    def __init__(self) -> None:
        self._queue: deque[asyncio.Handle] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._running = False
        self._stopping = False
        self._closed = False
        self._factory: Any = None
        self.complaints: list[dict[str, Any]] = []

    def run_forever(self) -> None:
        """Run until stopped."""
        self._running, self._stopping = True, False
        events._set_running_loop(self)
        try:
            while not self._stopping:
                self._turn()
        finally:
            events._set_running_loop(None)
            self._running = False

    def _turn(self) -> None:
        if not self._queue and self._timers:
            time.sleep(max(0, self._timers[0].when() - self.time()))
        while self._timers and self._timers[0].when() <= self.time():
            self._queue.append(heapq.heappop(self._timers))
        for _ in range(len(self._queue)):
            handle = self._queue.popleft()
            if not handle.cancelled():
                handle._run()

    def run_until_complete(self, future: Any) -> Any:
        """Run until it is done."""
        future = asyncio.ensure_future(future, loop=self)
        future.add_done_callback(lambda _: self.stop())
        self.run_forever()
        return future.result()

    def stop(self) -> None:
        """Stop after this turn."""
        self._stopping = True

    def is_running(self) -> bool:
        """Whether it runs."""
        return self._running

    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self._closed

    def close(self) -> None:
        """Close it."""
        self._closed = True

    def time(self) -> float:
        """Now."""
        return time.monotonic()

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Queue a callback."""
        handle = asyncio.Handle(callback, args, self, context)
        self._queue.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """Queue a callback for later."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """Queue a callback for a time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:  # type: ignore[override]
        """Make a task."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_task_factory(self) -> Any:
        """None."""
        return self._factory

    def get_debug(self) -> bool:
        """False."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep the complaint."""
        self.complaints.append(context)

    async def shutdown_asyncgens(self) -> None:
        """Nothing to do."""

    async def shutdown_default_executor(self) -> None:
        """Nothing to do."""
