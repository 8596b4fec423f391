"""Every scenario is a plain asyncio program that does what it says, as a module and as a file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import asyncio_trace.scenarios
from asyncio_trace.scenarios import registry

FOLDER = Path(asyncio_trace.scenarios.__file__).parent
MODULES = {name: module for name, module in registry.names().items() if module.startswith("asyncio_trace.scenarios.")}

# What must be on stdout, in this order, at --seed 7.
ESSENTIAL: dict[str, list[str]] = {
    "simple": ["one coroutine ran"],
    "coroutines": ["coroutine 1, by async def", "coroutine 2, by types.coroutine"],
    "futures": ["the future was resolved by a task"],
    "gather": ["is done after 1 s", "is done after 5 s"],
    "taskgroup": ["fetched a b c", "failed: the server hung up", "cancelled: 2 of 2"],
    "wait": ["first: cat", "in time: bee, dog", "stopped: ant"],
    "as-completed": ["file 3 came", "file 1 came", "file 0 came", "file 2 came", "file 4 came"],
    "timeout": ["quick query: answered", "timeout(): gave up", "wait_for(): gave up"],
    "cancel": ["prompt: cancelled", "tidy: cancelled", "stubborn: went on to the end"],
    "queue": ["produced 12 items", "consumed 12 items"],
    "lock": ["writer 0 wrote", "writer 1 wrote", "writer 2 wrote", "writer 3 wrote"],
    "semaphore": ["8 downloads, never more than 3 at once"],
    "event": ["start", "runner 1 runs", "runner 2 runs", "runner 3 runs", "late runner runs"],
    "condition": ["supplier brings 1", "customer takes 1, 0 left", "supplier brings 2", "customer takes 3, 0 left"],
    "barrier": ["round 1: hiker", "round 2: hiker", "all arrived"],
    "executor": ["to_thread: file 0", "run_in_executor: file 1, file 2, file 3"],
    "streams": ["client-0 heard: one two three", "client-1 heard: one two three", "client-2 heard: one two three"],
    "subprocess": ["child 1: started, finished, exit status 0", "child 2: started, finished, exit status 3"],
    "async-generator": ["20 degrees", "11 degrees", "sensor switched off"],
    "eager": ["lookup-a: waiting", "lookup-b: done at once", "lookup-c: waiting", "then: value of a, value of b, value of c"],
    "exception": ["handled: the card was refused", "the other task went on: reserved", "receipt: done"],
    "blocking": ["2 of 8 ticks were late"],
    "deadlock": ["deadlock: both transfers were still waiting for each other"],
    "leak": ["8 requests handled, 8 tasks left behind"],
    "starvation": ["8 of 8 beats came late"],
}

# What these two are about shows on stderr; all others keep silent there.
COMPLAINTS = {
    "exception": ["Task exception was never retrieved", "RuntimeError: no receipt was sent"],
    "leak": ["Task was destroyed but it is pending!"] * 8,
}

# These print what was in time, so a busy machine needs some room.
SCALES = {"blocking": "0.3", "wait": "0.2"}

NEEDS_312 = {"eager"} if sys.version_info < (3, 12) else set()


def file_of(name: str) -> Path:
    """Return the source file of a scenario."""
    return FOLDER / f"{MODULES[name].rpartition('.')[2]}.py"


def start(*words: str) -> subprocess.Popen[str]:
    """Start Python with all warnings as errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def in_order(pieces: list[str], text: str) -> bool:
    """Tell whether the text has all pieces, one after another."""
    return re.search(".*".join(map(re.escape, pieces)), text, re.DOTALL) is not None


def with_marks(names: list[str]) -> list[object]:
    """Mark the scenario that talks over the loopback interface."""
    return [pytest.param(name, marks=pytest.mark.network) if name == "streams" else name for name in names]


@pytest.mark.parametrize("name", with_marks(sorted(MODULES.keys() - NEEDS_312)))
def test_runs_and_repeats_itself_with_the_same_seed(name: str) -> None:
    """A scenario succeeds, prints what it is about, and prints the same again with the same seed, as a module or as a file."""
    arguments = ["--seed", "7", "--scale", SCALES.get(name, "0.02")]
    with start("-m", MODULES[name], *arguments) as as_module, start(str(file_of(name)), *arguments) as as_file:
        stdout, stderr = as_module.communicate()
        stdout_again, _ = as_file.communicate()
    assert (as_module.returncode, as_file.returncode) == (0, 0), stderr
    assert in_order(ESSENTIAL[name], stdout), stdout
    assert stdout_again == stdout
    if name in COMPLAINTS:
        assert in_order(COMPLAINTS[name], stderr), stderr
    else:
        assert stderr == ""


def test_gather_prints_its_ten_workers_in_the_order_of_their_sleeps() -> None:
    """In `gather` each of the ten workers ends once, the shortest sleep first."""
    with start("-m", MODULES["gather"], "--seed", "7", "--scale", "0.02") as process:
        stdout, _ = process.communicate()
    found = re.findall(r"worker (\d+) is done after (\d) s\n", stdout)
    assert sorted(int(number) for number, _ in found) == list(range(10))
    seconds = [int(duration) for _, duration in found]
    assert seconds == sorted(seconds)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 and newer have eager tasks")
def test_eager_says_which_python_it_needs() -> None:
    """Where there are no eager tasks, `eager` says so in one line and leaves with status 2."""
    with start("-m", MODULES["eager"]) as process:
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (2, "")
    assert re.fullmatch(r".*needs Python 3\.12 or newer; this is Python 3\.11\.\d+\n", stderr)


def test_a_scale_of_zero_is_refused_in_one_line() -> None:
    """`--scale 0` ends a scenario with status 2, one line on stderr and nothing on stdout."""
    with start("-m", MODULES["gather"], "--scale", "0") as process:
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (2, "")
    assert re.fullmatch(r".*error: argument --scale: must be a number greater than 0, not '0'\n", stderr)


def test_all_that_the_contract_names_are_there() -> None:
    """No scenario is missing, and none is there that these tests don't know."""
    assert MODULES.keys() == ESSENTIAL.keys()
    helpers = {"__init__.py", "options.py", "registry.py"}
    assert {path.name for path in FOLDER.glob("*.py")} - helpers == {file_of(name).name for name in MODULES}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_knows_nothing_of_the_tracer(name: str) -> None:
    """A scenario imports the standard library and the shared options, nothing else."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(file_of(name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + (node.module or ""))
    ours = {"asyncio_trace.scenarios.options"}
    assert {module for module in imported - ours if module.partition(".")[0] not in sys.stdlib_module_names} == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_shadows_no_module_of_the_standard_library(name: str) -> None:
    """Run as a file, a scenario puts its folder first on the path, so no file in it may be named like a standard module."""
    assert file_of(name).stem not in sys.stdlib_module_names
