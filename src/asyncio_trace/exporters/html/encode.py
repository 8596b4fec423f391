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


MOST_ROWS = 24_000_000
"""Runs and waits that a browser can hold and draw: those of some 15 million events."""


class Document(NamedTuple):
    """What the page holds."""

    head: dict[str, Any]
    columns: list[Packed]


def encode(trace: Trace, findings: Sequence[Finding], *, most_rows: int = MOST_ROWS) -> Document:
    """The whole trace; or its begin, if it has more than `most_rows` runs and waits."""
    tables = Tables(trace, most_rows)
    names = tables.names
    columns = [*tables.tasks(), *tables.runs(), *tables.waits(), *tables.callbacks(), *tables.idle(), *tables.jobs()]
    columns += tables.holds()
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
        "left_out": _left_out(trace, tables),
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


def _left_out(trace: Trace, tables: Tables) -> str:
    """What the page lacks, in one line."""
    if not tables.left_out:
        return ""
    shown, whole = tables.end / 1e9, tables.whole_end / 1e9
    return (
        f"Only the first {shown:,.3f} s of {whole:,.3f} s are in this page: {tables.left_out:,} runs and waits after that "
        "would be too much for a browser. Trace a shorter run, or export it to .pftrace."
    )
