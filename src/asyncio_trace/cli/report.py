"""`asyncio-trace report`: what is wrong in a recording, and where its time went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from asyncio_trace.cli.durations import threshold_option

if TYPE_CHECKING:
    from asyncio_trace.analysis.finding import Finding
    from asyncio_trace.analysis.totals import Totals
    from asyncio_trace.model import Trace


@click.command()
@click.argument("file", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="List all findings and rows, not just the first few.")
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
@threshold_option
def command(file: str, everything: bool, as_json: bool, block_threshold: int) -> None:
    """Say what is wrong in the recording FILE, then where its time went."""
    from asyncio_trace.analysis.rules import find_all
    from asyncio_trace.analysis.totals import totals
    from asyncio_trace.model import load

    trace = load(file)
    trace.program.block_threshold_ns = block_threshold
    findings = find_all(trace)
    sums = totals(trace)
    if as_json:
        print_json(_document(trace, sums, findings, block_threshold))
        return

    from asyncio_trace.cli.console import StdoutConsole
    from asyncio_trace.terminal.report import draw_report

    draw_report(trace, sums, findings, StdoutConsole(), block_threshold_ns=block_threshold, everything=everything)


def print_json(document: dict[str, Any]) -> None:
    """Write a document to stdout; a reader who has seen enough (`| head`) is no error."""
    import json

    try:
        click.echo(json.dumps(document, indent=2))
    except BrokenPipeError:
        raise BrokenPipeError from None  # click would take one with an errno for a failure of ours


def _document(trace: Trace, sums: Totals, findings: Sequence[Finding], block_threshold_ns: int) -> dict[str, Any]:
    """The report as JSON; places, findings and the program look as they do in the timeline."""
    from dataclasses import asdict

    from asyncio_trace.exporters.timeline.encode import Encoder

    encoder = Encoder()
    return {
        "format": "asyncio-trace/report",
        "version": 1,
        "program": encoder.program(trace.program),
        "dropped_events": trace.dropped_events,
        "block_threshold_ns": block_threshold_ns,
        "findings": [encoder.finding(finding) for finding in findings],
        "coroutines": [asdict(total) for total in sums.coroutines],
        "waits": [asdict(total) | {"longest_at": encoder.site(total.longest_at)} for total in sums.waits],
        "callbacks": [asdict(total) for total in sums.callbacks],
        "loops": [asdict(total) for total in sums.loops],
        "longest_steps": [
            encoder.run(step.run)
            | {
                "blocking": step.length_ns >= block_threshold_ns,
                "after": step.after and asdict(step.after) | {"at": encoder.site(step.after.at)},
                "before": step.before and asdict(step.before) | {"at": encoder.site(step.before.at)},
            }
            for step in sums.steps
        ],
        "jobs": [asdict(total) | {"at": encoder.site(total.at)} for total in sums.jobs],
    }
