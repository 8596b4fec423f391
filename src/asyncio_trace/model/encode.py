"""Columns from rows, for traces that are made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from asyncio_trace.model.codes import NEVER, NONE, OUTCOMES, WAKER_KINDS
from asyncio_trace.model.columns import Columns, WakerColumns, What
from asyncio_trace.model.tables import Waker
from asyncio_trace.recording.varint import signed

if TYPE_CHECKING:
    from asyncio_trace.model.trace import Trace

C = TypeVar("C", bound=Columns)

_DTYPES: dict[What, type[np.generic]] = {
    What.TASK_ROW: np.int32,
    What.ROW: np.int32,
    What.STRING: np.int32,
    What.SITE: np.int32,
    What.STACK: np.int32,
    What.WAIT_KIND: np.int16,
    What.OUTCOME: np.int8,
    What.WAKER_KIND: np.int8,
    What.FLAG: np.bool_,
}

_PATHS = {
    "task_row": "task",
    "parent_row": "parent",
    "created_by_row": "created_by",
    "awaited_type": "awaited.type",
    "awaited_id": "awaited.id",
    "awaited_task_row": "awaited.id",
    "awaited_label": "awaited.label",
}
"""Columns whose name is not that of the row's field."""

_NO_WAKER: Any = Waker("none", None, NEVER, None)


def columns_of_rows(kind: type[C], rows: Sequence[Any], trace: Trace) -> C:
    """The rows as columns; what they name is added to the trace's strings, sites, stacks and kinds.

    Raises:
        ValueError: A row has an outcome, or a kind of waker, that is none.
    """
    task_rows = {task.id: row for row, task in enumerate(trace.tasks)}
    numbers: dict[What, Callable[[Any], int]] = {
        What.TIME: lambda value: NEVER if value is None else value,
        What.DURATION: signed,  # sums of a damaged recording's numbers may be of any size
        What.ID: lambda value: value or 0,
        What.COUNT: int,
        What.TASK_ROW: lambda value: task_rows.get(value, NONE),
        What.ROW: lambda value: NONE if value is None else value,
        What.STRING: lambda value: NONE if value is None else trace.strings.add(value),
        What.SITE: lambda value: NONE if value is None else trace.sites.add(value),
        What.STACK: trace.stacks.add,
        What.WAIT_KIND: trace.wait_kinds.add,
        What.OUTCOME: OUTCOMES.index,
        What.WAKER_KIND: WAKER_KINDS.index,
        What.FLAG: bool,
    }

    def column(name: str, what: What | None, rows: Sequence[Any]) -> Any:
        read = attrgetter(_PATHS.get(name, name))
        if what is None:
            return whole(WakerColumns, [read(row) or _NO_WAKER for row in rows])
        number = numbers[what]
        return np.array([number(read(row)) for row in rows], _DTYPES.get(what, np.int64))

    def whole(kind: type[Any], rows: Sequence[Any]) -> Any:
        return kind(**{name: column(name, what, rows) for name, what in kind.meanings().items()})

    result: C = whole(kind, rows)
    return result
