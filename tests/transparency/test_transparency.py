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
from transparency.suite import Note, Outcomes

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

_LOOKS_INSIDE = "asserts that a pending future's private _callbacks is empty, and there stands the sentinel"
KNOWN = {
    "test_callbacks_copy": _LOOKS_INSIDE,
    "test_gather_does_not_add_callback_to_outer": _LOOKS_INSIDE,
    "test_shield_cancel_outer": _LOOKS_INSIDE,
    "test_shield_cancel_outer_in_task": _LOOKS_INSIDE,
    "test_shield_cancel_outer_twice_exception": _LOOKS_INSIDE,
}
"""Tests, by name without class, that can't pass traced, and why."""


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


def known(note: Note) -> bool:
    """Whether a test is one that can't pass traced."""
    return note.test.rpartition(".")[2] in KNOWN


@pytest.mark.parametrize("core", CORES)
def test_cpythons_tests_of_asyncio_end_as_without_us(core: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Traced, every test of CPython's test_asyncio ends as it does plainly, nothing is lost, and it ran on traced loops."""
    plain = plainly()
    assert len(plain.with_loops) > 1000, plain.said()
    traced = suite.run(modules(), core)
    figures = traced.said()
    different = suite.differences(plain, traced)
    for _ in range(RETRIES):
        again = suite.run_again([test for test, note in different.items() if not known(note)], plain, core)
        different.update({test: note for test, note in again.notes.items() if test in different})
        different = {test: note for test, note in different.items() if note.outcome != plain.notes[test].outcome}
    unknown = [note for note in different.values() if not known(note)]
    with capsys.disabled():
        print(f"\ntest_asyncio on {platform.python_version()}, plain: {plain.said()}")
        print(f"test_asyncio on {platform.python_version()}, {core} core: {figures}")
        print(f"  {len(unknown)} differ after {RETRIES} retries; {len(different) - len(unknown)} of those known to look inside")
    assert not unknown, "\n\n".join(
        f"{note.test}: {plain.notes[note.test].outcome} plainly, {note.outcome} traced\n{note.detail}" for note in unknown
    )
    assert traced.trouble == []
    untraced = [note.test for note in traced.with_loops if not note.on_traced_loops]
    assert traced.traced_share >= LEAST_TRACED, f"{len(untraced)} tests ran loops that were not traced: {untraced[:20]}"
