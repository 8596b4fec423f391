"""asyncio's own parts that the extension must know by sight; looked up once in a process, before anything is changed."""

from __future__ import annotations

import asyncio
import heapq
import sys
from asyncio import BaseEventLoop, events, futures, tasks
from collections import deque
from contextvars import Context
from typing import Any
from weakref import WeakSet

from asyncio_trace.tracer import await_stack, crowds
from asyncio_trace.tracer.native_core import _native
from asyncio_trace.tracer.python_core.callbacks import PY_STEPS, StepCallbacks, probe
from asyncio_trace.tracer.tasks import YIELDED

__all__ = ["StepCallbacks", "set_up"]

_done = False


def set_up() -> None:
    """Give the extension what it needs of this interpreter's asyncio.

    Raises:
        ImportError: This asyncio is not as the extension expects it (tasks in Python, handles without slots).
    """
    global _done
    if _done:
        return
    future_type, task_type = asyncio.Future, asyncio.Task
    if future_type.__module__ != "_asyncio" or task_type.__module__ != "_asyncio":
        raise ImportError("the native core needs asyncio's tasks and futures in C")
    plain_run: Any = events.Handle._run
    inner: Any = BaseEventLoop
    reader: Any = asyncio.StreamReader
    semaphore: Any = asyncio.Semaphore
    weak_set: Any = WeakSet()
    step_type, probed = probe()
    _native.set_up(
        {
            "future_type": future_type,
            "task_type": task_type,
            "step_type": step_type,
            "probed_task": probed,
            "python_steps": tuple(PY_STEPS),
            "iterator_type": await_stack.future_iterator(),
            "handle": events.Handle,
            "timer_handle": events.TimerHandle,
            "sleep_over": futures._set_result_unless_cancelled,  # type: ignore[attr-defined]
            "call_soon_inner": inner._call_soon,
            "plain_handle_run": plain_run,
            "run_code": plain_run.__code__,
            "run_globals": plain_run.__globals__,
            "run_place": _place_of_call(plain_run),
            "heappush": heapq.heappush,
            "tasks_module": tasks,
            "loop_time": BaseEventLoop.time,
            "weak_set_remove": weak_set._remove.__code__,
            "yielded": YIELDED,
            "modules": sys.modules,
            "makers": tuple(function.__code__ for function in await_stack.MAKERS),
            "wakes_reader": reader._wakeup_waiter.__code__,
            "get_running_loop": asyncio._get_running_loop,
            "wakes_next": semaphore._wake_up_next.__code__,
            "puts": asyncio.Queue.put_nowait.__code__,
            "gets": asyncio.Queue.get_nowait.__code__,
            "deque_type": deque,
            "gathering_type": crowds.GATHERING,
            "crowd_codes": crowds.CODES,
            "event_type": asyncio.Event,
            "reader_protocol": asyncio.StreamReaderProtocol,
            "plain_process_events": asyncio.selector_events.BaseSelectorEventLoop._process_events,  # type: ignore[attr-defined]
            "originals": {
                "untraced_call_soon": BaseEventLoop.call_soon,
                "call_at": BaseEventLoop.call_at,
                "create_future": BaseEventLoop.create_future,
                "create_task": BaseEventLoop.create_task,
                "get_debug": BaseEventLoop.get_debug,
                "is_running": BaseEventLoop.is_running,
            },
        }
    )
    _done = True


def _place_of_call(run: Any) -> tuple[int, int]:
    """Line and instruction of `Handle._run` at which it calls the callback, learned from a callback that fails."""
    seen: list[BaseException] = []

    class Loop:
        def get_debug(self) -> bool:
            return False

        def call_exception_handler(self, context: Any) -> None:
            seen.append(context["exception"])

    handle: Any = events.Handle(_fail, (), Loop(), Context())  # type: ignore[arg-type]
    run(handle)
    traceback = seen[0].__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is run.__code__:
            return traceback.tb_lineno, traceback.tb_lasti
        traceback = traceback.tb_next
    return int(run.__code__.co_firstlineno), -1


def _fail() -> None:
    raise ValueError
