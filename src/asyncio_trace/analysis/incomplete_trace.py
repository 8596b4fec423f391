"""Rule `incomplete-trace`: parts of the program's run are missing, so that everything else is to be read with care."""

from __future__ import annotations

from collections.abc import Iterator

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import Trace

NAME = "incomplete-trace"


def find(trace: Trace) -> Iterator[Finding]:
    """Report dropped events and a recording that was cut before its end."""
    if trace.dropped_events:
        events = "1 event was" if trace.dropped_events == 1 else f"{trace.dropped_events:,} events were"
        yield _finding(trace, f"{events} dropped", "treat totals as lower bounds; trace a shorter run, or to a faster disk")
    if not trace.complete:
        yield _finding(
            trace,
            "the recording was cut before its end",
            "tasks that look pending may have ended; the program probably died of a signal or left by os._exit",
        )


def _finding(trace: Trace, message: str, advice: str) -> Finding:
    return Finding(NAME, "error", None, 0, trace.program.duration_ns, None, message, advice)
