"""The tables of a trace as columns: arrays of equal length, one for each fact of a row.

A column has the name of the row's field. Millions of rows are no burden here, since a fact takes one, four or eight bytes:

- times are int64, in nanoseconds since the trace began; `NEVER` where the row says `None`
- ids are int64; 0 where the row says `None`
- what ends in `_row` is the number of a row of the task table, int32; `NONE` (-1) if there is none. Tables are joined by these
- texts are numbers in `Trace.strings`, places in `Trace.sites`, stacks in `Trace.stacks`, all int32; `NONE` (-1) for `None`
- kinds of waits are numbers in `Trace.wait_kinds`, outcomes in `OUTCOMES`, kinds of wakers in `WAKER_KINDS` (0 for no waker)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from typing import Annotated, TypeAlias, get_type_hints

import numpy as np
import numpy.typing as npt

Int64: TypeAlias = npt.NDArray[np.int64]
Int32: TypeAlias = npt.NDArray[np.int32]
Int16: TypeAlias = npt.NDArray[np.int16]
Int8: TypeAlias = npt.NDArray[np.int8]


class What(Enum):
    """What the numbers of a column are."""

    TIME = "time in ns"
    DURATION = "ns"
    ID = "id"
    COUNT = "count"
    TASK_ROW = "row of `tasks`"
    ROW = "row"
    STRING = "number in `strings`"
    SITE = "number in `sites`"
    STACK = "number in `stacks`"
    WAIT_KIND = "number in `wait_kinds`"
    OUTCOME = "number in `OUTCOMES`"
    WAKER_KIND = "number in `WAKER_KINDS`"
    FLAG = "yes or no"


Times: TypeAlias = Annotated[Int64, What.TIME]
Durations: TypeAlias = Annotated[Int64, What.DURATION]
Ids: TypeAlias = Annotated[Int64, What.ID]
Counts: TypeAlias = Annotated[Int64, What.COUNT]
Rows: TypeAlias = Annotated[Int32, What.ROW]
TaskRows: TypeAlias = Annotated[Int32, What.TASK_ROW]
Texts: TypeAlias = Annotated[Int32, What.STRING]
Places: TypeAlias = Annotated[Int32, What.SITE]
StackNumbers: TypeAlias = Annotated[Int32, What.STACK]
Kinds: TypeAlias = Annotated[Int16, What.WAIT_KIND]
Outcomes: TypeAlias = Annotated[Int8, What.OUTCOME]
WakerKinds: TypeAlias = Annotated[Int8, What.WAKER_KIND]
Flags: TypeAlias = Annotated[npt.NDArray[np.bool_], What.FLAG]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What all tables' columns can do."""

    def __len__(self) -> int:
        first: npt.NDArray[np.generic] = getattr(self, fields(self)[0].name)
        return len(first)

    @classmethod
    @cache
    def meanings(cls) -> dict[str, What | None]:
        """What each column holds; None for those of a waker, which are columns in turn."""
        hints = get_type_hints(cls, include_extras=True)
        return {about.name: next(iter(getattr(hints[about.name], "__metadata__", ())), None) for about in fields(cls)}

    def arrays(self) -> Iterator[tuple[str, What, npt.NDArray[np.generic]]]:
        """Name, meaning and array of each column; those of a waker are named like `waker_kind`."""
        for name, what in self.meanings().items():
            value = getattr(self, name)
            if what is not None:
                yield name, what, value
            else:
                yield from ((f"{name}_{inner}", what, array) for inner, what, array in value.arrays())


@dataclass(frozen=True, slots=True, eq=False)
class WakerColumns(Columns):
    """A `Waker` in each row; `kind` is 0 where there is none."""

    kind: WakerKinds
    task: Ids
    task_row: TaskRows
    ns: Times
    at: Places
    label: Texts


@dataclass(frozen=True, slots=True, eq=False)
class TaskColumns(Columns):
    """`Trace.tasks`; `Task.parent_span`, which few traces have, is in the rows only."""

    id: Ids
    name: Texts
    coroutine: Texts
    parent: Ids
    parent_row: TaskRows
    loop: Ids
    created_ns: Times
    started_ns: Times
    ended_ns: Times
    outcome: Outcomes
    exception: Texts
    created_at: Places
    running_ns: Durations
    ready_ns: Durations
    waiting_ns: Durations
    steps: Counts
    cancelled_by: WakerColumns
    eager: Flags


@dataclass(frozen=True, slots=True, eq=False)
class RunColumns(Columns):
    """`Trace.runs`; where `task_row` is -1 the run is a callback's."""

    task: Ids
    task_row: TaskRows
    callback: Texts
    loop: Ids
    start_ns: Times
    end_ns: Times


@dataclass(frozen=True, slots=True, eq=False)
class WaitColumns(Columns):
    """`Trace.waits`."""

    task: Ids
    task_row: TaskRows
    start_ns: Times
    ready_ns: Times
    end_ns: Times
    kind: Kinds
    awaited_type: Texts
    awaited_id: Ids
    awaited_task_row: TaskRows
    awaited_label: Texts
    stack: StackNumbers
    waker: WakerColumns


@dataclass(frozen=True, slots=True, eq=False)
class FutureColumns(Columns):
    """`Trace.futures`."""

    id: Ids
    type: Texts
    loop: Ids
    created_ns: Times
    created_by: Ids
    created_by_row: TaskRows
    created_at: Places
    resolved_ns: Times
    resolved_by: WakerColumns
    outcome: Outcomes


@dataclass(frozen=True, slots=True, eq=False)
class JobColumns(Columns):
    """`Trace.jobs`."""

    id: Ids
    loop: Ids
    task: Ids
    task_row: TaskRows
    future: Ids
    function: Texts
    at: Places
    submitted_ns: Times
    started_ns: Times
    ended_ns: Times
    thread: Ids
    thread_name: Texts
    outcome: Outcomes


@dataclass(frozen=True, slots=True, eq=False)
class IdleColumns(Columns):
    """`Trace.idle`."""

    loop: Ids
    start_ns: Times
    end_ns: Times


@dataclass(frozen=True, slots=True, eq=False)
class CallbackColumns(Columns):
    """`Trace.callbacks`."""

    name: Texts
    loop: Ids
    ready_ns: Times
    start_ns: Times
    end_ns: Times
    origin: WakerColumns


@dataclass(frozen=True, slots=True, eq=False)
class ResourceColumns(Columns):
    """`Trace.resources`."""

    id: Ids
    type: Texts
    role: Texts
    most: Counts
    value: Counts


@dataclass(frozen=True, slots=True, eq=False)
class HoldColumns(Columns):
    """`Trace.holds`."""

    resource: Ids
    task: Ids
    task_row: TaskRows
    from_ns: Times
    to_ns: Times
    at: Places
    released_by: WakerColumns


@dataclass(frozen=True, slots=True, eq=False)
class LevelColumns(Columns):
    """`Trace.levels`."""

    resource: Ids
    ns: Times
    value: Counts
    by: WakerColumns


@dataclass(frozen=True, slots=True, eq=False)
class MemberColumns(Columns):
    """`Trace.members`."""

    wait: Rows
    id: Ids


@dataclass(frozen=True, slots=True, eq=False)
class WakeColumns(Columns):
    """`Trace.wakes`."""

    wait: Rows
    run: Rows
    kind: WakerKinds
    ns: Times


@dataclass(frozen=True, slots=True, eq=False)
class IterationColumns(Columns):
    """`Trace.iterations`."""

    loop: Ids
    start_ns: Times
    end_ns: Times
    idle_ns: Durations
    runs: Counts
    running_ns: Durations
