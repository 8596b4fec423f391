"""Records to columns, in C. There only where the package was built with a compiler."""

from typing import final

from asyncio_trace.recording.packed import Stream

@final
class Column:
    """The values of a field in all records of a kind, as 64-bit integers."""

    def __buffer__(self, flags: int, /) -> memoryview: ...

class Gatherer:
    """Takes in payloads, gives away columns; see `recording.gather`."""

    def __init__(self, classes: dict[int, str]) -> None: ...
    @property
    def records(self) -> int: ...
    def packed(self, payload: bytes, stream: Stream, /) -> int: ...
    def words(self, payload: bytes, /) -> int: ...
    def take(self, kind: int, /) -> list[Column]: ...
