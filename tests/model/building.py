"""Traces made of records, without a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncio_trace.events.records import Record, pack
from asyncio_trace.model import Trace
from asyncio_trace.model.build import build
from asyncio_trace.model.recorded import Recorded
from asyncio_trace.recording.format import Segment
from asyncio_trace.recording.gather import new_gatherer
from asyncio_trace.recording.tables import Rows, Tables


def built(rows: Rows, stream: Iterable[Record | Segment], header: dict[str, Any] | None = None) -> Trace:
    """The trace of these records; `rows` are those of the recording's tables."""
    tables, gatherer = Tables(), new_gatherer()
    tables.add(rows)
    segments = []
    for record in stream:
        if isinstance(record, Segment):
            segments.append((gatherer.records, record))
        else:
            gatherer.words(pack(record))
    return build(Recorded(gatherer, segments, tables, header or {}))
