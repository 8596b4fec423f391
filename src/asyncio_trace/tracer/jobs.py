"""Work handed to executors: submitted where, run on which thread, from when to when."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from types import BuiltinFunctionType, FrameType
from typing import Any

from asyncio_trace.events.records import JobRan, JobSubmitted, Outcome, WakerKind
from asyncio_trace.tracer.causes import callback_name, current_cause
from asyncio_trace.tracer.futures import Futures
from asyncio_trace.tracer.loop_state import LoopState
from asyncio_trace.tracer.recorder import Recorder


class Job:
    """Stands in for a function in a thread's queue and notes when it runs."""

    __slots__ = ("__wrapped__", "_number", "_recorder")

    def __init__(self, function: Callable[..., Any], recorder: Recorder, number: int) -> None:
        self.__wrapped__ = function
        self._recorder = recorder
        self._number = number

    def __call__(self, *args: Any) -> Any:
        """Run the function on this thread."""
        recorder = self._recorder
        start = recorder.now()
        outcome = Outcome.RAISED
        try:
            result = self.__wrapped__(*args)
            outcome = Outcome.RETURNED
        except BaseException as error:
            traceback = error.__traceback__
            if traceback is not None:
                error.__traceback__ = traceback.tb_next  # this frame leaves no trace of itself
            raise
        finally:
            try:
                if recorder.active:
                    recorder.add(JobRan, self._number, start, recorder.now(), recorder.thread(), outcome)
            except Exception as error:
                recorder.failed(error, lost=1)
        return result


class Jobs:
    """Stands between `run_in_executor` and the executor."""

    def __init__(self, recorder: Recorder, futures: Futures) -> None:
        self._recorder = recorder
        self._futures = futures

    def begins(self, loop: LoopState, executor: Any, function: Any, args: Any, frame: FrameType | None) -> tuple[Any, Any]:
        """What to submit in place of `function`, and what to give `submitted` once it is.

        A process pool would have to pickle our stand-in, and another library's executor may look at what it gets; there the
        function stays as it is, and only submission and outcome are known. A coroutine function stays, so that a loop in debug
        mode can refuse it.
        """
        cause = current_cause(loop, frame)
        number = self._recorder.next_id()
        name = self._recorder.string(_function_name(function, args))
        ours = executor is None or isinstance(executor, ThreadPoolExecutor)
        ours = ours and callable(function) and not inspect.iscoroutinefunction(function)
        stand_in = Job(function, self._recorder, number) if ours else function
        return stand_in, (loop, number, name, cause)

    def submitted(self, token: Any, future: Any) -> None:
        """The executor has taken the job; `future` is asyncio's."""
        loop, number, name, (now, kind, who, site) = token
        awaited = self._futures.by_address.get(id(future), 0)
        self._recorder.add(JobSubmitted, number, now, loop.id, who if kind == WakerKind.TASK else 0, awaited, name, site)


def _function_name(function: Any, args: Any) -> str:
    """`to_thread` submits `Context.run` of the function: look through it."""
    for _ in range(10):
        inner = function.func if type(function).__name__ == "partial" else function
        positional = function.args if inner is not function else args
        if type(inner) is BuiltinFunctionType and type(inner.__self__) is Context and positional:
            function, args = positional[0], positional[1:]
        else:
            break
    return callback_name(function)
