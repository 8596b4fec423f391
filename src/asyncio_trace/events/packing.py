"""How each field of a record is packed: the one place that gives every field its class.

A packed record is one byte and then its fields, each a variable-length integer. The byte holds the record's kind in its low six
bits; bit 7 says that the loop is the same as in the last record that had one, and is left out. What grows steadily (times, ids)
is written as the difference to the last such value, so most fields take a byte or two, and a record some ten. This is fixed for
version 2 of the recording: a kind's classes never change, and what comes later takes a number from `FIRST_SKIPPED_KIND` on, and
carries its length.
"""

from __future__ import annotations

from enum import Enum

from asyncio_trace.events import records as r


class FieldClass(Enum):
    """How the bytes of a field make its value."""

    ID = "id"
    """Signed difference to the last id of the stream; becomes the last id."""
    REF = "ref"
    """The value: an id that may be 0 and leaves the last id as it is."""
    TIME = "time"
    """Signed difference to the last time of the stream, in ns; becomes the last time."""
    DURATION = "dur"
    """Nanoseconds since the last time; the sum becomes the last time."""
    BACK = "back"
    """Signed difference from the value to the record's first time, in ns."""
    NUMBER = "num"
    """The value."""
    SIGNED = "sig"
    """The value, signed."""
    LOOP = "loop"
    """The value, unless bit 7 of the first byte says "as before"."""


CLASSES: dict[type[r.Record], tuple[FieldClass, ...]] = {
    record: tuple(FieldClass(word) for word in words.split())
    for record, words in {
        r.LoopStarted: "ref time num num",
        r.LoopClosed: "loop time",
        r.Idle: "loop time dur",
        r.TaskCreated: "id time loop ref num num num",
        r.TaskNamed: "id num",
        r.Step: "id loop time dur num ref num back num ref num ref back",
        r.Woken: "id time num ref num",
        r.TaskDone: "id time num num",
        r.CallbackRun: "loop num time dur back num ref",
        r.FutureCreated: "id time loop ref num num",
        r.FutureResolved: "id time num num ref num",
        r.CancelRequested: "id time num ref num",
        r.JobSubmitted: "id time loop ref ref num num",
        r.JobRan: "id time dur num num",
        r.ThreadSeen: "num num num",
        r.ResourceSeen: "id num",
        r.ParentSpan: "id sig sig sig num",
        r.Dropped: "num",
        r.Ended: "time",
        r.YieldedStep: "id loop time dur num",
        r.NumberedName: "id num",
        r.LoopAlive: "ref time num num back",
        r.TaskAlive: "id time loop ref num num num num num back ref num ref back",
        r.ResourceState: "id time num num num",
        r.ResourceTaken: "id time ref num num",
        r.ResourceReleased: "id time num ref num num",
        r.ResourceSet: "id time num ref num num",
        r.QueueLength: "id time num ref num num",
        r.WaitsFor: "id ref num",
        r.Blocked: "loop time ref back num num",
        r.NeverAwaited: "time num num num",
        r.NeverRetrieved: "ref time num num num num",
        r.CancelIgnored: "id time",
    }.items()
}
"""Record type to the classes of its fields, in their order."""

SAME_LOOP = 0x80
"""Bit of a packed record's first byte: the loop is that of the last record that had a field of class `LOOP`."""

RESERVED_BIT = 0x40
"""Bit of the first byte that is 0."""

KIND_MASK = 0x3F

FIRST_SKIPPED_KIND = 48
"""From this kind on a packed record carries the length of what follows its first byte and the length itself."""
