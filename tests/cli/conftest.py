"""Runs that several tests look at from different sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli import timeline
from cli.command import Ended, asyncio_trace

GATHER = ("gather", "--scale", "0.02", "--seed", "7")


class Traced(NamedTuple):
    """A scenario that ran, and its timeline."""

    ended: Ended
    timeline: dict[str, Any]


@pytest.fixture(scope="session")
def gather(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """`run gather --scale 0.02 --seed 7 -o t.json`."""
    folder = tmp_path_factory.mktemp("gather")
    ended = asyncio_trace("run", *GATHER, "-o", "t.json", cwd=folder)
    return Traced(ended, timeline.read(folder / "t.json"))


@pytest.fixture(scope="session")
def futures(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """`run -q -o t.json futures --scale 0.02`."""
    folder = tmp_path_factory.mktemp("futures")
    ended = asyncio_trace("run", "-q", "-o", "t.json", "futures", "--scale", "0.02", cwd=folder)
    return Traced(ended, timeline.read(folder / "t.json"))


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of `gather`."""
    path = tmp_path_factory.mktemp("recording") / "gather.atrace"
    ended = asyncio_trace("run", "-q", "-o", str(path), *GATHER, cwd=path.parent)
    assert (ended.status, ended.stderr) == (0, "")
    return path
