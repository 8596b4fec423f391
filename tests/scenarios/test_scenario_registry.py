"""Scenarios are found by their entry points and described without being imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from asyncio_trace.scenarios import registry


def install(folder: Path, entries: dict[str, str], files: dict[str, str]) -> None:
    """Lay down what pip would for a package that brings scenarios."""
    metadata = folder / "plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    lines = [f"{name} = {module}\n" for name, module in entries.items()]
    (metadata / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{''.join(lines)}")
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)


def test_every_scenario_of_ours_has_a_short_summary() -> None:
    """The listing has one line for each scenario of ours, the first of its docstring, of at most 90 characters."""
    ours = [scenario for scenario in registry.available().values() if scenario.module.startswith("asyncio_trace.")]
    assert len(ours) == 25
    for scenario in ours:
        path = Path(registry.__file__).with_name(scenario.module.rpartition(".")[2] + ".py")
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring is not None
        assert scenario.summary == docstring.splitlines()[0]
        assert 20 <= len(scenario.summary) <= 90
        assert scenario.summary.endswith(".")


def test_names_and_listing_agree() -> None:
    """`names` gives the same names and modules as the full listing, in alphabetical order."""
    assert registry.names() == {name: scenario.module for name, scenario in registry.available().items()}
    assert list(registry.names()) == sorted(registry.names())
    assert registry.names()["queue"] == "asyncio_trace.scenarios.work_queue"


def test_a_plugins_scenario_is_described_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario of another package is in the listing, and its module did not run for that."""
    install(
        tmp_path,
        {"theirs": "their_scenario", "with-attribute": "their_scenario:main"},
        {"their_scenario.py": '"""Teaches theirs.\n\nMore.\n"""\nraise SystemExit("was imported")\n'},
    )
    monkeypatch.syspath_prepend(tmp_path)
    available = registry.available()
    assert available["theirs"] == registry.Scenario("theirs", "their_scenario", "Teaches theirs.")
    assert available["with-attribute"].module == "their_scenario"
    assert "their_scenario" not in sys.modules


@pytest.mark.parametrize(
    ("module", "summary"),
    [
        ("plugin_nowhere", "(can't be read: no module named 'plugin_nowhere')"),
        ("plugin_nowhere.at.all", "(can't be read: No module named 'plugin_nowhere')"),
        ("plugin_syntax", "(can't be read: '(' was never closed (plugin_syntax.py, line 1))"),
        ("plugin_bytes", "(can't be read: source code *cannot contain null bytes*)"),
        ("plugin_raises.scenario", "(can't be read: two lines)"),
        ("plugin_exits.scenario", "(can't be read: SystemExit)"),
        ("plugin_silent", "(no description)"),
        ("itertools", "(can't be read: 'itertools' has no source)"),
    ],
)
def test_a_broken_plugin_does_not_break_the_listing(
    module: str, summary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario that can't be read stays in the listing, which says why in one line and has all the others."""
    install(
        tmp_path,
        {"broken": module},
        {
            "plugin_syntax.py": "print(",
            "plugin_bytes.py": "\0",
            "plugin_raises/__init__.py": 'raise RuntimeError("two\\nlines")',
            "plugin_raises/scenario.py": "",
            "plugin_exits/__init__.py": "raise SystemExit",
            "plugin_exits/scenario.py": "",
            "plugin_silent.py": "",
        },
    )
    ours = registry.names().keys()
    monkeypatch.syspath_prepend(tmp_path)
    available = registry.available()
    assert fnmatchcase(available["broken"].summary, summary)
    assert available.keys() == ours | {"broken"}


def test_a_plugin_takes_no_name_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in that names its scenario like one of ours does not replace it, wherever it stands on the path."""
    install(tmp_path, {"gather": "their_gather"}, {"their_gather.py": ""})
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.names()["gather"] == "asyncio_trace.scenarios.gather"


def test_looking_up_names_imports_little() -> None:
    """The registry's names come without asyncio, argparse and dataclasses, which would slow down every start of the command."""
    program = (
        "import sys, importlib.metadata; before = set(sys.modules); "
        "from asyncio_trace.scenarios import registry; registry.names(); "
        "print(*({'asyncio', 'argparse', 'dataclasses', 'random'} & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
