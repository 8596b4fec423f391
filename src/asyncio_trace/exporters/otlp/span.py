"""Plain descriptions of spans: what `encode` turns into OTLP's bytes. Times are Unix nanoseconds, whole microseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

Value = str | bool | int | float | list[str]
Attributes = dict[str, Value]
Kind = Literal["internal", "producer", "consumer"]

MAX_EVENTS = 128
"""Events kept on one span: the limit that OpenTelemetry SDKs apply by default."""
MAX_LINKS = 128
"""Links kept on one span, likewise."""


_instant = attrgetter("unix_ns")


@dataclass(slots=True)
class Event:
    """Something that happened at one instant of a span."""

    name: str
    unix_ns: int
    attributes: Attributes = field(default_factory=dict)
    vital: bool = False
    """True for one that must survive when a span has too many."""


@dataclass(slots=True)
class Link:
    """A pointer to another span."""

    trace_id: int
    span_id: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One span, complete."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_unix_ns: int
    end_unix_ns: int
    kind: Kind = "internal"
    parent_is_remote: bool = False
    """True if the parent is a span of the program's own OpenTelemetry instrumentation."""
    attributes: Attributes = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    error: str | None = None
    """Description of the status ERROR; None leaves the status UNSET."""
    omitted_events: int = 0
    """Events that were left out before `limit`, to be counted with those that it leaves out."""

    def limit(self) -> None:
        """Order the events by time; keep no more events and links than collectors accept, and count the rest in attributes."""
        if len(self.events) <= MAX_EVENTS and len(self.links) <= MAX_LINKS and not self.omitted_events:
            if len(self.events) > 1:
                self.events.sort(key=_instant)
            return
        kept = sorted(self.events, key=lambda event: (not event.vital, event.unix_ns))[:MAX_EVENTS]
        omitted = self.omitted_events + len(self.events) - len(kept)
        if omitted:
            self.attributes["asyncio.events.omitted"] = omitted
        self.events = sorted(kept, key=_instant)
        if len(self.links) > MAX_LINKS:
            self.attributes["asyncio.links.omitted"] = len(self.links) - MAX_LINKS
            del self.links[MAX_LINKS:]
