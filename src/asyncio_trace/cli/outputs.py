"""What `run` and `export` write: chosen by suffix, checked before any work, then made one by one so that one failure spares the
rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asyncio_trace.errors import OutputError, UsageError

if TYPE_CHECKING:
    from asyncio_trace.cli.live import LiveSending
    from asyncio_trace.exporters.protocol import Exporter, Progress
    from asyncio_trace.model import Trace

RECORDING_SUFFIX = ".atrace"
SENDER = "otlp"
"""The exporter that `--otlp` takes."""

embed_source_option = click.option(
    "--embed-source", is_flag=True, help="Put the source lines that the trace names into the viewer's page."
)


def check(paths: Iterable[str], *, force: bool) -> None:
    """See that each path can be written and that an exporter knows its suffix.

    Raises:
        UsageError: It can't; nothing has been touched.
    """
    seen: set[str] = set()
    for path in paths:
        if os.path.realpath(path) in seen:
            raise UsageError(f"{path} is given twice as an output")
        seen.add(os.path.realpath(path))
        if not path.endswith(RECORDING_SUFFIX):
            exporter_name(path)
        folder = os.path.dirname(path) or "."
        if os.path.isdir(path):
            raise UsageError(f"{path} is a folder; give the name of a file")
        if not os.path.isdir(folder):
            raise UsageError(f"{path} can't be written: there is no folder {folder}")
        if os.path.lexists(path):
            if not force:
                raise UsageError(f"{path} exists; take another name, or overwrite it with --force")
            if not os.access(path, os.W_OK):
                raise UsageError(f"{path} can't be written: permission denied")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"{path} can't be written: permission denied for the folder {folder}")


def exporter_name(path: str) -> str:
    """Name of the exporter for a path, the longest suffix first (`.otlp.json` before `.json`).

    Raises:
        UsageError: None writes such files.
    """
    from importlib.metadata import entry_points

    names = sorted({entry.name for entry in entry_points(group="asyncio_trace.exporters")} - {SENDER})
    fitting = [name for name in names if path.endswith(f".{name}")]
    if not fitting:
        suffixes = ", ".join([RECORDING_SUFFIX, *(f".{name}" for name in names)])
        raise UsageError(f"{path}: no exporter writes such files; the suffixes known here are {suffixes}")
    return max(fitting, key=len)


def load_exporter(name: str, *, embed_source: bool = False) -> Exporter:
    """An exporter by the name of its entry point; if it can embed source lines, `embed_source` says whether it shall.

    Raises:
        OutputError: It can't be loaded.
    """
    from importlib.metadata import entry_points

    for entry in entry_points(group="asyncio_trace.exporters", name=name):
        try:
            exporter: Exporter = entry.load()()
        except Exception as error:
            raise OutputError(f"the exporter {name!r} can't be loaded: {type(error).__name__}: {error}") from None
        if hasattr(exporter, "embed_source"):
            exporter.embed_source = embed_source
        return exporter
    raise OutputError(f"there is no exporter {name!r}; is asyncio-trace installed whole?")


def check_endpoint(endpoint: str) -> None:
    """See that spans could be sent to `endpoint` ("" is the default) as far as that shows without connecting.

    Raises:
        UsageError: It is no URL, or an OTEL_* variable is wrong.
    """
    exporter: Any = load_exporter(SENDER)
    check = getattr(exporter, "check", None)
    if check is not None:
        check(endpoint)


def live_sending(endpoint: str | None) -> LiveSending | None:
    """What sends to `endpoint` while the program runs; None if nothing is to be sent."""
    if endpoint is None or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    from asyncio_trace.cli.live import LiveSending

    return LiveSending(endpoint)


def write_all(
    trace: Trace, recording: Path, paths: Iterable[str], endpoint: str | None, *, embed_source: bool = False
) -> list[str]:
    """Write every path, and send to `endpoint` unless it is None ("" is the default one).

    Returns what went wrong, one line each; everything else is done.
    """
    import shutil

    failures = []
    targets = [(path, exporter_name(path)) for path in paths if not path.endswith(RECORDING_SUFFIX)]
    if endpoint is not None:
        targets.append((endpoint, SENDER))
    for target, name in targets:
        try:
            with progress_bar(f"sending to {target or 'the collector'}" if name == SENDER else f"writing {target}") as progress:
                load_exporter(name, embed_source=embed_source).export(trace, target, progress)
        except (OutputError, UsageError) as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{target} could not be written: {error.strerror or error}")
    for path in paths:
        if path.endswith(RECORDING_SUFFIX) and not (os.path.exists(path) and os.path.samefile(path, recording)):
            try:
                shutil.copyfile(recording, path)
            except OSError as error:
                failures.append(f"{path} could not be written: {error.strerror or error}")
    return failures


class progress_bar:  # noqa: N801
    """Shows a bar on a terminal for work that takes longer than half a second; use as a context manager."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._started = 0.0
        self._bar: object = None

    def __enter__(self) -> Progress:
        import time

        self._started = time.monotonic()

        def progress(done: int, total: int) -> None:
            if self._bar is None and sys.stderr.isatty() and time.monotonic() - self._started > 0.5:
                from rich.console import Console
                from rich.progress import Progress as Bar

                bar = Bar(console=Console(stderr=True), transient=True)
                self._task = bar.add_task(self._label.replace("[", "\\["), total=total)
                bar.start()
                self._bar = bar
            if self._bar is not None:
                self._bar.update(self._task, completed=done, total=total)  # type: ignore[attr-defined]

        return progress

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]
