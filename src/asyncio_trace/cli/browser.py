"""Opens the viewer's page in the user's browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncio_trace.model import Trace

PAGE_SUFFIX = ".html"


def show(page: str) -> None:
    """Open the file `page`, and say where it is: the browser may be on another machine."""
    import webbrowser

    where = Path(page).resolve()
    click.echo(f"viewer: {where}", err=True)
    try:
        opened = webbrowser.open(where.as_uri())
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        click.echo("no browser could be started here: open that file with one", err=True)


def make_and_show(trace: Trace, name: str, *, embed_source: bool) -> None:
    """Write the page of `trace` to a folder of temporary files, which stays for the browser to read, and open it.

    Raises:
        OutputError: It could not be written.
    """
    import tempfile

    from asyncio_trace.cli.outputs import load_exporter, progress_bar

    exporter = load_exporter("html", embed_source=embed_source)
    page = os.path.join(tempfile.mkdtemp(prefix="asyncio-trace-view-"), f"{Path(name).stem or 'trace'}{PAGE_SUFFIX}")
    with progress_bar(f"writing {page}") as progress:
        exporter.export(trace, page, progress)
    show(page)


def show_run(trace: Trace, recording: Path, paths: Iterable[str], *, embed_source: bool) -> None:
    """Open the first page among what a run wrote, or one made for that.

    Raises:
        OutputError: It could not be written.
    """
    pages = [path for path in paths if path.endswith(PAGE_SUFFIX) and os.path.exists(path)]
    if pages:
        show(pages[0])
    else:
        make_and_show(trace, recording.name, embed_source=embed_source)
