"""Rule `incomplete-trace`: parts of the program's run are missing, so that everything else is to be read with care."""

from __future__ import annotations

from collections.abc import Iterator

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import Trace

NAME = "incomplete-trace"


def find(trace: Trace) -> Iterator[Finding]:
    """Report dropped events, and a recording that is a part, has gaps, or was cut before its end."""
    begin, end = trace.program.recorded_from_ns, trace.program.duration_ns
    for message, advice in _doubts(trace):
        yield Finding(NAME, "error", None, 0, end, None, message, advice)
    if begin:
        yield Finding(
            NAME,
            "info",
            None,
            0,
            begin,
            None,
            "what came before is not in the recording: it holds the last part of a trace",
            "totals are of that part; of a task that was alive when it begins, only what it did then and later is known",
        )


def _doubts(trace: Trace) -> Iterator[tuple[str, str]]:
    if trace.dropped_events:
        events = "1 event was" if trace.dropped_events == 1 else f"{trace.dropped_events:,} events were"
        yield f"{events} dropped", "treat totals as lower bounds; trace a shorter run, or to a faster disk"
    if trace.gaps:
        places = "in one place" if trace.gaps == 1 else f"in {trace.gaps:,} places"
        yield (
            f"the recording is damaged {places} before its end",
            "tasks that look pending may have ended there, and waits that seem to have no end may have had one",
        )
    for path in trace.program.unread:
        yield f"the recording {path} of a child process can't be read", "what that process did is missing here"
    if trace.cut or not (trace.complete or trace.dropped_events or trace.gaps or trace.program.unread):
        yield (
            "the recording was cut before its end",
            "tasks that look pending may have ended; the program probably died of a signal or left by os._exit",
        )
