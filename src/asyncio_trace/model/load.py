"""From a file to a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncio_trace.model.trace import Trace
from asyncio_trace.recording.gather import new_gatherer
from asyncio_trace.recording.reader import RecordingReader


def load(path: str | Path) -> Trace:
    """Read the recording at `path`, and with it those of the program's child processes, if they were traced.

    Raises:
        InputError: It is missing, empty, broken from the start, or not a recording.
    """
    trace, header = _load_one(path)
    if header.get("children"):
        from asyncio_trace.model.join import with_children

        trace = with_children(trace, Path(path), header, lambda other: _load_one(other)[0])
    return trace


def _load_one(path: str | Path) -> tuple[Trace, dict[str, Any]]:
    """The trace of one process, and the header of its recording."""
    # these need numpy, which whoever only names a `Trace` can do without
    from asyncio_trace.model.build import build
    from asyncio_trace.model.recorded import Recorded

    with RecordingReader(path) as reader:
        gatherer = new_gatherer()
        segments = reader.gather(gatherer)
        trace = build(Recorded(gatherer, segments, reader.tables, reader.header))
        trace.lost_bytes = reader.lost_bytes
        if reader.cut:
            trace.complete = False
        return trace, reader.header
