"""What the columns of a trace name by number: texts, places in code and stacks, each once.

Numbers run from 0 without a gap, so that a number is an index of these sequences, and so that two columns hold the same thing
where their numbers are equal.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from asyncio_trace.model.codes import NONE
from asyncio_trace.model.tables import Site

if TYPE_CHECKING:
    from asyncio_trace.model.columns import Int32, Int64

T = TypeVar("T", bound=Hashable)

_NUMBERED = re.compile(r"Task-(0|-?[1-9][0-9]{0,18})")


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
    """The texts of a trace: names of tasks, coroutines, callbacks, types, threads. Number 0 is the empty text.

    Names that asyncio makes, `Task-1` and so on, are not kept as texts: a trace may have millions.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._first = self._held = 0
        self._numbered: Int64 | None = None
        super().__init__(("", *values))

    def hold_numbered(self, numbers: Int64) -> None:
        """Hold `Task-<number>` for each of these different numbers, which ascend. Once, before any text is added."""
        self._first, self._held, self._numbered = len(self), len(numbers), numbers

    def numbered(self, numbers: Int64) -> Int32:
        """The numbers of names `Task-<number>` that are held."""
        assert self._numbered is not None
        found: Int32 = (self._first + self._numbered.searchsorted(numbers)).astype("int32")
        return found

    def add(self, value: str) -> int:
        """The number of a text, which gets one if it has none."""
        number = self._number_of_numbered(value) if self._held else NONE
        if number != NONE:
            return number
        number = self._numbers.setdefault(value, len(self))
        if number == len(self):
            self._values.append(value)
        return number

    def number(self, value: str) -> int:
        """The number of a text; `NONE` (-1), which no column holds of it, if it is nowhere in the trace."""
        number = self._number_of_numbered(value) if self._held else NONE
        return self._numbers.get(value, NONE) if number == NONE else number

    def _number_of_numbered(self, text: str) -> int:
        found = _NUMBERED.fullmatch(text)
        if found is None or self._numbered is None or not -(1 << 63) <= (number := int(found[1])) < 1 << 63:
            return NONE
        place = int(self._numbered.searchsorted(number))
        return self._first + place if place < self._held and self._numbered[place] == number else NONE

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> list[str]: ...
    def __getitem__(self, number: int | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [self[place] for place in range(len(self))[number]]
        if number < 0:
            number += len(self)
        place = number - self._first
        if not self._held or place < 0:
            return self._values[number]
        if place < self._held:
            return f"Task-{self._numbered[place]}"  # type: ignore[index]
        return self._values[number - self._held]

    def __len__(self) -> int:
        return len(self._values) + self._held

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and self.number(value) != NONE

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))


class Sites(Interned[Site]):
    """The places in code of a trace."""


class Stacks(Interned[tuple[Site, ...]]):
    """The await stacks of a trace, outermost frame first. Number 0 is the empty stack."""

    def __init__(self, values: Iterable[tuple[Site, ...]] = ()) -> None:
        super().__init__(((), *values))


class WaitKinds(Interned[str]):
    """The kinds of waits: those of the contract, in the order of `asyncio_trace.model.kinds.KINDS`, then any others."""
