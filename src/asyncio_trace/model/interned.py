"""What the columns of a trace name by number: texts, places in code and stacks, each once.

Numbers run from 0 without a gap, so that a number is an index of these sequences, and so that two columns hold the same thing
where their numbers are equal.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar, overload

from asyncio_trace.model.codes import NONE
from asyncio_trace.model.tables import Site

T = TypeVar("T", bound=Hashable)


class Interned(Sequence[T], Generic[T]):
    """Values by number, and numbers by value."""

    def __init__(self, values: Iterable[T] = ()) -> None:
        self._values: list[T] = []
        self._numbers: dict[T, int] = {}
        for value in values:
            self.add(value)

    def add(self, value: T) -> int:
        """The number of a value, which gets one if it has none. For whoever makes columns."""
        number = self._numbers.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def number(self, value: T) -> int:
        """The number of a value; `NONE` (-1), which no column holds of it, if it is nowhere in the trace."""
        return self._numbers.get(value, NONE)

    @overload
    def __getitem__(self, number: int) -> T: ...
    @overload
    def __getitem__(self, number: slice) -> list[T]: ...
    def __getitem__(self, number: int | slice) -> T | list[T]:
        return self._values[number]

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: object) -> bool:
        return value in self._numbers

    def __repr__(self) -> str:
        return f"<{len(self):,} {type(self).__name__.lower()}>"


class Strings(Interned[str]):
    """The texts of a trace: names of tasks, coroutines, callbacks, types, threads. Number 0 is the empty text."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        super().__init__(("", *values))


class Sites(Interned[Site]):
    """The places in code of a trace."""


class Stacks(Interned[tuple[Site, ...]]):
    """The await stacks of a trace, outermost frame first. Number 0 is the empty stack."""

    def __init__(self, values: Iterable[tuple[Site, ...]] = ()) -> None:
        super().__init__(((), *values))


class WaitKinds(Interned[str]):
    """The kinds of waits: those of the contract, in the order of `asyncio_trace.model.kinds.KINDS`, then any others."""
