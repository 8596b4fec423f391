"""What a rule reports."""

from __future__ import annotations

from dataclasses import dataclass

from asyncio_trace.model import Site


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the trace shows to be wrong or costly, with the evidence and the place in the code."""

    rule: str
    """Name of the rule, such as `blocking-step`."""
    severity: str
    """`error`, `warning` or `info`."""
    task: int | None
    """Id of the task that it is about, if it is about one."""
    start_ns: int
    end_ns: int
    """The stretch of time that it is about."""
    at: Site | None
    """Where in the code to look."""
    message: str
    """What happened, in one line."""
    advice: str
    """What to do about it, in one line."""
