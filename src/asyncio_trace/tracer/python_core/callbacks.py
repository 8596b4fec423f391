"""Tells a task's step from any other callback by what asyncio hands to `call_soon`.

C tasks queue a `TaskStepMethWrapper` (first step, bare yield, error) or a builtin `task_wakeup` (the awaited future is
resolved); tasks in Python queue bound methods of the same meaning. `__self__` is the task.
"""

from __future__ import annotations

import asyncio
from types import BuiltinFunctionType, FrameType, MethodType
from typing import Any

from asyncio_trace.tracer.loop_state import LoopState, TaskState
from asyncio_trace.tracer.tasks import Tasks

_PY_TASK: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
_PY_STEP = _PY_TASK._Task__step
PY_STEPS = frozenset((_PY_STEP, _PY_TASK._Task__wakeup))
"""What bound methods that run a task in Python are methods of."""


class StepCallbacks:
    """Knows the types of this interpreter's step callbacks."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self.step_type: type = probe()[0]

    @staticmethod
    def is_python_step(callback: Any) -> bool:
        """Whether it is a step or wake-up of a task in Python."""
        return type(callback) is MethodType and callback.__func__ in PY_STEPS

    def is_step(self, callback: Any) -> bool:
        """Whether it is a step or wake-up of any task."""
        kind = type(callback)
        if kind is MethodType:
            return callback.__func__ in PY_STEPS
        return kind is self.step_type or (kind is BuiltinFunctionType and callback.__name__ == "task_wakeup")

    def found(self, loop: LoopState, task: Any) -> TaskState:
        """Take in a task that was there before the tracer."""
        return self._tasks.found(loop, task)

    def first_seen(self, loop: LoopState, task: Any, callback: Any, frame: FrameType | None) -> TaskState:
        """Take in a task that is not known yet: a new one at its first step, else one that was there before the tracer."""
        kind = type(callback)
        if kind is self.step_type or (kind is MethodType and callback.__func__ is _PY_STEP):
            return self._tasks.created(loop, task, frame)
        return self._tasks.found(loop, task)


def probe() -> tuple[type, Any]:
    """Type of the callback of a C task's first step, and the task that it was learned from, on a loop that only listens."""
    seen: list[type] = []

    class Loop:
        def get_debug(self) -> bool:
            return False

        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> None:
            seen.append(type(callback))

        def call_exception_handler(self, context: Any) -> None:
            """Nothing to tell."""

    async def nothing() -> None:
        """Never runs."""

    coroutine = nothing()
    # a name of its own: an unnamed task would use up a number of the program's
    task: Any = asyncio.Task(coroutine, loop=Loop(), name="asyncio-trace probe")  # type: ignore[arg-type]
    task._log_destroy_pending = False
    coroutine.close()
    return seen[0], task
