"""A table of a trace: to be read row by row as objects, or as columns by whoever goes through millions of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asyncio_trace.model.trace import Trace

R = TypeVar("R")
C = TypeVar("C")

_AT_ONCE = 4096
"""Rows made at once where all are gone through."""


class Table(Sequence[R], Generic[R, C]):
    """Rows of one kind, ordered by their start.

    A table of a recording holds columns, and makes a row when it is asked for one; two rows made from one place are equal, not
    the same object. A table made by hand (`trace.tasks = [...]`) holds the rows that it was given, and can be added to.
    """

    __slots__ = ("_columns", "_kind", "_rows", "_trace")

    def __init__(self, kind: str, trace: Trace, rows: list[R] | None = None, columns: C | None = None) -> None:
        self._kind = kind
        """Name of the class of columns: a class itself would need numpy, which a traced program's start has no time for."""
        self._trace = trace
        self._rows = rows
        self._columns = columns

    @property
    def columns(self) -> C:
        """The table as arrays, one for each field of the rows, not to be written to; see `asyncio_trace.model.columns`.

        A table that holds rows makes them anew each time.
        """
        if self._columns is not None:
            return self._columns
        from asyncio_trace.model import columns
        from asyncio_trace.model.encode import columns_of_rows

        made: C = columns_of_rows(getattr(columns, self._kind), self._rows or (), self._trace)
        return made

    def append(self, row: R) -> None:
        """Add a row to a table that is made by hand.

        Raises:
            TypeError: The table is a recording's.
        """
        if self._rows is None:
            raise TypeError("the tables of a recording can't be changed")
        self._rows.append(row)

    def take(self, places: npt.NDArray[np.intp]) -> list[R]:
        """The rows at these places, as `numpy.flatnonzero` finds them in the columns."""
        if self._rows is not None:
            return [self._rows[place] for place in places.tolist()]
        return list(self._made(places))

    def to_numpy(self) -> dict[str, npt.NDArray[np.generic]]:
        """The columns by name; those of a waker are named like `waker_kind`."""
        return {name: array for name, _, array in self.columns.arrays()}  # type: ignore[attr-defined]

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`, with texts in place of numbers, and missing values for `None`.

        Raises:
            UsageError: pandas is not installed.
        """
        from asyncio_trace.model.frames import to_pandas

        return to_pandas(self.columns, self._trace)  # type: ignore[arg-type]

    def to_arrow(self) -> Any:
        """The table as a `pyarrow.Table`, with texts in place of numbers, and nulls for `None`.

        Raises:
            UsageError: pyarrow is not installed.
        """
        from asyncio_trace.model.frames import to_arrow

        return to_arrow(self.columns, self._trace)  # type: ignore[arg-type]

    @overload
    def __getitem__(self, place: int) -> R: ...
    @overload
    def __getitem__(self, place: slice) -> list[R]: ...
    def __getitem__(self, place: int | slice) -> R | list[R]:
        if self._rows is not None:
            return self._rows[place]
        if isinstance(place, slice):
            return list(self._made(place))
        number = range(len(self))[place]
        (row,) = self._made(slice(number, number + 1))
        made: R = row
        return made

    def __len__(self) -> int:
        return len(self._columns if self._rows is None else self._rows)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[R]:
        if self._rows is not None:
            yield from self._rows
            return
        for start in range(0, len(self), _AT_ONCE):
            yield from self._made(slice(start, start + _AT_ONCE))

    def __reversed__(self) -> Iterator[R]:
        if self._rows is not None:
            yield from reversed(self._rows)
            return
        for start in reversed(range(0, len(self), _AT_ONCE)):
            yield from reversed(list(self._made(slice(start, start + _AT_ONCE))))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Table, list)):
            return NotImplemented
        return len(self) == len(other) and all(mine == others for mine, others in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        rows = ", ".join(map(repr, self[:3]))
        more = f", ... {len(self):,} rows" if len(self) > 3 else ""
        return f"[{rows}{more}]"

    def _made(self, place: slice | npt.NDArray[np.intp]) -> Iterator[Any]:
        from asyncio_trace.model.decode import rows_of_columns

        return rows_of_columns(self._columns, self._trace, place)  # type: ignore[arg-type]
