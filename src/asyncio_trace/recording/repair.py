"""Makes a clean recording of what can be saved of a damaged one, frame by frame: what is sound is copied, the rest left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import BinaryIO

from asyncio_trace.events.records import Ended
from asyncio_trace.recording.format import EVENTS, HEADER, MAGIC, PACKED, SEGMENT, TABLES, Segment, frame, segment_payload
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.recording.tables import pack_rows, rows_of_json


@dataclass(slots=True)
class Saved:
    """What became of a recording."""

    records: int = 0
    lost_bytes: int = 0
    """Bytes that could not be saved."""
    lost_places: int = 0
    """Places in the file at which they were."""
    ended: bool = False
    """The trace's end is there."""


def repair(reader: RecordingReader, out: BinaryIO) -> Saved:
    """Write what `reader` can read of its recording as one of the newest version. It loads as what it is: the segment behind a
    gap says how much was lost before it.

    Raises:
        InputError: The file can't be read any further.
        OSError: `out` can't take it.
    """
    saved = Saved()
    out.write(MAGIC + frame(HEADER, json.dumps(reader.header).encode()))
    if reader.version == 1:
        started = reader.header.get("started_unix_ns")
        begin = Segment(0, 0, started if type(started) is int and 0 <= started < 1 << 63 else 0)
        out.write(frame(SEGMENT, segment_payload(begin)))
    for kind, payload in reader.frames():
        if kind == SEGMENT:
            assert reader.segment is not None
            payload = segment_payload(reader.segment)
        elif kind == TABLES:
            payload = pack_rows(rows_of_json(payload)) if reader.version == 1 else payload
        elif kind in (EVENTS, PACKED):
            for record in reader.decode(kind, payload):
                saved.records += 1
                saved.ended = type(record) is Ended
            payload = payload[: reader.good]
        if payload:
            out.write(frame(kind, payload))
    saved.lost_bytes, saved.lost_places = reader.lost_bytes, reader.lost_places
    return saved
