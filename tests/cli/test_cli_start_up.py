"""What starting costs: modules that are imported, and the shell's completion."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import asyncio_trace as package
from cli.command import asyncio_trace, environment, python

HEAVY = ("rich", "opentelemetry", "numpy", "grpc", "google", "jsonschema", "asyncio")


@pytest.mark.parametrize("module", ["asyncio_trace.cli.main", "asyncio_trace.cli.run"])
def test_the_command_line_imports_nothing_heavy(module: str, tmp_path: Path) -> None:
    """Before the program starts, nothing that draws, sends or loops has been imported."""
    code = f"import sys, {module}; print([name for name in sys.modules if name.partition('.')[0] in {HEAVY}])"
    assert python("-c", code, cwd=tmp_path) == (0, "[]\n", "")


def test_no_heavy_import_happens_on_the_way_to_the_program(tmp_path: Path) -> None:
    """Also not while options and target are looked at: the imports of `run`, up to the start of the program's process."""
    code = (
        "import sys\n"
        "from asyncio_trace.cli import child, main\n"
        f"def run(*args, **kwargs): print([name for name in sys.modules if name.partition('.')[0] in {HEAVY}]); sys.exit(0)\n"
        "child.run = run\n"
        "main.main()\n"
    )
    assert python("-c", code, "run", "-o", "t.json", "gather", cwd=tmp_path) == (0, "[]\n", "")


def test_each_module_imports_alone(tmp_path: Path) -> None:
    """No module needs another to have been imported before; each is imported first in a process forked for it."""
    names = [package.__name__]
    names += [
        found.name for found in pkgutil.walk_packages(package.__path__, "asyncio_trace.") if not found.name.endswith("__main__")
    ]
    assert len(names) > 50
    code = (
        "import os, sys, traceback\n"
        "for name in sys.argv[1:]: __import__(name)\n"  # what they need of others is imported once
        "for name in list(sys.modules):\n"
        "    if name.partition('.')[0] == 'asyncio_trace': del sys.modules[name]\n"
        "for name in sys.argv[1:]:\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        try: __import__(name)\n"
        "        except BaseException: traceback.print_exc(); os._exit(1)\n"
        "        os._exit(0)\n"
        "    if os.waitpid(pid, 0)[1]: print(name)\n"
    )
    assert python("-c", code, *names, cwd=tmp_path, flags=("-Werror",)) == (0, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_generates_completion_for_the_shell(shell: str, tmp_path: Path) -> None:
    """The variable that click documents prints a script for the shell."""
    command = [str(Path(sys.executable).parent / "asyncio-trace")]
    if not Path(command[0]).exists():
        command = [sys.executable, "-m", "asyncio_trace"]
    done = subprocess.run(
        command,
        env=environment(_ASYNCIO_TRACE_COMPLETE=f"{shell}_source"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "_ASYNCIO_TRACE_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "at", "wanted"),
    [("asyncio-trace sh", 1, "show"), ("asyncio-trace run gat", 2, "gather"), ("asyncio-trace run --outp", 2, "--output")],
)
def test_completes_commands_options_and_scenarios(words: str, at: int, wanted: str, tmp_path: Path) -> None:
    """What a shell asks for while the user types is answered."""
    variables: dict[str, Any] = {"_ASYNCIO_TRACE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    ended = asyncio_trace(cwd=tmp_path, **variables)
    assert f"plain,{wanted}" in ended.stdout.splitlines()


def test_lists_the_scenarios_and_what_each_teaches(tmp_path: Path) -> None:
    """`asyncio-trace scenarios` has a line for each, the tutorial's four among them."""
    ended = asyncio_trace("scenarios", cwd=tmp_path)
    assert (ended.status, ended.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    assert {"simple", "coroutines", "futures", "gather"} <= set(lines)
    assert all(lines.values())
