"""README's and docs' examples run, and their links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a language in a document."""
    return [body for word, body in _FENCE.findall(document.read_text(encoding="utf-8")) if word == language]


def named(language: str) -> list[object]:
    """A test parameter for each document that has blocks of a language."""
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS if blocks(path, language)]


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder`."""
    environment = dict(os.environ, PATH=os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", ""))
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("document", named("python"))
def test_python_examples_run(document: Path, tmp_path: Path) -> None:
    """Each Python example of a document runs without an error, after those that stand before it."""
    for number, code in enumerate(blocks(document, "python")):
        script = tmp_path / f"example_{number}.py"
        script.write_text(code, encoding="utf-8")
        done = run([sys.executable, script.name], tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", named("console"))
def test_console_examples_run(document: Path, tmp_path: Path) -> None:
    """Each command of a document's console examples exits with 0, in the order of the document."""
    for block in blocks(document, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                words = shlex.split(line[2:])
                if words[0] == "asyncio-trace":
                    words = [sys.executable, "-m", "asyncio_trace", *words[1:]]
                done = run(words, tmp_path)
                assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("document", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS])
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link of a document names a file that exists."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_readme_begins_with_the_two_commands() -> None:
    """README's first two blocks of commands install and run the main job, then pass the tests."""
    first, second = blocks(ROOT / "README.md", "sh")[:2]
    assert "pip install ." in first
    assert "asyncio-trace run gather" in first
    assert "pytest" in second


def test_every_verb_is_documented() -> None:
    """README's table and the reference name each verb of the command line."""
    from asyncio_trace.cli.main import _COMMANDS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    reference = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    for verb in _COMMANDS:
        assert f"asyncio-trace {verb}" in readme
        assert f"asyncio-trace {verb}" in reference
