"""Runs plain Python and asyncio-trace as subprocesses, so that the two can be compared."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

DEADLINE = 60
"""Seconds after which anything started here is taken to hang."""

MODULE = ("-m", "asyncio_trace")

_compiled = tempfile.TemporaryDirectory(prefix="asyncio-trace-tests-")


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def said(self) -> list[str]:
        """Lines of stderr."""
        return self.stderr.splitlines()


def environment(**changes: str | None) -> dict[str, str]:
    """The tests' own environment less what would change a program's output; None takes a variable away."""
    values: dict[str, str | None] = {**os.environ, "PYTHONPATH": None, "NO_COLOR": None, "FORCE_COLOR": None, "COLUMNS": None}
    values.update(PYTHONDONTWRITEBYTECODE=None, PYTHONPYCACHEPREFIX=_compiled.name)  # so many processes: compile once
    values.update(changes)
    return {name: value for name, value in values.items() if value is not None}


def python(*words: str, cwd: Path, stdin: str = "", flags: tuple[str, ...] = (), **changes: str | None) -> Ended:
    """Run `python FLAGS WORDS...` to its end."""
    done = subprocess.run(
        [sys.executable, *flags, *words],
        cwd=cwd,
        env=environment(**changes),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def asyncio_trace(*words: str, cwd: Path, stdin: str = "", flags: tuple[str, ...] = (), **changes: str | None) -> Ended:
    """Run `asyncio-trace WORDS...` to its end."""
    return python(*MODULE, *words, cwd=cwd, stdin=stdin, flags=flags, **changes)


def traced(*words: str, cwd: Path, stdin: str = "", flags: tuple[str, ...] = (), **changes: str | None) -> Ended:
    """Run `asyncio-trace run -q WORDS...` to its end."""
    return asyncio_trace("run", "-q", *words, cwd=cwd, stdin=stdin, flags=flags, **changes)


def recordings(folder: Path) -> list[Path]:
    """Recordings with default names in a folder."""
    return sorted(folder.glob("asyncio-trace-*.atrace"))
