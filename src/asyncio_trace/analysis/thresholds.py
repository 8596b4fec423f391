"""How much worse one trace may be than another: limits on named numbers, for use where nobody looks at the comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from asyncio_trace.analysis import loop_load, totals
from asyncio_trace.analysis.comparison import NOISE_NS
from asyncio_trace.errors import UsageError
from asyncio_trace.model import Trace

WHOLE = ("duration", "running", "ready", "waiting", "tasks", "runs", "lag.p50", "lag.p99", "lag.max")
"""Metrics of the whole trace. `running` is what the loops ran, `ready` and `waiting` are summed over all tasks."""
OF_COROUTINE = ("tasks", "lifetime", "running", "ready", "waiting", "longest_step")
"""Metrics of `coroutine[NAME]`: means for each task, but for `tasks` and `longest_step`."""
OF_WAIT = ("count", "waiting", "ready", "longest")
"""Metrics of `wait[KIND]`: means for each wait, but for `count` and `longest`."""
COUNTS = frozenset({"tasks", "runs", "count"})
"""These are numbers; all others are times in nanoseconds."""
FORM = "METRIC>+20%, METRIC>+5ms or METRIC>50ms"
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit on one number of the second trace."""

    text: str
    """As it was asked for."""
    metric: str
    above: bool
    """Exceeded by what is above the limit; else by what is below it."""
    value: float
    """Percent, nanoseconds, or a number."""
    relative: bool
    """The limit is this change of what it was,"""
    percent: bool
    """in percent."""

    @property
    def is_time(self) -> bool:
        """Whether the metric is a time."""
        return self.metric.rpartition(".")[2] not in COUNTS

    def limit(self, a: float) -> float:
        """The limit, where the first trace has `a`."""
        if not self.relative:
            return self.value
        return a * (1 + self.value / 100) if self.percent else a + self.value


@dataclass(frozen=True, slots=True)
class Verdict:
    """A threshold, and what the two traces have."""

    threshold: Threshold
    a: int
    b: int
    limit: float
    exceeded: bool
    """The second trace is beyond the limit."""


def parse(text: str) -> Threshold:
    """Read `lag.p99>+20%`, `duration>+50ms`, `coroutine[handle].waiting>10ms`, `tasks>+10`.

    Raises:
        UsageError: It is none, or names a metric that there is not.
    """
    match = re.fullmatch(r"\s*(.+?)\s*([<>])\s*([+-]?)(\d+(?:\.\d*)?|\.\d+)\s*(%|ns|us|µs|ms|s|)\s*", text)
    if match is None:
        raise UsageError(f"{text!r} is no threshold; write {FORM}")
    metric, sign, change, number, unit = match.groups()
    _check(text, metric)
    is_time = metric.rpartition(".")[2] not in COUNTS
    if unit == "%" and not change:
        raise UsageError(f"{text!r}: of what? write {metric}{sign}+{number}% for a change from A to B")
    if unit != "%" and is_time != bool(unit) and float(number):
        raise UsageError(f"{text!r}: {metric} is a time; write {number}ms" if is_time else f"{text!r}: {metric} is a number")
    value = float(number) * _UNITS.get(unit, 1) * (-1 if change == "-" else 1)
    return Threshold(text, metric, sign == ">", value, bool(change), unit == "%")


def _check(text: str, metric: str) -> None:
    match = re.fullmatch(r"(coroutine|wait)\[(.+)\]\.(\w+)", metric)
    of = {"coroutine": OF_COROUTINE, "wait": OF_WAIT}
    if metric not in WHOLE and (match is None or match[3] not in of[match[1]]):
        raise UsageError(
            f"{text!r}: there is no metric {metric!r}; there are {', '.join(WHOLE)}, coroutine[NAME].{'|'.join(OF_COROUTINE)}"
            f" and wait[KIND].{'|'.join(OF_WAIT)}"
        )


def judge(thresholds: list[Threshold], a: Trace, b: Trace) -> list[Verdict]:
    """Hold trace `b` against the thresholds.

    Raises:
        UsageError: A threshold names a coroutine or kind of wait that neither trace has.
    """
    first, second = _Numbers(a), _Numbers(b)
    verdicts = []
    for threshold in thresholds:
        values = first.get(threshold.metric), second.get(threshold.metric)
        if values == (None, None):
            raise UsageError(f"{threshold.text!r}: neither recording has {threshold.metric.rpartition('.')[0]}")
        was, now = values[0] or 0, values[1] or 0
        limit = threshold.limit(was)
        exceeded = now > limit if threshold.above else now < limit
        if threshold.percent and threshold.is_time and abs(now - was) < NOISE_NS:
            exceeded = False
        verdicts.append(Verdict(threshold, was, now, limit, exceeded))
    return verdicts


class _Numbers:
    """The metrics of one trace, each group of them made when first asked for."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._end = totals.last_instant(trace)

    def get(self, metric: str) -> int | None:
        """A metric; None if the trace has no such coroutine or wait."""
        if metric.startswith("lag."):
            return {"p50": self._lag.p50_ns, "p99": self._lag.p99_ns, "max": self._lag.max_ns}[metric[4:]]
        match = re.fullmatch(r"(coroutine|wait)\[(.+)\]\.(\w+)", metric)
        if match is None:
            return self._whole[metric]()
        return (self._coroutine if match[1] == "coroutine" else self._wait)(match[2], match[3])

    @cached_property
    def _lag(self) -> loop_load.Lag:
        return loop_load.lag(self._trace)

    @cached_property
    def _coroutines(self) -> list[totals.CoroutineTotal]:
        return totals.by_coroutine(self._trace, self._end)

    @cached_property
    def _waits(self) -> list[totals.WaitTotal]:
        return totals.by_wait(self._trace, self._end, apart=False)

    @property
    def _whole(self) -> dict[str, Callable[[], int]]:
        program = self._trace.program
        runs = self._trace.runs.columns
        return {
            "duration": lambda: (program.duration_ns or self._end) - program.recorded_from_ns,
            "running": lambda: int((runs.end_ns - runs.start_ns).sum()),
            "ready": lambda: sum(total.ready_ns for total in self._coroutines),
            "waiting": lambda: sum(total.waiting_ns for total in self._coroutines),
            "tasks": lambda: len(self._trace.tasks),
            "runs": lambda: len(self._trace.runs),
        }

    def _coroutine(self, name: str, measure: str) -> int | None:
        found = list(self._named(name))
        tasks = sum(total.tasks for total in found)
        if not tasks:
            return None
        if measure == "tasks":
            return tasks
        if measure == "longest_step":
            return max(total.longest_step_ns for total in found)
        return sum(int(getattr(total, f"{measure}_ns")) for total in found) // tasks

    def _named(self, name: str) -> Iterator[totals.CoroutineTotal]:
        """By qualified name, with or without what it is defined in."""
        for total in self._coroutines:
            if name in (total.coroutine, total.coroutine.rpartition("<locals>.")[2]):
                yield total

    def _wait(self, kind: str, measure: str) -> int | None:
        found = [total for total in self._waits if total.kind == kind]
        number = sum(total.count for total in found)
        if not number:
            return None
        if measure == "count":
            return number
        if measure == "longest":
            return max(total.longest_ns for total in found)
        return sum(int(getattr(total, f"{measure}_ns")) for total in found) // number
