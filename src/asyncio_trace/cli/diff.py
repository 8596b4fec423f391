"""`asyncio-trace diff`: what got slower between two recordings."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from asyncio_trace.cli.writing import FILE_WIDTH, check_output, format_of, json_text, put_out

if TYPE_CHECKING:
    from asyncio_trace.analysis.comparison import Change, Comparison, Difference
    from asyncio_trace.analysis.thresholds import Verdict
    from asyncio_trace.model import Trace


@click.command()
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Show all rows, and changes under 1% or 10 us too.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), help="Of the output; text unless said.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", "path", metavar="PATH", help="Write to this file; .json, .md or .txt decide the format too.")
@click.option("-f", "--force", is_flag=True, help="Overwrite the output if it exists.")
@click.option(
    "--fail-on",
    "limits",
    multiple=True,
    metavar="THRESHOLD",
    help="Exit with 1 if B is beyond this: lag.p99>+20%, duration>+50ms, coroutine[handle].waiting>10ms. Repeatable.",
)
def command(
    a: str, b: str, everything: bool, form: str | None, as_json: bool, path: str | None, force: bool, limits: tuple[str, ...]
) -> None:
    """Say what got slower from recording A to recording B, by coroutine and by wait."""
    from asyncio_trace.analysis.comparison import compare
    from asyncio_trace.analysis.thresholds import judge, parse
    from asyncio_trace.model import load

    chosen = format_of(form, as_json, path)
    if path is not None:
        check_output(path, force=force)
    thresholds = [parse(limit) for limit in limits]
    traces = load(a), load(b)
    comparison = compare(*traces)
    verdicts = judge(thresholds, *traces)
    if chosen == "json":
        shown = comparison if everything else comparison.beyond_noise()
        put_out([json_text(_document(traces, (a, b), shown, verdicts))], path)
    elif chosen == "markdown":
        from asyncio_trace.terminal.comparison_markdown import markdown

        put_out(markdown(*traces, comparison, (a, b), verdicts, everything=everything), path)
    else:
        _draw(traces, comparison, (a, b), verdicts, path, everything)
    exceeded = [verdict.threshold.text for verdict in verdicts if verdict.exceeded]
    if exceeded:
        from asyncio_trace.cli.main import fail

        fail(f"B is beyond {', '.join(exceeded)}")
        click.get_current_context().exit(1)


def _draw(
    traces: tuple[Trace, Trace],
    comparison: Comparison,
    paths: tuple[str, str],
    verdicts: Sequence[Verdict],
    path: str | None,
    everything: bool,
) -> None:
    from asyncio_trace.cli.console import StdoutConsole
    from asyncio_trace.terminal.comparison import draw_comparison

    paper = io.StringIO()
    console = StdoutConsole() if path is None else StdoutConsole(file=paper, width=FILE_WIDTH, color_system=None)
    draw_comparison(*traces, comparison, paths, console, verdicts=verdicts, everything=everything)
    if path is not None:
        put_out([paper.getvalue().removesuffix("\n")], path)


def _document(
    traces: tuple[Trace, Trace], paths: tuple[str, str], comparison: Comparison, verdicts: Iterable[Verdict]
) -> dict[str, Any]:
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
        "thresholds": [_verdict(verdict) for verdict in verdicts],
        "program": _changes(comparison.program),
        "coroutines": [{"coroutine": row.name, **_difference(row)} for row in comparison.coroutines],
        "waits": [{"kind": row.kind, "label": row.name, **_difference(row)} for row in comparison.waits],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    """Times are nanoseconds."""
    threshold = verdict.threshold
    return {
        "threshold": threshold.text,
        "metric": threshold.metric,
        "a": verdict.a,
        "b": verdict.b,
        "limit": verdict.limit,
        "exceeded": verdict.exceeded,
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
