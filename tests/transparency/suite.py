"""Runs somebody else's test suite module by module, plainly and traced, and says where the two differ.

Each module gets a process of its own, so one that hangs or crashes costs no other module's tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from cli.command import MODULE, environment

PROGRAM = Path(__file__).with_name("watched_suite.py")

DEADLINE = 300
"""Seconds after which a module is taken to hang that did not even end itself."""

AT_ONCE = 2 * min(2, os.cpu_count() or 1)
"""Modules at a time: more than there are processors, for these tests mostly sleep; not many more, for they measure time too."""


class Note(NamedTuple):
    """What came of one test: how it ended, and on which loops it ran."""

    test: str
    outcome: str
    detail: str = ""
    loops: int = 0
    ran: int = 0
    traced: int = 0

    @property
    def on_traced_loops(self) -> bool:
        """Whether every loop that it ran was traced."""
        return self.traced == self.ran


@dataclass
class Outcomes:
    """What came of a run of the suite, or of a part of it."""

    notes: dict[str, Note] = field(default_factory=dict)
    module_of: dict[str, str] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    """What the tracer itself had to say of modules: failures, lost events."""

    def add(self, other: Outcomes) -> None:
        """Take in what came of another part, or of another try."""
        self.notes.update(other.notes)
        self.module_of.update(other.module_of)
        self.trouble += other.trouble

    @property
    def with_loops(self) -> list[Note]:
        """Tests that ran a loop. One that only made a loop had nothing that could be traced."""
        return [note for note in self.notes.values() if note.ran]

    @property
    def traced_share(self) -> float:
        """How many of the tests that ran a loop ran traced ones alone, of 1."""
        return sum(note.on_traced_loops for note in self.with_loops) / max(len(self.with_loops), 1)

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return sum(note.outcome == outcome for note in self.notes.values())

    def said(self) -> str:
        """The figures, in a line."""
        skipped, failed = self.count("skipped"), self.count("failed")
        return (
            f"{len(self.notes)} tests, {skipped} skipped, {failed} failed; "
            f"{sum(note.loops > 0 for note in self.notes.values())} made a loop, {len(self.with_loops)} ran one, "
            f"{self.traced_share:.2%} of these a traced one"
        )


def run(modules: Iterable[str], core: str | None, path: Path | None = None) -> Outcomes:
    """Run the tests of some modules, traced by a core or plainly; `path` is where the modules are if they are not installed."""
    return _side_by_side([(module, None) for module in modules], core, path)


def run_again(tests: Iterable[str], like: Outcomes, core: str | None, path: Path | None = None) -> Outcomes:
    """Run some tests of an earlier run once more, each module's on their own."""
    in_order = sorted(tests, key=lambda test: like.module_of[test])
    jobs = [(name, list(some)) for name, some in groupby(in_order, lambda test: like.module_of[test])]
    return _side_by_side(jobs, core, path)


def differences(plain: Outcomes, traced: Outcomes) -> dict[str, Note]:
    """Tests that ended otherwise when traced; one that fails by itself tells nothing."""
    return {
        test: traced.notes.get(test, Note(test, "did not run"))
        for test, note in plain.notes.items()
        if note.outcome != "failed" and (test not in traced.notes or traced.notes[test].outcome != note.outcome)
    }


def _side_by_side(jobs: Sequence[tuple[str, list[str] | None]], core: str | None, path: Path | None) -> Outcomes:
    outcomes = Outcomes()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for part in pool.map(lambda job: _run(job[0], job[1], core, path), jobs):
            outcomes.add(part)
    return outcomes


def _run(module: str, only: list[str] | None, core: str | None, path: Path | None) -> Outcomes:
    """One module, in a process and a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="asyncio-trace-transparency-"))
    try:
        notes = folder / "notes"
        words = [str(PROGRAM), str(notes), module]
        if only is not None:
            (folder / "only").write_text("\n".join(only))
            words.append(str(folder / "only"))
        command = [] if core is None else [*MODULE, "run", "-q", "--core", core]
        try:
            done = subprocess.run(
                [sys.executable, *command, *words],
                cwd=folder,
                env=environment(PYTHONPATH=None if path is None else str(path)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=DEADLINE,
            )
            end = f"exit status {done.returncode}\n{done.stderr[-4000:]}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            end = f"no end after {DEADLINE} s"
        return _read(module, notes, end)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(module: str, path: Path, end: str) -> Outcomes:
    """Make sense of the notes of a process; tests that it had and did not come to are failures."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    outcomes = Outcomes()
    expected: list[str] = []
    ended: Mapping[str, object] | None = None
    for line in lines:
        if "tests" in line:
            expected = line["tests"]
        elif "end" in line:
            ended = line["end"]
        else:
            outcomes.notes[line["test"]] = Note(**line)
    if ended is None:
        for test in expected or [module]:
            outcomes.notes.setdefault(test, Note(test, "failed", f"{module} did not come to its end: {end}"))
    elif ended["failure"] or ended["lost"]:
        outcomes.trouble.append(f"{module}: {ended['failure']}, {ended['lost']} events lost")
    elif end:
        outcomes.trouble.append(f"{module}: all tests ended, and then {end}")
    outcomes.module_of = dict.fromkeys(outcomes.notes, module)
    return outcomes
