"""What an exporter is. Built-in and third-party ones register alike, under the entry point group `asyncio_trace.exporters`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asyncio_trace.model import Trace

Progress = Callable[[int, int], None]
"""Called now and then with (items done, items in all), so that long exports can show a bar."""


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


class Exporter(Protocol):
    """An entry point's object is a class that is called without arguments and then has these."""

    suffix: str | None
    """File name ending that selects it, such as `.json`; None for one that sends to `target` rather than write a file."""

    def export(self, trace: Trace, target: str, progress: Progress = no_progress) -> None:
        """Write `trace` to the path `target`, whole or not at all, or send it to the URL `target` ("" for the default).

        Raises:
            OutputError: It could not be written or sent; the message says where to and why, in one line.
        """
