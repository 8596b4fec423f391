"""Who cancels a task that does not wait: nothing of that passes the loop.

`Task.cancel` then only marks the task, and puts its message into the task, in place of the message that was there before. So
the Python core puts an object there that is removed by that, inside the call, and tells. The native core has `Task.cancel`
itself tell (cancels.c).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from asyncio_trace.tracer.loop_state import TaskState


class TripWire:
    """Stands where a task without a message has none."""

    __slots__ = ("_state", "_tripped")

    def __init__(self, state: TaskState, tripped: Callable[[TaskState, FrameType], None]) -> None:
        self._state: TaskState | None = state
        self._tripped = tripped

    def __del__(self) -> None:
        if self._state is not None:
            self._tripped(self._state, sys._getframe(1))

    def cut(self) -> None:
        """Tell nobody any more."""
        self._state = None


def stretch(task: Any, state: TaskState, tripped: Callable[[TaskState, FrameType], None]) -> None:
    """Put a wire into a task, unless a message is there: that stays."""
    if getattr(task, "_cancel_message", task) is None:
        task._cancel_message = TripWire(state, tripped)
        state.wire = True


def take_out(task: Any) -> None:
    """Take a task's wire out, if it has one."""
    wire = getattr(task, "_cancel_message", None)
    if type(wire) is TripWire:
        wire.cut()
        task._cancel_message = None
