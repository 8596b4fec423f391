"""`asyncio-trace report`: what is wrong in a recording, and where its time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from asyncio_trace.cli.durations import threshold_option
from asyncio_trace.cli.writing import FILE_WIDTH, check_output, format_of, json_text, put_out
from asyncio_trace.errors import UsageError

if TYPE_CHECKING:
    from asyncio_trace.analysis.report import Report
    from asyncio_trace.model import Trace


@click.command()
@click.argument("file", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="List all findings and rows, not just the first few.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), help="Of the output; text unless said.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json: all numbers.")
@click.option("-o", "--output", "path", metavar="PATH", help="Write to this file; .json, .md or .txt decide the format too.")
@click.option("-f", "--force", is_flag=True, help="Overwrite the output if it exists.")
@click.option(
    "--critical-path",
    "path_of",
    metavar="TASK",
    help="Show each stretch of what made this task end when it did; TASK is an id, a name or a coroutine.",
)
@click.option(
    "--flame",
    type=click.Choice(["waits", "runs"]),
    help="Nothing but collapsed stacks, for flamegraph.pl, inferno or speedscope: where tasks waited, or what held the loop.",
)
@threshold_option
def command(
    file: str,
    everything: bool,
    form: str | None,
    as_json: bool,
    path: str | None,
    force: bool,
    path_of: str | None,
    flame: str | None,
    block_threshold: int,
) -> None:
    """Say what is wrong in the recording FILE, then where its time went."""
    if path is not None:
        check_output(path, force=force)
    chosen = format_of(form, as_json, path)
    from asyncio_trace.model import load

    trace = load(file)
    trace.program.block_threshold_ns = block_threshold
    if flame is not None:
        if form is not None or as_json or path_of is not None:
            raise UsageError("--flame writes collapsed stacks and nothing else; leave out --format, --json and --critical-path")
        from asyncio_trace.analysis.flames import collapsed
        from asyncio_trace.analysis.totals import last_instant

        put_out(collapsed(trace, flame, last_instant(trace)), path)
        return

    from asyncio_trace.analysis.report import report

    task = None if path_of is None else _task(trace, path_of)
    made = report(trace, block_threshold_ns=block_threshold, path_of=task)
    if chosen == "text":
        _draw(made, path, everything)
    elif chosen == "json":
        from asyncio_trace.exporters.report.document import document

        put_out([json_text(document(made))], path)
    else:
        from asyncio_trace.terminal.report_markdown import markdown

        put_out(markdown(made, everything=everything), path)


def _draw(made: Report, path: str | None, everything: bool) -> None:
    from asyncio_trace.cli.console import StdoutConsole
    from asyncio_trace.terminal.report import draw_report

    if path is None:
        draw_report(made, StdoutConsole(), everything=everything)
        return
    import io

    paper = io.StringIO()
    draw_report(made, StdoutConsole(file=paper, width=FILE_WIDTH, color_system=None), everything=everything)
    put_out([paper.getvalue().removesuffix("\n")], path)


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
