"""How the loops of a running program do: what is measured while records stream by, and kept as sums."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

LAG_BOUNDS_NS = (
    100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
    250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
)  # fmt: skip
"""Upper bounds of the lag histogram's buckets, inclusive; a last bucket has no bound."""


@dataclass(slots=True)
class LoopMeter:
    """Sums over one loop since the trace began. Times in nanoseconds."""

    lags: list[int] = field(default_factory=lambda: [0] * (len(LAG_BOUNDS_NS) + 1))
    """Number of runs by how long they were ready before they ran."""
    lag_ns: int = 0
    """Sum of those times. Over a stretch of time, its growth divided by the stretch is the mean length of the ready queue
    (Little's law)."""
    least_lag_ns: int = 0
    most_lag_ns: int = 0
    running_ns: int = 0
    idle_ns: int = 0
    blocking: int = 0
    """Runs longer than the threshold."""
    tasks: int = 0
    """Tasks alive."""

    @property
    def runs(self) -> int:
        """Number of runs whose lag is known."""
        return sum(self.lags)


class Meters:
    """Meters of all loops, by the loop's id, and what the program's tasks came to."""

    def __init__(self, block_threshold_ns: int) -> None:
        self.loops: dict[int, LoopMeter] = {}
        self.outcomes: Counter[str] = Counter()
        """Tasks by outcome; those that live are in `LoopMeter.tasks`."""
        self.waits = self.runs = self.futures = self.jobs = 0
        self.dropped_events = 0
        self.block_threshold_ns = block_threshold_ns

    def loop(self, number: int) -> LoopMeter:
        """The meter of a loop."""
        meter = self.loops.get(number)
        if meter is None:
            meter = self.loops[number] = LoopMeter()
        return meter

    def ran(self, loop: int, ready_ns: int, start_ns: int, end_ns: int, own_ns: int) -> bool:
        """A run of a step or callback, of which `own_ns` were not other runs inside it; whether it blocked.

        `ready_ns` is 0 if it is not known when it became ready.
        """
        meter = self.loop(loop)
        self.runs += 1
        meter.running_ns += own_ns
        if ready_ns and ready_ns <= start_ns:
            lag = start_ns - ready_ns
            meter.lags[bisect_left(LAG_BOUNDS_NS, lag)] += 1
            if lag > meter.most_lag_ns:
                meter.most_lag_ns = lag
            if lag < meter.least_lag_ns or not meter.lag_ns:
                meter.least_lag_ns = lag
            meter.lag_ns += lag
        blocked = end_ns - start_ns > self.block_threshold_ns
        meter.blocking += blocked
        return blocked
