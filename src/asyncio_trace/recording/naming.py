"""What the fields of records name: rows of the tables, and what other records told of."""

from __future__ import annotations

from collections.abc import Iterator

from asyncio_trace.events import records as r

_FIELDS: dict[type[r.Record], str] = {
    r.LoopStarted: "type thread:thread",
    r.LoopAlive: "type thread:thread",
    r.TaskCreated: "coroutine site:sites",
    r.TaskAlive: "coroutine site:sites name stack:stacks awaited:thing",
    r.TaskNamed: "name",
    r.Step: "stack:stacks awaited:thing waker_site:sites waker_id:waker",
    r.YieldedStep: "stack:stacks",
    r.Woken: "waker_site:sites waker_id:waker",
    r.TaskDone: "exception",
    r.CallbackRun: "name origin_id:origin",
    r.FutureCreated: "site:sites type",
    r.FutureResolved: "waker_site:sites waker_id:waker",
    r.CancelRequested: "waker_site:sites waker_id:waker",
    r.JobSubmitted: "function site:sites future:thing",
    r.JobRan: "thread:thread",
    r.ThreadSeen: "name",
    r.ResourceSeen: "type",
    r.ResourceState: "resource:thing",
    r.ResourceTaken: "resource:thing site:sites",
    r.ResourceReleased: "resource:thing waker_site:sites waker_id:waker",
    r.ResourceSet: "resource:thing waker_site:sites waker_id:waker",
    r.QueueLength: "resource:thing waker_site:sites waker_id:waker",
    r.Blocked: "stack:stacks",
    r.NeverAwaited: "coroutine site:sites defined:sites",
    r.NeverRetrieved: "name coroutine exception site:sites",
}
"""Record type to its fields that name something, each with what it names, which is a string unless another is said. What
`waker_id` names depends on `waker`, and `origin_id` on `origin`.
"""

_OF_WAKER = {r.WakerKind.CALLBACK: "strings", r.WakerKind.TIMER: "strings", r.WakerKind.THREAD: "thread"}

Plan = tuple[tuple[int, str], ...]


def _plan(kind: type[r.Record]) -> Plan:
    """Index of a field, and what it names; of `waker` and `origin`, whose kind is the field before."""
    fields: tuple[str, ...] = kind._fields
    words = (word.partition(":") for word in _FIELDS.get(kind, "").split())
    return tuple((fields.index(name), what or "strings") for name, _, what in words)


_PLANS: dict[type[r.Record], Plan] = {kind: _plan(kind) for kind in r.KINDS.values()}


def named(record: r.Record) -> Iterator[tuple[str, int]]:
    """What a record names: "strings", "sites", "stacks" (tables), "thread", or "thing" (future or resource); and its number."""
    for index, what in _PLANS[type(record)]:
        number = record[index]
        if number:
            if what in ("waker", "origin"):
                what = _OF_WAKER.get(record[index - 1], "")
            if what:
                yield what, number
