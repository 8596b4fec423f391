"""`asyncio-trace what-if`: what a run would have taken if something in it had been otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from asyncio_trace.cli.writing import json_text, put_out

if TYPE_CHECKING:
    from asyncio_trace.analysis.what_if.predict import Prediction
    from asyncio_trace.model import Trace


@click.command()
@click.argument("file", type=click.Path())
@click.argument("changes", metavar="CHANGE...", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="List all coroutines that would change.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def command(file: str, changes: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Say what the run in the recording FILE would have taken with each CHANGE, and with all of them.

    \b
    thread:PLACE[=THREADS]   blocking steps at PLACE run in an executor's threads
    semaphore:ID=WIDTH       the semaphore lets in WIDTH at once
    shorter:PLACE=TIME       waits at PLACE take TIME at most; or, written 50%, so much of what they took
    gather:PLACE             awaits at PLACE that stand one after another are done together

    PLACE is app.py:42, app.py:40-44 or the name of a function.
    """
    from asyncio_trace.analysis.what_if.changes import parse
    from asyncio_trace.analysis.what_if.predict import predict
    from asyncio_trace.model import load

    wanted = [parse(change) for change in changes]
    trace = load(file)
    predictions = [predict(trace, [change]) for change in wanted]
    if len(wanted) > 1:
        predictions.append(predict(trace, wanted))
    if as_json:
        put_out([json_text(_document(trace, predictions))], None)
        return

    from asyncio_trace.cli.console import StdoutConsole
    from asyncio_trace.terminal.what_if import draw_predictions

    draw_predictions(trace, predictions, StdoutConsole(), everything=everything)


def _document(trace: Trace, predictions: list[Prediction]) -> dict[str, Any]:
    from dataclasses import asdict

    from asyncio_trace.exporters.timeline.encode import Encoder

    return {
        "format": "asyncio-trace/what-if",
        "version": 1,
        "program": Encoder().program(trace.program),
        "complete": trace.complete,
        "predictions": [asdict(prediction) for prediction in predictions],
    }
