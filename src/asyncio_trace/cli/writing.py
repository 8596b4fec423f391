"""Text that goes to stdout or to a file: documents of `report`, `diff` and `what-if`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import click

from asyncio_trace.errors import OutputError, UsageError

FILE_WIDTH = 120
"""Columns of a text that goes to a file."""
_FORMATS = {".json": "json", ".md": "markdown", ".txt": "text"}
"""What the suffix of an output says."""


def format_of(form: str | None, as_json: bool, path: str | None) -> str:
    """`text`, `json` or `markdown`: what `--format`, `--json` or the suffix of the output asks for, in this order.

    Raises:
        UsageError: The options contradict each other.
    """
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} contradict each other")
    if as_json:
        return "json"
    return form or _FORMATS.get(os.path.splitext(path or "")[1].lower(), "text")


def check_output(path: str, *, force: bool) -> None:
    """See that a file can be written, before any work.

    Raises:
        UsageError: It can't.
    """
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder; give the name of a file")
    if not os.path.isdir(folder):
        raise UsageError(f"{path} can't be written: there is no folder {folder}")
    if os.path.isfile(path) and not force:
        raise UsageError(f"{path} exists; take another name, or overwrite it with --force")


def put_out(lines: Iterable[str], path: str | None) -> None:
    """Write lines to stdout, or to a file that is there whole or not at all.

    A reader of stdout who has seen enough (`| head`) is no error.

    Raises:
        OutputError: The file could not be written.
    """
    if path is None:
        try:
            for line in lines:
                click.echo(line)
        except BrokenPipeError:
            raise BrokenPipeError from None  # click would take one with an errno for a failure of ours
        return
    from asyncio_trace.exporters.timeline.atomic_file import written_whole

    try:
        with written_whole(path) as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def json_text(document: dict[str, Any]) -> str:
    """A document as it is printed."""
    import json

    return json.dumps(document, indent=2)
