"""Every test takes its core from here, and most their loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest

from tracer.tracing import CORES, HAS_EAGER, HAS_UVLOOP, LOOPS, LoopKind, Main, Traced, traced


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """Name of a core."""
    return str(request.param)


@pytest.fixture(params=LOOPS, ids=lambda kind: kind.name)
def loop_kind(request: pytest.FixtureRequest) -> LoopKind:
    """A way of running a main coroutine."""
    kind: LoopKind = request.param
    if kind.name == "uvloop" and not HAS_UVLOOP:
        pytest.skip("uvloop is not installed")
    if kind.eager and not HAS_EAGER:
        pytest.skip("no eager tasks before 3.12")
    return kind


@pytest.fixture
def tracing(core: str) -> Callable[[], AbstractContextManager[Traced]]:
    """Trace what runs inside `with tracing() as traced:`."""
    return partial(traced, core)


@pytest.fixture
def trace_main(core: str, loop_kind: LoopKind) -> Callable[[Main], Traced]:
    """Run a main coroutine on every kind of loop, traced."""

    def run(main: Main) -> Traced:
        with traced(core) as recording:
            recording.result = loop_kind.run(main)
        return recording

    return run


@pytest.fixture(autouse=True)
def policies_may_go() -> Any:
    """asyncio's policy functions warn from 3.14 on; programs that use them still count."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ee]vent_?[Ll]oop_?[Pp]olicy", category=DeprecationWarning)
        yield
