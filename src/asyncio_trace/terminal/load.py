"""How busy a loop was over time: one line each for what it ran, how late it was, and how many tasks stood in line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from asyncio_trace.analysis.loop_load import Lag, LoopLoad
from asyncio_trace.terminal.cells import Line, width_of
from asyncio_trace.terminal.table import wrapped
from asyncio_trace.terminal.wording import Wording, count, percent, plural

_LABEL = 6


def sparkline(values: Sequence[float], most: float, width: int, heights: str) -> str:
    """One character for each value, or for the highest of a few where there is less room; a blank for nothing."""
    room = max(1, min(width, len(values)))
    bounds = [place * len(values) // room for place in range(room + 1)]
    shown = [max(values[first:last]) for first, last in pairwise(bounds)]
    if most <= 0:
        return " " * room
    last = len(heights) - 1
    return "".join(heights[min(last, int(value / most * len(heights)))] if value > 0 else " " for value in shown)


def loop_lines(load: LoopLoad, wording: Wording, width: int) -> list[Line]:
    """Busy, lag and ready tasks of one loop."""
    heights = wording.glyphs.heights
    rows = (
        ("busy", load.busy, 1.0, "running", _mean(load.busy, wording)),
        ("lag", load.lag_ns, max(load.lag_ns, default=0), "ready", lag_in_words(load.lag, wording)),
        ("ready", load.most_ready, max(load.most_ready, default=0), "waiting", _queue(load)),
    )
    room = max(1, width - _LABEL)
    beside = all(width_of(text) + 2 <= room - min(room, len(values)) for _, values, _, _, text in rows)
    lines: list[Line] = []
    for label, values, most, style, text in rows:
        line: Line = [(label.ljust(_LABEL), "faint"), (sparkline(values, most, room, heights), style)]
        if beside:
            lines.append([*line, (f"  {text}", "plain")])
        else:
            lines += [line, *wrapped(text, "plain", width, wording, _LABEL, [(" " * _LABEL, "")])]
    return lines


def lag_in_words(lag: Lag, wording: Wording) -> str:
    """`p50 20 µs, p99 3 ms, at most 40 ms`."""
    return (
        f"p50 {wording.duration(lag.p50_ns)}, p99 {wording.duration(lag.p99_ns)}, at most {wording.duration(lag.max_ns)}"
        f" over {plural(lag.steps, 'step')}"
    )


def _mean(busy: Sequence[float], wording: Wording) -> str:
    return f"{percent(round(1_000_000 * sum(busy)), 1_000_000 * max(1, len(busy)))} in the mean"


def _queue(load: LoopLoad) -> str:
    mean = sum(load.ready) / max(1, len(load.ready))
    return f"{mean:.2g} in the mean, {count(max(load.most_ready, default=0))} at most"
