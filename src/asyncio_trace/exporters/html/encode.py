"""From a trace to what the page holds: a head (names, places, findings) and columns of residuals.

Rows stand in the order in which the viewer needs them: runs and waits by task, then by start. Where a number can be told from
others it is stored as the difference: a wait starts where a run of its task ended and ends where the next began, so both are
nearly always 0. The reader is `viewer/load.js`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.exporters.html.columns import Packed
from asyncio_trace.exporters.html.tables import Tables
from asyncio_trace.model import Trace

FORMAT = "asyncio-trace/viewer"
VERSION = 1


class Document(NamedTuple):
    """What the page holds."""

    head: dict[str, Any]
    columns: list[Packed]


def encode(trace: Trace, findings: Sequence[Finding], *, left_out: str = "") -> Document:
    """The whole trace; `left_out` says in one line what it lacks."""
    tables = Tables(trace)
    names = tables.names
    columns = [*tables.tasks(), *tables.runs(), *tables.waits(), *tables.callbacks(), *tables.idle(), *tables.jobs()]
    program = trace.program
    head = {
        "format": FORMAT,
        "version": VERSION,
        "program": {
            "argv": program.argv,
            "python": program.python,
            "platform": program.platform,
            "pid": program.pid,
            "started_unix_ms": program.started_unix_ns // 1_000_000,
            "core": program.core,
            "recorded_from": program.recorded_from_ns,
        },
        "end": tables.end,
        "complete": trace.complete,
        "left_out": left_out,
        "loops": [
            {"id": loop.id, "type": loop.type, "thread": loop.thread_name, "created": loop.created_ns, "closed": loop.closed_ns}
            for loop in tables.loops
        ],
        "threads": tables.thread_names(),
        "whats": tables.what_names(),
        "causes": tables.cause_names(),
        "stacks": [[names.site(site) for site in stack] for stack in names.stacks.values],
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity,
                "task": tables.row_of(finding.task),
                "start": finding.start_ns,
                "end": finding.end_ns,
                "at": names.site(finding.at),
                "message": finding.message,
                "advice": finding.advice,
            }
            for finding in findings
        ],
        "sites": [[site.function, site.file, site.line, site.module] for site in names.sites.values],
        "texts": names.texts.values,
    }
    return Document(head, columns)
