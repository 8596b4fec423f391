"""`asyncio-trace show`: the timeline of a recording, in the terminal."""

from __future__ import annotations

import click

from asyncio_trace.cli.durations import threshold_option


@click.command()
@click.argument("file", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="A row for each task, however many; fold none.")
@threshold_option
def command(file: str, everything: bool, block_threshold: int) -> None:
    """Draw the timeline of the recording FILE, below what is wrong in it."""
    from asyncio_trace.analysis.rules import find_all
    from asyncio_trace.cli.console import StdoutConsole
    from asyncio_trace.model import load
    from asyncio_trace.terminal import draw

    trace = load(file)
    trace.program.block_threshold_ns = block_threshold
    draw(
        trace,
        StdoutConsole(),
        block_threshold_ns=block_threshold,
        max_rows=0 if everything else None,
        findings=find_all(trace),
    )
