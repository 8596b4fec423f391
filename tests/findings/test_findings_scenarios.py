"""Each scenario yields the findings that it declares, at those lines, and no others: on both cores, asyncio and uvloop."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.rules import find_all
from asyncio_trace.model import load
from asyncio_trace.scenarios import registry
from cli.command import DEADLINE, MODULE, environment
from tracer.tracing import CORES, HAS_UVLOOP

MODULES = {name: module for name, module in registry.names().items() if module.startswith("asyncio_trace.scenarios.")}
NEEDS_312 = {"eager"} if sys.version_info < (3, 12) else set()
SCALES = {"starvation": "1", "blocking": "0.5"}
"""What is to block must do so for longer than a busy machine keeps a step waiting."""
THRESHOLD = "200ms"

Place = tuple[str, str, int]
"""Rule, file, line."""


def lines_of(module: str, function: str, texts: tuple[str, ...]) -> set[int]:
    """The lines of a function of a module that read like one of the texts (`async with lock:` without what follows)."""
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    lines = source.splitlines()
    (found,) = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == function
    )
    numbers = {line for line in range(found.lineno, (found.end_lineno or 0) + 1) if lines[line - 1].strip() in texts}
    assert numbers, f"no line of {function} reads like {texts}"
    return numbers


def findings_of(name: str, core: str, loop: str, folder: Path) -> list[Finding]:
    """Run a scenario traced, and look for what is wrong."""
    words = ["run", "-q", "--core", core, "--loop", loop, "--block-threshold", THRESHOLD, "-o", "r.atrace", name]
    subprocess.run(
        [sys.executable, *MODULE, *words, "--seed", "7", "--scale", SCALES.get(name, "0.1")],
        cwd=folder,
        env=environment(),
        capture_output=True,
        check=True,
        timeout=DEADLINE,
    )
    return find_all(load(folder / "r.atrace"))


@pytest.mark.parametrize(
    "loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.skipif(not HAS_UVLOOP, reason="no uvloop"))]
)
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.network) if name == "streams" else name
        for name in sorted(MODULES.keys() - NEEDS_312)
    ],
)
def test_a_scenario_yields_what_it_declares(name: str, core: str, loop: str, tmp_path: Path) -> None:
    """Rule and line of each finding are those that `FINDINGS` names, in any order."""
    declared = importlib.import_module(MODULES[name]).FINDINGS
    found = findings_of(name, core, loop, tmp_path)
    left = list(found)
    for rule, function, *texts in declared:
        lines = lines_of(MODULES[name], function, tuple(texts))
        fitting = [one for one in left if one.rule == rule and one.at is not None and one.at.line in lines]
        assert fitting, f"no {rule} at line {lines} in {found}"
        left.remove(fitting[0])
    assert left == []
    assert all(one.message and one.advice for one in found)
