"""Small recordings to read, cut and damage: what a real program did, written in each way that the format has."""

from __future__ import annotations

import asyncio
import functools
import json
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from asyncio_trace.events.records import Record, pack
from asyncio_trace.recording.format import (
    EVENTS,
    FRAME_HEAD,
    HEADER,
    MAGIC,
    MAGIC_1,
    PACKED,
    SEGMENT,
    TABLES,
    Segment,
    frame,
    segment_payload,
)
from asyncio_trace.recording.packed import Stream, pack_records
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.recording.tables import Rows, pack_rows
from asyncio_trace.tracer.session import record_to

HEAD = {"argv": ["small"], "python": "3", "core": "python", "pid": 1, "started_unix_ns": 1_000}
STYLES = ("packed", "words", "mixed")


def words(*numbers: int) -> bytes:
    """Numbers as they stand in a frame of records as words."""
    return struct.pack(f"<{len(numbers)}q", *numbers)


async def _program() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    lock = asyncio.Lock()

    async def worker(number: int) -> None:
        async with lock:
            await asyncio.sleep(0)
        queue.put_nowait(number)

    tasks = [asyncio.create_task(worker(number), name=f"worker {number}") for number in range(3)]
    await queue.get()
    await asyncio.get_running_loop().run_in_executor(None, int)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@functools.cache
def small() -> tuple[list[Record], Rows]:
    """Records and table rows of a program that does a little of everything."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.atrace"
        session = record_to(str(path), core="python")
        try:
            asyncio.run(_program())
        finally:
            session.end()
        with RecordingReader(path) as reader:
            records = [record for record in reader.records() if not isinstance(record, Segment)]
            return records, rows_of(reader)


def rows_of(reader: RecordingReader) -> Rows:
    """What a reader's tables hold, as rows whose strings are numbered anew from 1."""
    tables = reader.tables
    strings = {number: text for number, text in tables.strings.items() if number}
    by_text = {text: number for number, text in tables.strings.items()}
    sites = [
        (number, by_text[function], by_text[file], line, by_text[module])
        for number, (function, file, line, module) in tables.sites.items()
    ]
    stacks = [(number, list(sites)) for number, sites in tables.stacks.items() if number]
    return {"strings": list(strings.items()), "sites": sites, "stacks": stacks}


def recording(records: list[Record], rows: Rows, style: str = "packed", segments: int = 3, frames: int = 3) -> bytes:
    """A recording of some segments, each with all rows and some frames of records."""
    out = MAGIC + frame(HEADER, json.dumps(HEAD).encode())
    size = -(-len(records) // max(1, segments)) or 1
    for number in range(segments):
        part = records[number * size : (number + 1) * size]
        out += frame(SEGMENT, segment_payload(Segment(number, number * 1000, 1_000 + number * 1000)))
        out += frame(TABLES, pack_rows(rows))
        stream = Stream()
        step = -(-len(part) // frames) or 1
        for at in range(0, len(part), step):
            batch = part[at : at + step]
            if style == "packed" or (style == "mixed" and (at // step) % 2):
                out += frame(PACKED, pack_records(batch, stream))
            else:
                out += frame(EVENTS, b"".join(map(pack, batch)))
    return out


def version_1(records: list[Record], rows: Rows) -> bytes:
    """The same as a recording of version 1."""
    tables = frame(TABLES, json.dumps(rows).encode())
    half = len(records) // 2
    events = [frame(EVENTS, b"".join(map(pack, part))) for part in (records[:half], records[half:])]
    return MAGIC_1 + frame(HEADER, json.dumps(HEAD).encode()) + tables + b"".join(events)


def frames_of(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Where each frame of a sound recording begins, its type and its payload."""
    at = len(MAGIC)
    while at < len(content):
        kind, length, crc = FRAME_HEAD.unpack_from(content, at)
        payload = content[at + FRAME_HEAD.size : at + FRAME_HEAD.size + length]
        assert zlib.crc32(payload) == crc
        yield at, kind, payload
        at += FRAME_HEAD.size + length
