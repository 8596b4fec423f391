"""`asyncio-trace view`: a recording in the viewer, in the browser."""

from __future__ import annotations

import os

import click

from asyncio_trace.cli.outputs import embed_source_option


@click.command()
@click.argument("file", type=click.Path())
@embed_source_option
def command(file: str, embed_source: bool) -> None:
    """Open the recording FILE, or a page made by `export -o OUT.html`, in the browser."""
    from asyncio_trace.cli import browser
    from asyncio_trace.model import load

    if file.endswith(browser.PAGE_SUFFIX) and os.path.isfile(file):
        browser.show(file)
        return
    browser.make_and_show(load(file), file, embed_source=embed_source)
