"""Writes the JSON timeline: one row a line, so that a large one streams out and a small one reads well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from asyncio_trace.analysis.rules import find_all
from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.protocol import Progress, no_progress
from asyncio_trace.exporters.timeline.atomic_file import written_whole
from asyncio_trace.exporters.timeline.encode import Encoder
from asyncio_trace.model import Trace
from asyncio_trace.model.cancellation import cancelled_through

FORMAT = "asyncio-trace/timeline"
VERSION = 1

_PROGRESS_EVERY = 4096
"""Rows between two calls of `progress`."""


class TimelineExporter:
    """Exports a trace to a `.json` file."""

    suffix: str | None = ".json"

    def export(self, trace: Trace, target: str, progress: Progress = no_progress) -> None:
        """Write `trace` to the file `target`, whole or not at all.

        Raises:
            OutputError: It could not be written.
        """
        try:
            with written_whole(target) as file:
                file.writelines(pieces(trace, progress))
        except OSError as error:
            raise OutputError(f"cannot write {target or 'a timeline'}: {error.strerror or error}") from error


def pieces(trace: Trace, progress: Progress = no_progress) -> Iterator[str]:
    """The document's text, row by row."""
    encoder = Encoder(cancelled_through(trace))
    tables: list[tuple[str, Callable[[Any], object], Sequence[Any]]] = [
        ("tasks", encoder.task, trace.tasks),
        ("runs", encoder.run, trace.runs),
        ("waits", encoder.wait, trace.waits),
        ("futures", encoder.future, trace.futures),
        ("jobs", encoder.job, trace.jobs),
        ("idle", encoder.idle, trace.idle),
        ("findings", encoder.finding, find_all(trace)),
    ]
    total = sum(len(rows) for _, _, rows in tables)
    done = 0
    to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
    yield f'{{"format":"{FORMAT}","version":{VERSION},\n'
    yield f'"program":{to_json(encoder.program(trace.program))},\n'
    yield f'"dropped_events":{trace.dropped_events},\n"complete":{to_json(trace.complete)}'
    for name, encode, rows in tables:
        yield f',\n"{name}":['
        separator = "\n"
        for row in rows:
            yield separator + to_json(encode(row))
            separator = ",\n"
            done += 1
            if done % _PROGRESS_EVERY == 0:
                progress(done, total)
        yield "]"
    yield "}\n"
    progress(total, total)
