"""CPython's own tests of asyncio end traced as they end plainly, and it was traced loops that they ran on.

Without the second half the first is worth nothing: many of these tests reset the policy or make loops by hand, and a tracer
that they go round passes them all. Takes minutes, so it runs only where it is asked for.
"""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import platform
from functools import cache

import pytest

from tracer.tracing import CORES
from transparency import suite
from transparency.suite import Outcomes

ASKED_FOR = (
    "transparency" in os.environ.get("ASYNCIO_TRACE_REQUIRE", "").replace(",", " ").split()
    or os.environ.get("ASYNCIO_TRACE_TRANSPARENCY") == "1"
)
PACKAGE = "test.test_asyncio"

pytestmark = [
    pytest.mark.transparency,
    pytest.mark.skipif(not ASKED_FOR, reason="takes minutes: ASYNCIO_TRACE_TRANSPARENCY=1 runs it"),
]

LEAST_TRACED = 0.95
"""Of the tests that run a loop, how many must run it traced."""

RETRIES = 2
"""Many of these tests measure time or race with threads: one that fails is tried again."""


def modules() -> list[str]:
    """All modules of CPython's test_asyncio that hold tests; skips where a Python comes without its tests."""
    if importlib.util.find_spec("test") is None or importlib.util.find_spec(PACKAGE) is None:
        pytest.skip(f"this Python {platform.python_version()} comes without {PACKAGE}")
    folders = importlib.import_module(PACKAGE).__path__
    return [f"{PACKAGE}.{module.name}" for module in pkgutil.iter_modules(folders) if module.name.startswith("test_")]


@cache
def plainly() -> Outcomes:
    """What comes of the suite without us; a test that failed by chance is tried again."""
    outcomes = suite.run(modules(), None)
    failed = [test for test, note in outcomes.notes.items() if note.outcome == "failed"]
    outcomes.add(suite.run_again(failed, outcomes, None))
    return outcomes


@pytest.mark.parametrize("core", CORES)
def test_cpythons_tests_of_asyncio_end_as_without_us(core: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Traced, every test of CPython's test_asyncio ends as it does plainly, nothing is lost, and it ran on traced loops."""
    plain = plainly()
    assert len(plain.with_loops) > 1000, plain.said()
    assert plain.count("failed") <= 0.01 * len(plain.notes), f"a Python whose own tests fail tells little: {plain.said()}"
    traced = suite.run(modules(), core)
    figures = traced.said()
    different = suite.differences(plain, traced)
    first = len(different)
    for _ in range(RETRIES):
        again = suite.run_again(different, plain, core)
        traced.notes.update(again.notes)
        traced.trouble += again.trouble
        different = suite.differences(plain, traced)
    with capsys.disabled():
        print(f"\ntest_asyncio on {platform.python_version()}, plain: {plain.said()}")
        print(f"test_asyncio on {platform.python_version()}, {core} core: {figures}")
        print(f"  {first} ended otherwise than plainly, {len(different)} of them each time")
    assert not different, "\n\n".join(
        f"{test}: {plain.notes[test].outcome} plainly, {note.outcome} traced\n{note.detail}" for test, note in different.items()
    )
    assert traced.trouble == []
    untraced = [note.test for note in traced.with_loops if not note.on_traced_loops]
    assert traced.traced_share >= LEAST_TRACED, f"{len(untraced)} tests ran loops that were not traced: {untraced[:20]}"
