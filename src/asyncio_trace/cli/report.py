"""`asyncio-trace report`: what is wrong in a recording, and where its time went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from asyncio_trace.cli.durations import threshold_option
from asyncio_trace.errors import UsageError

if TYPE_CHECKING:
    from asyncio_trace.model import Trace


@click.command()
@click.argument("file", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="List all findings and rows, not just the first few.")
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
@click.option(
    "--critical-path",
    "path_of",
    metavar="TASK",
    help="Show each stretch of what made this task end when it did; TASK is an id, a name or a coroutine.",
)
@threshold_option
def command(file: str, everything: bool, as_json: bool, path_of: str | None, block_threshold: int) -> None:
    """Say what is wrong in the recording FILE, then where its time went."""
    from asyncio_trace.analysis.report import report
    from asyncio_trace.model import load

    trace = load(file)
    task = None if path_of is None else _task(trace, path_of)
    made = report(trace, block_threshold_ns=block_threshold, path_of=task)
    if as_json:
        from asyncio_trace.exporters.report.document import document

        print_json(document(made))
        return

    from asyncio_trace.cli.console import StdoutConsole
    from asyncio_trace.terminal.report import draw_report

    draw_report(made, StdoutConsole(), everything=everything)


def _task(trace: Trace, word: str) -> int:
    """Id of the task that a person means by `word`."""
    from asyncio_trace.analysis.choosing import find_task
    from asyncio_trace.cli.main import nearest

    task = find_task(trace, word)
    if task is not None:
        return task.id
    known = dict.fromkeys(
        name for task in trace.tasks for name in (task.name, task.coroutine.rpartition("<locals>.")[2]) if name
    )
    raise UsageError(f"the recording has no task of id, name or coroutine {word!r}{nearest(word, known)}")


def print_json(document: dict[str, Any]) -> None:
    """Write a document to stdout; a reader who has seen enough (`| head`) is no error."""
    import json

    try:
        click.echo(json.dumps(document, indent=2))
    except BrokenPipeError:
        raise BrokenPipeError from None  # click would take one with an errno for a failure of ours
