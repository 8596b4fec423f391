"""Writes a trace as one HTML file that needs nothing else to be looked at."""

from __future__ import annotations

from asyncio_trace.analysis.rules import find_all
from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.html.encode import encode
from asyncio_trace.exporters.html.page import page
from asyncio_trace.exporters.html.source import embed
from asyncio_trace.exporters.protocol import Progress, no_progress
from asyncio_trace.exporters.timeline.atomic_file import written_whole
from asyncio_trace.model import Trace


class HtmlExporter:
    """Exports a trace to an `.html` file."""

    suffix: str | None = ".html"

    def __init__(self) -> None:
        self.embed_source = False
        """Put the source lines that the trace names into the file, as far as the files are there. Off unless asked for: a trace
        is made to be passed on, and source may not be.
        """

    def export(self, trace: Trace, target: str, progress: Progress = no_progress) -> None:
        """Write `trace` to the file `target`, whole or not at all.

        Raises:
            OutputError: It could not be written.
        """
        document = encode(trace, find_all(trace))
        if self.embed_source:
            document.head["source"] = embed(document.head["sites"])
        total = len(document.columns) + 1
        try:
            with written_whole(target) as file:
                for number, piece in enumerate(page(document)):
                    file.write(piece)
                    progress(min(number, total), total)
        except OSError as error:
            raise OutputError(f"cannot write {target or 'a page'}: {error.strerror or error}") from error
        progress(total, total)
