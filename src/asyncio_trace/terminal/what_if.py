"""What a run would have taken, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from rich.console import Console

from asyncio_trace.analysis.what_if.predict import EXACT, Prediction
from asyncio_trace.model import Trace
from asyncio_trace.terminal import summary
from asyncio_trace.terminal.cells import Line, Picture, Span
from asyncio_trace.terminal.glyphs import ASCII, UNICODE
from asyncio_trace.terminal.naming import coroutine_names
from asyncio_trace.terminal.table import Column, table, wrapped
from asyncio_trace.terminal.wording import Names, Wording, count, plural

_ROWS = 10
_AT_ONCE = 200


def draw_predictions(trace: Trace, predictions: Sequence[Prediction], console: Console, *, everything: bool = False) -> None:
    """Write the predictions, as wide as `console`."""
    wording = Wording(ASCII if console.options.ascii_only else UNICODE, console.encoding)
    lines = _Drawing(trace, wording, console.width, everything).lines(predictions)
    while some := list(islice(lines, _AT_ONCE)):
        console.print(Picture(some, wording.glyphs.ellipsis), soft_wrap=True)


class _Drawing:
    def __init__(self, trace: Trace, wording: Wording, width: int, everything: bool) -> None:
        self.trace = trace
        self.wording = wording
        self.width = width
        self.everything = everything
        self.names = Names(trace, wording)

    def lines(self, predictions: Sequence[Prediction]) -> Iterator[Line]:
        """From top to bottom."""
        yield from summary.warning(self.trace)
        for number, prediction in enumerate(predictions):
            if number:
                yield []
            yield from self._prediction(prediction)
        first = predictions[0]
        error = 100 * first.replay_error
        said = f"Replayed as it was, the run takes {self.wording.duration(first.replayed_ns)}: {error:.2g}% off."
        doubt = " The changes are predicted no better than that." if first.replay_error > EXACT else ""
        yield from [[], *wrapped(said + doubt, "blocked" if doubt else "faint", self.width, self.wording)]

    def _prediction(self, prediction: Prediction) -> Iterator[Line]:
        duration, wording = self.wording.duration, self.wording
        for change, effect in zip(prediction.changes, prediction.effects, strict=True):
            yield from wrapped(effect, "plain", self.width, wording, 2, [(wording.clean(change) + "  ", "title")])
        gained = prediction.recorded_ns - prediction.predicted_ns
        name = self.names.full_of(prediction.task)
        style = "running" if gained > 0 else "ready" if gained < 0 else "plain"
        if abs(gained) <= prediction.recorded_ns * EXACT / 10:
            said = f"{name} would take {duration(prediction.recorded_ns)} as it did"
        else:
            share = 100 * abs(gained) / max(1, prediction.recorded_ns)
            said = (
                f"{name} would take {duration(prediction.predicted_ns)} and not {duration(prediction.recorded_ns)}:"
                f" {duration(abs(gained))} {'less' if gained > 0 else 'more'} ({'-' if gained > 0 else '+'}{share:.2g}%)"
            )
        yield from wrapped(said, style, self.width, wording, 2)
        yield from self._coroutines(prediction)

    def _coroutines(self, prediction: Prediction) -> Iterator[Line]:
        rows = [row for row in prediction.coroutines if row.tasks > 1 or self.everything]
        if not rows:
            return
        columns = (Column("coroutine", 12), Column("tasks"), Column("mean life"), Column("would be"), Column("change", rank=1))
        called = coroutine_names([row.coroutine for row in rows], self.names, self.wording)
        shown = rows if self.everything else rows[:_ROWS]
        cells: list[Sequence[Span]] = []
        for row in shown:
            share = 100 * (row.predicted_ns - row.mean_ns) / max(1, row.mean_ns)
            cells.append(
                (
                    (called[row.coroutine], "plain"),
                    (count(row.tasks), "plain"),
                    (self.wording.duration(row.mean_ns), "plain"),
                    (self.wording.duration(row.predicted_ns), "plain"),
                    (f"{share:+.0f}%", "running" if share < 0 else "ready"),
                )
            )
        yield from table(columns, cells, self.width, self.wording.glyphs.ellipsis)
        if len(rows) > len(shown):
            yield [(f"and {plural(len(rows) - len(shown), 'coroutine')} more; `--all` lists them", "faint")]
