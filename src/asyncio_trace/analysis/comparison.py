"""What changed from one trace to another: by coroutine, by what was waited on, and for the whole program.

Coroutines are matched by qualified name, waits by kind and label. Numbers are means for each task or wait, so that a trace of
more requests is not slower for that alone; what it costs in all says which change matters most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asyncio_trace.analysis import totals
from asyncio_trace.model import Trace

NOISE_NS = 10_000
"""Times that differ by less are taken to be equal,"""
NOISE_SHARE = 100
"""and so is everything that differs by less than one part in so many."""


@dataclass(frozen=True, slots=True)
class Change:
    """One number in both traces."""

    measure: str
    """`tasks`, `waits`, or what the nanoseconds are: `lifetime`, `running`, `ready`, `waiting`, ..."""
    is_time: bool
    a: int
    b: int
    in_all: int
    """By how much the sum over all tasks or waits changed."""

    @property
    def by(self) -> int:
        """The change."""
        return self.b - self.a

    @property
    def percent(self) -> float | None:
        """The change in percent of what it was; None if that was nothing."""
        return 100 * self.by / self.a if self.a > 0 else None

    @property
    def is_noise(self) -> bool:
        """Whether the two are as good as equal."""
        return abs(self.by) * NOISE_SHARE < abs(self.a) or self.by == 0 or (self.is_time and abs(self.by) < NOISE_NS)


@dataclass(frozen=True, slots=True)
class Difference:
    """A coroutine, or something waited on, in both traces or in one of them."""

    kind: str | None
    """Kind of wait; None for a coroutine."""
    name: str
    """The coroutine's qualified name, or the label of the wait."""
    only_in: str | None
    """`a` or `b`, if the other trace does not have it."""
    changes: tuple[Change, ...]
    """Means, after their count."""
    grew_ns: int
    """By how much the time in all changed: the lifetimes of tasks, the lengths of waits."""

    def beyond_noise(self) -> Difference | None:
        """The same without what is as good as equal; None if nothing is left. What only one trace has is kept whole."""
        if self.only_in:
            return self
        changes = tuple(change for change in self.changes if not change.is_noise)
        return Difference(self.kind, self.name, None, changes, self.grew_ns) if changes else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """From trace A to trace B. What grew most comes first."""

    program: list[Change]
    coroutines: list[Difference]
    waits: list[Difference]

    def beyond_noise(self) -> Comparison:
        """The same without what is as good as equal."""
        return Comparison(
            [change for change in self.program if not change.is_noise],
            [kept for difference in self.coroutines if (kept := difference.beyond_noise())],
            [kept for difference in self.waits if (kept := difference.beyond_noise())],
        )


def _recorded(trace: Trace, end: int) -> int:
    """How long the recording is, in nanoseconds; `end` is the trace's last instant."""
    return (trace.program.duration_ns or end) - trace.program.recorded_from_ns


def compare(a: Trace, b: Trace) -> Comparison:
    """Compare two traces, number by number."""
    ends = totals.last_instant(a), totals.last_instant(b)
    return Comparison(
        [
            _whole("duration", True, *(_recorded(trace, end) for trace, end in zip((a, b), ends, strict=True))),
            _whole("running", True, totals.running_ns(a), totals.running_ns(b)),
            _whole("tasks", False, len(a.tasks), len(b.tasks)),
            _whole("runs", False, len(a.runs), len(b.runs)),
        ],
        _differences(_coroutines(a, ends[0]), _coroutines(b, ends[1]), "tasks"),
        _differences(_waits(a, ends[0]), _waits(b, ends[1]), "waits"),
    )


def _whole(measure: str, is_time: bool, a: int, b: int) -> Change:
    return Change(measure, is_time, a, b, b - a)


@dataclass(frozen=True, slots=True)
class _Sums:
    """What one trace says of a coroutine or a wait."""

    count: int
    cost_ns: int
    """By which differences are ranked."""
    times: dict[str, int]


_Key = tuple[str | None, str]


def _coroutines(trace: Trace, end_ns: int) -> dict[_Key, _Sums]:
    return {
        (None, total.coroutine): _Sums(
            total.tasks,
            total.lifetime_ns,
            {
                "lifetime": total.lifetime_ns,
                "running": total.running_ns,
                "ready": total.ready_ns,
                "waiting": total.waiting_ns,
            },
        )
        for total in totals.by_coroutine(trace, end_ns)
    }


def _waits(trace: Trace, end_ns: int) -> dict[_Key, _Sums]:
    return {
        (total.kind, total.label): _Sums(
            total.count,
            total.waiting_ns + total.ready_ns,
            {"waiting": total.waiting_ns, "ready": total.ready_ns},
        )
        for total in totals.by_wait(trace, end_ns, apart=False)
    }


def _differences(a: Mapping[_Key, _Sums], b: Mapping[_Key, _Sums], counted: str) -> list[Difference]:
    """Match what goes by one key."""
    found = []
    for key in dict.fromkeys((*a, *b)):
        first, second = a.get(key), b.get(key)
        only_in = "b" if first is None else "a" if second is None else None
        first, second = first or _nothing(second), second or _nothing(first)
        changes = [_whole(counted, False, first.count, second.count)]
        for measure in first.times:
            sums = first.times[measure], second.times[measure]
            changes.append(Change(measure, True, _mean(sums[0], first.count), _mean(sums[1], second.count), sums[1] - sums[0]))
        found.append(Difference(*key, only_in, tuple(changes), second.cost_ns - first.cost_ns))
    return sorted(found, key=lambda difference: (-difference.grew_ns, difference.kind or "", difference.name))


def _nothing(like: _Sums | None) -> _Sums:
    return _Sums(0, 0, dict.fromkeys(like.times if like else (), 0))


def _mean(total: int, number: int) -> int:
    return (2 * total + number) // (2 * number) if number else 0
