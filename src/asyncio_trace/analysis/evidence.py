"""What rules say things with: the program's own line in a stack, places, durations and names in words, parts of tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from asyncio_trace.model import Site, Trace
from asyncio_trace.model.kinds import is_asyncio

_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_STANDARD = re.compile(r"[/\\]lib(?:64)?[/\\]python3\.\d+t?[/\\]|^<frozen |[/\\]Lib[/\\]")
_UNITS = (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000))


def is_own(site: Site) -> bool:
    """Whether code is the program's own: neither asyncio's nor the standard library's, and not of an installed package."""
    return not (is_asyncio(site) or _INSTALLED.search(site.file) or _STANDARD.search(site.file))


def own_line(stack: Sequence[Site]) -> Site | None:
    """The innermost frame in which somebody can change something: the program's own, else an installed package's, else any
    that is not asyncio's. None if there is none.
    """
    frames = [site for site in reversed(stack) if not is_asyncio(site)]
    for wanted in (is_own, lambda site: not _STANDARD.search(site.file) or _INSTALLED.search(site.file)):
        for site in frames:
            if wanted(site):
                return site
    return frames[0] if frames else None


def place(site: Site | None) -> str:
    """`app.py:12`; empty for None."""
    return "" if site is None else f"{PurePath(site.file).name or site.file}:{site.line}"


def duration(ns: int) -> str:
    """Nanoseconds in three digits."""
    for unit, size in _UNITS:
        value = ns / size
        if value >= 1:
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
    return f"{max(0, ns)} ns"


def function(qualified: str) -> str:
    """A function's name without those that it is defined in."""
    return qualified.rpartition("<locals>.")[2]


def times(number: int) -> str:
    """`once`, `twice`, `7 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def plural(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Iterable[str], most: int = 3) -> str:
    """`a, b and 5 more`, each once."""
    distinct = list(dict.fromkeys(names))
    shown, more = distinct[:most], len(distinct) - most
    if more > 0:
        return f"{', '.join(shown)} and {more:,} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def task_name(trace: Trace, row: int) -> str:
    """What a person calls a task: its name, if the program gave it one, else its coroutine's with its number."""
    columns = trace.tasks.columns
    name = trace.strings[int(columns.name[row])]
    coroutine = function(trace.strings[int(columns.coroutine[row])])
    if not name or re.fullmatch(r"Task-\d+", name):
        return f"{coroutine} ({name or f'task {int(columns.id[row])}'})"
    return name


def is_whole(trace: Trace) -> bool:
    """Whether nothing is missing between the recording's begin and its end, so that what is not there did not happen."""
    return not (trace.dropped_events or trace.gaps or trace.program.recorded_from_ns)
