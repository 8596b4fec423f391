"""What `run` does about a ring: the options, and the recordings that were made of it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import click

from asyncio_trace.errors import InputError, UsageError
from asyncio_trace.recording.limits import parse_ring, parse_when


class Ring(NamedTuple):
    """What was asked for."""

    size: int
    """Bytes."""
    when: list[str]
    """What causes a recording, as it was given."""


def options(command: Any) -> Any:
    """`--ring` and `--when`."""
    command = click.option(
        "--when",
        multiple=True,
        metavar="TRIGGER",
        help="With --ring: write what it holds when this happens; repeatable, or with commas. blocked>DURATION: a run of a loop"
        " took longer, once it is over. exception: one that nobody handles, in a loop or in the main thread. signal: SIGUSR2,"
        " unless the program handles it. exit: the program ends, kill -9 included. Default: exit.",
    )(command)
    return click.option(
        "--ring", metavar="SIZE", help="Keep only the last part of the trace, at most so much on disk: 64MB, 1GiB."
    )(command)


def parse(size: str | None, when: tuple[str, ...]) -> Ring | None:
    """What the options say.

    Raises:
        UsageError: They make no sense.
    """
    if size is None:
        if when:
            raise UsageError("--when says when a ring is written; give its size with --ring 64MB")
        return None
    parse_when(when)
    return Ring(parse_ring(size), list(when))


def check(recording: str, *, force: bool) -> None:
    """See that no ring is where that of a recording is to be.

    Raises:
        UsageError: One is.
    """
    from asyncio_trace.recording.ring import check_free, folder_of

    if not force:
        check_free(folder_of(recording))


def recordings(recording: Path, ring: Ring, group: str, *, force: bool) -> tuple[list[Path], list[str]]:
    """What a program that has ended leaves: the recordings that were made of its ring, in order, and what went wrong. Where it,
    or a child of it, was killed, the last one is made here.
    """
    from asyncio_trace.recording.dump import numbered
    from asyncio_trace.recording.group import beside
    from asyncio_trace.recording.ring import FOLDER_SUFFIX, folder_of

    made = []
    for number in itertools.count(1):
        path = numbered(recording, number)
        if not path.exists():
            break
        if _group_of(path) == group:
            made.append(path)
    failures: list[str] = []
    for folder in (folder_of(recording), *beside(recording, FOLDER_SUFFIX)):
        if (folder / "header").exists() and _group_of(folder / "header") == group:
            path = folder.with_name(folder.name.removesuffix(FOLDER_SUFFIX))
            last = _save(folder, path, ring, force=force, failures=failures)
            if last is not None and path == recording:
                made.append(last)
    return made, failures


def _save(folder: Path, recording: Path, ring: Ring, *, force: bool, failures: list[str]) -> Path | None:
    """Make the last recording of a ring that was left, if it is wanted, and remove the ring."""
    from asyncio_trace.recording import ring as rings
    from asyncio_trace.recording.dump import dump, numbered

    made = None
    if parse_when(ring.when).exit:
        names = (path for number in itertools.count(1) if not (path := numbered(recording, number)).exists())
        try:
            made = dump(folder, names if not force else iter((next(names),)), force=force)
        except OSError as error:
            failures.append(
                f"the last part could not be written: {error.strerror or error}; it stays in {folder}, save it with "
                f"`asyncio-trace repair {folder} -o FILE`"
            )
            return None
    rings.remove(folder)
    return made


def _group_of(path: Path) -> object:
    from asyncio_trace.recording.reader import RecordingReader

    try:
        with RecordingReader(path) as reader:
            return reader.header.get("group")
    except InputError:
        return None
