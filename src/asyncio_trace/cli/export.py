"""`asyncio-trace export`: a recording in another format, or sent to a collector."""

from __future__ import annotations

from pathlib import Path

import click

from asyncio_trace.cli import outputs
from asyncio_trace.cli.main import fail
from asyncio_trace.errors import OutputError, UsageError


@click.command()
@click.argument("file", type=click.Path())
@click.option("-o", "--output", "paths", multiple=True, metavar="PATH", help="Write this; the suffix decides what. Repeatable.")
@click.option("--otlp", is_flag=True, help="Send spans to where the OTEL_EXPORTER_OTLP_* variables say, else to localhost.")
@click.option("--otlp-endpoint", metavar="URL", help="Send spans there.")
@click.option("--follow", "following", is_flag=True, help="Send while the recording is being written, until its trace ends.")
@click.option("-f", "--force", is_flag=True, help="Overwrite outputs that exist.")
@outputs.embed_source_option
def command(
    file: str,
    paths: tuple[str, ...],
    otlp: bool,
    otlp_endpoint: str | None,
    following: bool,
    force: bool,
    embed_source: bool,
) -> None:
    """Convert the recording FILE, or send it."""
    endpoint = otlp_endpoint if otlp_endpoint is not None else "" if otlp else None
    if not paths and endpoint is None:
        raise UsageError("nothing to do: give -o PATH, --otlp or --otlp-endpoint URL")
    outputs.check(paths, force=force)
    if endpoint is not None:
        outputs.check_endpoint(endpoint)
    if following:
        if endpoint is None or paths:
            raise UsageError("--follow sends: give --otlp or --otlp-endpoint URL, and no -o")
        if outputs.live_sending(endpoint) is not None:
            from asyncio_trace.cli.follow import follow

            follow(file, endpoint, lambda line: click.echo(line, err=True))
        return
    from asyncio_trace.model import load

    failures = outputs.write_all(load(file), Path(file), paths, endpoint, embed_source=embed_source)
    for failure in failures[:-1]:
        fail(failure)
    if failures:
        raise OutputError(failures[-1])
