"""The several tasks and futures that one wait is for: children of a gather, what `wait` was given, tasks of a group.

The task itself awaits one future that asyncio made for the purpose, and which says nothing of them to the loop.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

from asyncio_trace.events.records import WaitsFor
from asyncio_trace.tracer.loop_state import TaskState
from asyncio_trace.tracer.recorder import Recorder

GATHERING: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]
_GROUP: Any = asyncio.TaskGroup
_WAIT: CodeType = asyncio.tasks._wait.__code__  # type: ignore[attr-defined]
CODES: tuple[CodeType, ...] = (_WAIT, getattr(_GROUP, "_aexit", _GROUP.__aexit__).__code__)
"""Code that awaits on behalf of a set of futures, or of a group: its first argument."""

_CODES = frozenset(CODES)
_MOST_NESTED = 20
"""Gathers inside each other."""


def crowd_of(inner: Any) -> Any:
    """The set or group for which the innermost coroutine of a stack awaits; None if for none."""
    code = getattr(inner, "cr_code", None)
    if code not in _CODES:
        return None
    kind: type = set if code is _WAIT else _GROUP
    # a coroutine refers to its locals: no need of f_locals, which would keep them all alive
    return next((thing for thing in gc.get_referents(inner) if isinstance(thing, kind)), None)


def leaves(members: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """The members, and in place of a gather among them its children."""
    for member in members:
        if type(member) is GATHERING and depth < _MOST_NESTED:
            yield from leaves(member._children, depth + 1)
        else:
            yield member


class Crowds:
    """Records what waits are for."""

    def __init__(self, recorder: Recorder, tasks: Mapping[int, TaskState], futures: Mapping[int, int]) -> None:
        self._recorder = recorder
        self._task: Callable[[int], TaskState | None] = tasks.get
        self._future: Callable[[int], int | None] = futures.get

    def record(self, waiting: TaskState, future: Any, inner: Any) -> None:
        """Record what a task waits for since its last step, if it awaits a gather, or if `inner`, at the inner end of its
        stack, stands for several.
        """
        if type(future) is GATHERING:
            members: Iterable[Any] = future._children
        else:
            crowd = crowd_of(inner)
            if crowd is None:
                return
            members = crowd if isinstance(crowd, set) else crowd._tasks
        ids = sorted({number for member in leaves(members) if (number := self._pending(member))})
        at = 0
        while at < len(ids):
            first = at
            at += 1
            while at < len(ids) and ids[at] == ids[at - 1] + 1:
                at += 1
            self._recorder.add(WaitsFor, waiting.id, ids[first], at - first)

    def _pending(self, member: Any) -> int:
        if member.done():
            return 0
        state = self._task(id(member))
        return state.id if state is not None else self._future(id(member)) or 0
