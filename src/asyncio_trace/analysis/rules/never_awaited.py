"""Rule `never-awaited`: a coroutine object was made and thrown away, so that nothing of it ever ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from asyncio_trace.analysis.evidence import function, place, times
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import LostCoroutine, Site, Trace

NAME = "never-awaited"


def find(trace: Trace) -> Iterator[Finding]:
    """One finding for each coroutine function and the line that called it in vain."""
    groups: defaultdict[tuple[str, Site | None, Site | None], list[LostCoroutine]] = defaultdict(list)
    for one in trace.witnesses.lost_coroutines:
        groups[one.coroutine, one.made_at, one.defined_at].append(one)
    for (qualified, made_at, defined_at), lost in groups.items():
        name = function(qualified)
        often = "" if len(lost) == 1 else f" {times(len(lost))}"
        where = "" if made_at is not None else f"; it is defined at {place(defined_at)}"
        yield Finding(
            rule=NAME,
            severity="error",
            task=None,
            start_ns=lost[0].ns,
            end_ns=lost[-1].ns,
            at=made_at or defined_at,
            message=f"{name}() was called{often} and never awaited: nothing of it ran{where}",
            advice=f"write `await {name}(...)`, or give it to asyncio.create_task() and keep the task",
        )
