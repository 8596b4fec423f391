"""The benchmark scripts run and print their tables; how fast anything is, is not tested here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a benchmark script and return how it ended."""
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *args], capture_output=True, text=True, timeout=60, check=False
    )


def test_every_workload_runs_untraced_and_small() -> None:
    """Each workload whose needs are installed is a program that plain asyncio runs to its end."""
    code = "import asyncio, workloads as w\nfor name, run in w.WORKLOADS.items(): w.missing(name) or asyncio.run(run(0.002))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=BENCHMARKS)
    assert (done.returncode, done.stderr) == (0, "")


def test_overhead_compares_plain_and_traced() -> None:
    """One round of one small workload gives a table with a row and a ratio for it."""
    pytest.importorskip("pyperf")
    done = run("overhead.py", "--workload", "tree", "--scale", "0.01", "--rounds", "1", "-n", "1", "-w", "0", "--markdown")
    assert done.returncode == 0, done.stderr
    head, _, row = done.stdout.splitlines()
    assert head == "| workload | plain | traced | ratio | range | budget |"
    assert row.startswith("| tree | ")


def test_overhead_refuses_to_check_what_the_budgets_are_not_for() -> None:
    """`--check` at another size is a usage error, said in one line."""
    pytest.importorskip("pyperf")
    done = run("overhead.py", "--check", "--scale", "0.01")
    assert done.returncode == 2
    assert "the budgets are for scale 1" in done.stderr


def test_startup_compares_plain_and_imported() -> None:
    """One round gives a table with the cost of the import."""
    pytest.importorskip("pyperf")
    done = run("startup.py", "--rounds", "1", "-n", "1", "-w", "0", "--markdown")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("| import for `run` | ")


def test_pipeline_names_its_phases() -> None:
    """A small program goes from the run to the JSON file, and each phase has its row."""
    pytest.importorskip("pyperf")
    done = run("pipeline.py", "--scale", "0.002")
    assert done.returncode == 0, done.stderr
    for phase in ("untraced", "run, traced", "load", "draw", "export to JSON", "all of it"):
        assert phase in done.stdout


def test_what_if_predicts_and_really_runs() -> None:
    """A pair is recorded, predicted and really run; whether the prediction is good shows at a larger scale."""
    pytest.importorskip("pyperf")
    done = run("what_if.py", "--rounds", "1", "--unit", "0.002", "--pair", "three awaits", "--markdown")
    assert done.stderr == ""
    head, _, row = done.stdout.splitlines()
    assert head == "| pair | recorded | replayed | predicted | really | off |"
    assert row.startswith("| three awaits | ")


def test_otlp_speed_compares_with_the_sdk() -> None:
    """A few requests go to a collector both ways, and the table has a row for each."""
    pytest.importorskip("pyperf")
    done = run("otlp_speed.py", "--requests", "2", "--rounds", "1", "--markdown")
    assert done.returncode == 0, done.stderr
    assert [row.split(" | ")[0] for row in done.stdout.splitlines()[2:4]] == ["| SDK, batch span processor", "| asyncio-trace"]
    assert done.stdout.splitlines()[-1].startswith("ratio: ")


def test_live_export_accounts_for_every_span() -> None:
    """A service that runs just long enough to be exported live gives a table, and all its spans are accounted for."""
    pytest.importorskip("pyperf")
    done = run("live_export.py", "--seconds", "7", "--rate", "20", "--rounds", "1", "--markdown")
    assert done.returncode == 0, done.stderr
    assert [row.split(" | ")[0] for row in done.stdout.splitlines()[2:4]] == ["| to a file", "| live"]
    assert done.stdout.splitlines()[-1] == "spans not accounted for: 0"


def test_scale_reads_what_it_recorded(tmp_path: Path) -> None:
    """A small recording gives a row, in the page between its markers, and a plot with a line for each command."""
    pytest.importorskip("pyperf")
    page, plot = tmp_path / "page.md", tmp_path / "plot.svg"
    page.write_text("before\n<!-- scale: written by benchmarks/scale.py, not by hand -->\nold\n<!-- end of scale -->\nafter\n")
    words = ("--markdown", "--page", str(page), "--plot", str(plot))
    done = run("scale.py", "--workload", "switch", "--events", "5000", *words)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "| switch | " in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert plot.read_text().count("<polyline ") == 2
