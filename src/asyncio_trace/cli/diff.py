"""`asyncio-trace diff`: what got slower between two recordings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from asyncio_trace.cli.writing import json_text, put_out

if TYPE_CHECKING:
    from asyncio_trace.analysis.comparison import Change, Comparison, Difference
    from asyncio_trace.model import Trace


@click.command()
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Show all rows, and changes under 1% or 10 us too.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def command(a: str, b: str, everything: bool, as_json: bool) -> None:
    """Say what got slower from recording A to recording B, by coroutine and by wait."""
    from asyncio_trace.analysis.comparison import compare
    from asyncio_trace.model import load

    traces = load(a), load(b)
    comparison = compare(*traces)
    if as_json:
        shown = comparison if everything else comparison.beyond_noise()
        put_out([json_text(_document(traces, (a, b), shown))], None)
        return

    from asyncio_trace.cli.console import StdoutConsole
    from asyncio_trace.terminal.comparison import draw_comparison

    draw_comparison(*traces, comparison, (a, b), StdoutConsole(), everything=everything)


def _document(traces: tuple[Trace, Trace], paths: tuple[str, str], comparison: Comparison) -> dict[str, Any]:
    from asyncio_trace.exporters.timeline.encode import Encoder

    encoder = Encoder()
    compared = {
        letter: {"path": path, "complete": trace.complete, "program": encoder.program(trace.program)}
        for letter, path, trace in zip("ab", paths, traces, strict=True)
    }
    return {
        "format": "asyncio-trace/diff",
        "version": 1,
        **compared,
        "program": _changes(comparison.program),
        "coroutines": [{"coroutine": row.name, **_difference(row)} for row in comparison.coroutines],
        "waits": [{"kind": row.kind, "label": row.name, **_difference(row)} for row in comparison.waits],
    }


def _difference(row: Difference) -> dict[str, Any]:
    return {"only_in": row.only_in, "grew_ns": row.grew_ns, "changes": _changes(row.changes)}


def _changes(changes: Iterable[Change]) -> dict[str, Any]:
    """By measure; names of times end with `_ns`."""
    return {
        change.measure + "_ns" * change.is_time: {
            "a": change.a,
            "b": change.b,
            "change": change.by,
            "percent": None if change.percent is None else round(change.percent, 2),
            "change_in_all": change.in_all,
        }
        for change in changes
    }
