"""Writes a trace as a file that Perfetto's UI opens: tracks of tasks, slices of their states, flows from their wakers."""

from __future__ import annotations

from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.perfetto.packets import packets
from asyncio_trace.exporters.protocol import Progress, no_progress
from asyncio_trace.exporters.timeline.atomic_file import bytes_written_whole
from asyncio_trace.model import Trace


class PerfettoExporter:
    """Exports a trace to a `.pftrace` file."""

    suffix: str | None = ".pftrace"

    def export(self, trace: Trace, target: str, progress: Progress = no_progress) -> None:
        """Write `trace` to the file `target`, whole or not at all.

        Raises:
            OutputError: It could not be written.
        """
        try:
            with bytes_written_whole(target) as file:
                file.writelines(packets(trace, progress))
        except OSError as error:
            raise OutputError(f"cannot write {target or 'a Perfetto trace'}: {error.strerror or error}") from error
