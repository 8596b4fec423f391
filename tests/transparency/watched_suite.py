"""Runs a module of somebody else's tests with unittest, and notes of each test how it ended and on which loops it ran.

A program of its own, started plain or by `asyncio-trace run`; it imports nothing of ours. It watches loops from where no frame
of its own lies beneath the program: `BaseEventLoop` calls `_set_coroutine_origin_tracking` at both ends of a run.

    python watched_suite.py NOTES MODULE [ONLY]

NOTES gets a line of JSON for each test; ONLY is a file with the ids of the tests to run.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import json
import sys
import unittest
from collections.abc import Iterator
from typing import Any
from weakref import ReferenceType, ref

DEADLINE = 240
"""Seconds for one module; one that takes longer hangs."""


class Loops:
    """The loops that the running test made or ran, and whether each was traced."""

    def __init__(self) -> None:
        self.traced_when_run: dict[ReferenceType[Any], bool] = {}
        self.made: set[ReferenceType[Any]] = set()
        self.attached: set[ReferenceType[Any]] = set()

    def begin(self) -> None:
        """The next test begins."""
        self.made.clear()
        self.traced_when_run.clear()

    def counts(self) -> dict[str, int]:
        """How many loops the test had, how many ran, and how many of those that ran (of all, if none did) were traced."""
        loops = self.made | self.traced_when_run.keys()
        traced = self.traced_when_run.values() if self.traced_when_run else (loop in self.attached for loop in loops)
        return {"loops": len(loops), "ran": len(self.traced_when_run), "traced": sum(traced)}

    def watch(self) -> None:
        """Begin to watch asyncio's loops, uvloop's where it is installed, and the tracer if it is there."""
        from asyncio import BaseEventLoop

        self._after(BaseEventLoop, "__init__", lambda loop: self.made.add(ref(loop)))
        self._after(BaseEventLoop, "_set_coroutine_origin_tracking", self._ran)
        with contextlib.suppress(ImportError):
            import uvloop

            self._after(uvloop.Loop, "__init__", lambda loop: self.made.add(ref(loop)))
            self._after(uvloop.Loop, "run_forever", self._ran)
        session = getattr(sys.modules.get("asyncio_trace.tracer.session"), "active", lambda: None)()
        if session is not None:
            attach = session.core.attach

            def watched(loop: Any, **kwargs: Any) -> Any:
                state = attach(loop, **kwargs)
                self.attached.add(ref(loop))
                return state

            session.core.attach = watched

    def _ran(self, loop: Any) -> None:
        self.traced_when_run[ref(loop)] = bool(getattr(loop, "_asyncio_trace", None))

    @staticmethod
    def _after(kind: Any, name: str, note: Any) -> None:
        """Call `note` with the loop after each call of a method."""
        original = getattr(kind, name)

        @functools.wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return original(self, *args, **kwargs)
            finally:
                note(self)

        setattr(kind, name, method)


class Result(unittest.TextTestResult):
    """Writes a line for each test as it ends."""

    loops: Loops
    notes: Any

    def startTest(self, test: Any) -> None:  # noqa: N802
        """Take in that a test begins."""
        self._outcome, self._detail = "passed", ""
        self._running = True
        self.loops.begin()
        super().startTest(test)

    def stopTest(self, test: Any) -> None:  # noqa: N802
        """Note how a test ended."""
        super().stopTest(test)
        self._running = False
        self._note(test)

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        """Also called for a class or module whose set-up failed."""
        super().addError(test, err)
        self._ended(test, "failed", self.errors[-1][1])

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        """Take in a failure."""
        super().addFailure(test, err)
        self._ended(test, "failed", self.failures[-1][1])

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        """Take in a part of a test, which fails it if it fails."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._ended(test, "failed", (self.failures + self.errors)[-1][1])

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        """Take in a skip, of a whole class too."""
        super().addSkip(test, reason)
        self._ended(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        """Take in a failure that is as it should be."""
        super().addExpectedFailure(test, err)
        self._ended(test, "failed as expected", "")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        """Take in a success that is not as it should be."""
        super().addUnexpectedSuccess(test)
        self._ended(test, "passed unexpectedly", "")

    def _ended(self, test: Any, outcome: str, detail: str) -> None:
        if getattr(self, "_outcome", "passed") != "failed" or not self._running:
            self._outcome, self._detail = outcome, detail
        if not getattr(self, "_running", False):
            self._note(test)

    def _note(self, test: Any) -> None:
        note = {"test": test.id(), "outcome": self._outcome, "detail": self._detail, **self.loops.counts()}
        print(json.dumps(note), file=self.notes, flush=True)

    _running = False


def tests_in(suite: Any) -> Iterator[Any]:
    """The tests of a suite, in their order."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from tests_in(part)
        else:
            yield part


def main(notes: str, module: str, only: str | None = None) -> None:
    """Run the tests of a module, and note what came of each."""
    faulthandler.dump_traceback_later(DEADLINE, exit=True)
    try:
        tests = list(tests_in(unittest.defaultTestLoader.loadTestsFromName(module)))
    except unittest.SkipTest:  # a module for another platform
        tests = []
    if only is not None:
        with open(only) as file:
            wanted = set(file.read().splitlines())
        tests = [test for test in tests if test.id() in wanted]
    Result.loops = Loops()
    with open(notes, "w") as Result.notes:
        print(json.dumps({"tests": [test.id() for test in tests]}), file=Result.notes, flush=True)
        Result.loops.watch()
        result_class: Any = Result
        unittest.TextTestRunner(verbosity=0, resultclass=result_class).run(unittest.TestSuite(tests))
        session = getattr(sys.modules.get("asyncio_trace.tracer.session"), "active", lambda: None)()
        recorder = getattr(session, "recorder", None)
        end = {"failure": recorder and recorder.failure, "lost": recorder.lost_events if recorder else 0}
        print(json.dumps({"end": end}), file=Result.notes, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
