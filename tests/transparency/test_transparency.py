"""CPython's own tests of asyncio, and uvloop's, end traced as they end plainly, and it was traced loops that they ran on.

Without the second half the first is worth nothing: many of these tests reset the policy or make loops by hand, and a tracer
that they go round passes them all. Takes minutes, so it runs only where it is asked for.
"""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import platform
from functools import cache
from pathlib import Path

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

FEWEST_WITH_LOOPS = {"test_asyncio": 1000, "uvloop's tests": 200}
"""With fewer tests that run a loop a suite was not found, or the watching failed."""

RETRIES = 2
"""Many of these tests measure time or race with threads: one that fails is tried again."""


UVLOOPS_TESTS = os.environ.get("ASYNCIO_TRACE_UVLOOP_TESTS")
"""Folder with the `tests` of uvloop's source distribution; a wheel comes without them."""

NOT_OF_LOOPS = {"test_sourcecode", "test_aiohttp"}
"""uvloop's tests of its own style; and a test of a server that is another's."""


def cpythons_modules() -> list[str]:
    """All modules of CPython's test_asyncio that hold tests; skips where a Python comes without its tests."""
    if importlib.util.find_spec("test") is None or importlib.util.find_spec(PACKAGE) is None:
        pytest.skip(f"this Python {platform.python_version()} comes without {PACKAGE}")
    folders = importlib.import_module(PACKAGE).__path__
    return [f"{PACKAGE}.{module.name}" for module in pkgutil.iter_modules(folders) if module.name.startswith("test_")]


def uvloops_modules(path: Path) -> list[str]:
    """All modules of uvloop's tests of its loop."""
    names = sorted(module.stem for module in (path / "tests").glob("test_*.py"))
    return [f"tests.{name}" for name in names if name not in NOT_OF_LOOPS]


@cache
def plainly(modules: tuple[str, ...], path: Path | None) -> Outcomes:
    """What comes of a suite without us; a test that failed by chance is tried again."""
    outcomes = suite.run(modules, None, path)
    failed = [test for test, note in outcomes.notes.items() if note.outcome == "failed"]
    outcomes.add(suite.run_again(failed, outcomes, None, path))
    return outcomes


def compare(name: str, modules: list[str], core: str, path: Path | None = None) -> str:
    """Run a suite plainly and traced, and check that nothing differs and that the loops were traced; the figures."""
    plain = plainly(tuple(modules), path)
    assert plain.count("failed") <= 0.01 * len(plain.notes), f"a suite that fails by itself tells little: {plain.said()}"
    traced = suite.run(modules, core, path)
    different = suite.differences(plain, traced)
    figures = (
        f"\n{name} on {platform.python_version()}, plain: {plain.said()}"
        f"\n{name} on {platform.python_version()}, {core} core: {traced.said()}"
        f"\n  {len(different)} ended otherwise than plainly at first"
    )
    for _ in range(RETRIES):
        again = suite.run_again(different, plain, core, path)
        traced.notes.update(again.notes)
        traced.trouble += again.trouble
        different = suite.differences(plain, traced)
    assert not different, figures + "".join(
        f"\n\n{test}: {plain.notes[test].outcome} plainly, {note.outcome} traced\n{note.detail}"
        for test, note in different.items()
    )
    assert traced.trouble == [], figures
    untraced = [note.test for note in traced.with_loops if not note.on_traced_loops]
    assert traced.traced_share >= LEAST_TRACED, f"{figures}\n{len(untraced)} ran loops that were not traced: {untraced[:20]}"
    assert len(traced.with_loops) > FEWEST_WITH_LOOPS[name], figures
    return figures


@pytest.mark.parametrize("core", CORES)
def test_cpythons_tests_of_asyncio_end_as_without_us(core: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Traced, every test of CPython's test_asyncio ends as it does plainly, nothing is lost, and it ran on traced loops."""
    figures = compare("test_asyncio", cpythons_modules(), core)
    with capsys.disabled():
        print(figures)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.skipif(UVLOOPS_TESTS is None, reason="ASYNCIO_TRACE_UVLOOP_TESTS does not say where uvloop's own tests are")
def test_uvloops_tests_end_as_without_us(core: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Traced, every test of uvloop's own ends as it does plainly, nothing is lost, and it ran on traced loops."""
    pytest.importorskip("uvloop")
    path = Path(str(UVLOOPS_TESTS)).resolve()
    figures = compare("uvloop's tests", uvloops_modules(path), core, path)
    with capsys.disabled():
        print(figures)
