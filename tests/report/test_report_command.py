"""`asyncio-trace report` and `asyncio-trace diff`, from recording to output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest


def asyncio_trace(*words: str, cwd: Path, columns: int = 80) -> subprocess.CompletedProcess[str]:
    """Run `asyncio-trace WORDS...` as a process whose output is piped."""
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-m", "asyncio_trace", *words],
        cwd=cwd,
        env={**environ, "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two recordings of `gather`, of which the second is five times slower."""
    path = tmp_path_factory.mktemp("recordings")
    for name, scale in (("t.atrace", "0.02"), ("slow.atrace", "0.1")):
        done = asyncio_trace("run", "-q", "-o", name, "gather", "--scale", scale, cwd=path)
        assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("columns", [80, 200])
def test_report_of_a_recording(folder: Path, columns: int) -> None:
    """A real recording's report names its coroutines and waits, in lines that fit, with nothing on stderr."""
    done = asyncio_trace("report", "t.atrace", cwd=folder, columns=columns)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= columns
    for words in ("worker", "sleep", "gather", "longest steps", "busy"):
        assert words in done.stdout


def test_report_as_json_has_the_same_numbers(folder: Path) -> None:
    """`--json` is one JSON object whose sums fit the recording: eleven tasks, ten sleeps, awaits around each step."""
    done = asyncio_trace("report", "t.atrace", "--json", "--block-threshold", "1ns", cwd=folder)
    report = json.loads(done.stdout)
    assert (report["format"], report["version"], report["block_threshold_ns"]) == ("asyncio-trace/report", 1, 1)
    assert sum(row["tasks"] for row in report["coroutines"]) == 11
    assert {row["kind"]: row["count"] for row in report["waits"]}["sleep"] == 10
    for row in report["coroutines"]:
        assert row["running_ns"] + row["ready_ns"] + row["waiting_ns"] == row["lifetime_ns"]
    assert all(step["blocking"] for step in report["longest_steps"])
    places = [step[side]["at"] for step in report["longest_steps"] for side in ("after", "before") if step.get(side)]
    assert places
    assert all(set(place) == {"function", "file", "line"} and "gather.py" in place["file"] for place in places)
    assert isinstance(report["findings"], list)


def test_critical_path_of_a_task(folder: Path) -> None:
    """`--critical-path` takes a task by name, coroutine or id, and shows each stretch; without it there are the sums alone."""
    plain = asyncio_trace("report", "t.atrace", cwd=folder).stdout
    assert "critical path of main" in plain
    assert "its stretches" not in plain
    path = json.loads(asyncio_trace("report", "t.atrace", "--json", cwd=folder).stdout)["critical_path"]
    for word in ("main", str(path["task"])):
        shown = asyncio_trace("report", "t.atrace", "--critical-path", word, cwd=folder)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "its stretches, in the order of time" in shown.stdout
    stretches = path["segments"]
    assert (stretches[0]["start_ns"], stretches[-1]["end_ns"]) == (path["start_ns"], path["end_ns"])
    assert all(one["end_ns"] == two["start_ns"] for one, two in pairwise(stretches))
    assert sum(row["ns"] for row in path["by_place"]) == path["end_ns"] - path["start_ns"]
    assert path["by_place"][0]["kind"] == "timer"


def test_critical_path_of_no_task_is_a_usage_error(folder: Path) -> None:
    """A word that no task goes by ends with status 2 and names the nearest."""
    done = asyncio_trace("report", "t.atrace", "--critical-path", "mian", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "asyncio-trace: the recording has no task of id, name or coroutine 'mian'; did you mean main?\n"


@pytest.mark.parametrize(("name", "begins"), [("r.json", "{"), ("r.md", "## gather"), ("r.txt", "gather")])
def test_report_into_a_file(folder: Path, name: str, begins: str) -> None:
    """`-o` writes what the suffix says, nothing to stdout, and not over a file that is there unless told to."""
    done = asyncio_trace("report", "t.atrace", "-o", name, cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / name).read_text(encoding="utf-8").startswith(begins)
    again = asyncio_trace("report", "t.atrace", "-o", name, cwd=folder)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    assert asyncio_trace("report", "t.atrace", "-f", "-o", name, cwd=folder).returncode == 0


def test_report_as_markdown(folder: Path) -> None:
    """`--format markdown` has findings, path, tables of equal numbers of cells, and the loop over time."""
    done = asyncio_trace("report", "t.atrace", "--format", "markdown", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("No findings.", "### Critical path of main", "### Coroutines", "| `worker` | 10 |", "stretches of"):
        assert words in done.stdout
    tables = [block.splitlines() for block in done.stdout.split("\n\n") if block.startswith("|")]
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_loops_over_time_as_json(folder: Path) -> None:
    """The JSON has the lag, and for each loop as many numbers of each kind as it has stretches."""
    report = json.loads(asyncio_trace("report", "t.atrace", "--format", "json", cwd=folder).stdout)
    assert report["lag"]["steps"] == 22
    assert 0 <= report["lag"]["p50_ns"] <= report["lag"]["p99_ns"] <= report["lag"]["max_ns"]
    [load] = report["loops_over_time"]
    assert {len(load[name]) for name in ("busy", "lag_ns", "ready", "most_ready")} == {60}
    assert max(load["lag_ns"]) == report["lag"]["max_ns"]


@pytest.mark.parametrize("what", ["waits", "runs"])
def test_flame_graph_is_collapsed_stacks(folder: Path, what: str) -> None:
    """Each line is frames between semicolons, a blank and a whole number, the largest first."""
    done = asyncio_trace("report", "t.atrace", "--flame", what, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.rpartition(" ") for line in done.stdout.splitlines()]
    numbers = [int(number) for _, _, number in rows]
    assert numbers == sorted(numbers, reverse=True)
    assert min(numbers) > 0
    assert any(stack.startswith("worker (gather.py:") for stack, _, _ in rows)
    assert all(frame for stack, _, _ in rows for frame in stack.split(";"))


@pytest.mark.parametrize(
    "words",
    [("--json", "--format", "text"), ("--flame", "waits", "--json"), ("--flame", "up"), ("-o", "nowhere/r.json"), ("-o", ".")],
)
def test_what_contradicts_itself_is_a_usage_error(folder: Path, words: tuple[str, ...]) -> None:
    """Options that can't be together, or an output that can't be written, end with status 2 and one line."""
    done = asyncio_trace("report", "t.atrace", *words, cwd=folder)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_block_threshold_is_obeyed(folder: Path) -> None:
    """The threshold decides which steps are marked."""
    assert "none of them 100 ms or more" in asyncio_trace("report", "t.atrace", cwd=folder).stdout
    assert "1 ns or more (!)" in asyncio_trace("report", "t.atrace", "--block-threshold", "1ns", cwd=folder).stdout


def test_diff_of_two_recordings(folder: Path) -> None:
    """The slower recording's coroutine and sleeps have grown."""
    done = asyncio_trace("diff", "t.atrace", "slow.atrace", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    grown = [line for line in done.stdout.splitlines() if line.startswith(("worker    lifetime", "sleep     waiting"))]
    assert len(grown) == 2
    assert all("+" in line for line in grown)


def test_diff_as_json(folder: Path) -> None:
    """`--json` gives changes by measure, most grown first; what is within noise is there with `--all` only."""
    done = asyncio_trace("diff", "t.atrace", "slow.atrace", "--json", cwd=folder)
    diff = json.loads(done.stdout)
    first = diff["coroutines"][0]
    assert (first["coroutine"], first["only_in"]) == ("worker", None)
    lifetime = first["changes"]["lifetime_ns"]
    assert lifetime["change"] == lifetime["b"] - lifetime["a"] > 0
    assert "tasks" not in first["changes"]
    assert json.loads(asyncio_trace("diff", "t.atrace", "t.atrace", "--json", cwd=folder).stdout)["coroutines"] == []
    everything = json.loads(asyncio_trace("diff", "t.atrace", "t.atrace", "--json", "--all", cwd=folder).stdout)
    assert everything["coroutines"][0]["changes"]["tasks"]["change"] == 0


def test_diff_fails_on_thresholds(folder: Path) -> None:
    """The status is 1 if B is beyond any threshold, each is listed with its verdict, and stderr names those exceeded."""
    words = ("diff", "t.atrace", "slow.atrace", "--fail-on", "duration>+10%", "--fail-on", "tasks>+0")
    done = asyncio_trace(*words, cwd=folder)
    assert (done.returncode, done.stderr) == (1, "asyncio-trace: B is beyond duration>+10%\n")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any(line.startswith("duration>+10% exceeded ") for line in lines)
    assert "tasks>+0 ok 11 11 11" in lines
    document = json.loads(asyncio_trace(*words, "--json", cwd=folder).stdout)
    assert [(row["metric"], row["exceeded"]) for row in document["thresholds"]] == [("duration", True), ("tasks", False)]
    fine = asyncio_trace("diff", "t.atrace", "t.atrace", "--fail-on", "duration>+0%", cwd=folder)
    assert (fine.returncode, fine.stderr) == (0, "")


def test_diff_as_markdown(folder: Path) -> None:
    """Markdown has the verdicts first, then tables of equal numbers of cells; `-o` writes it, and the status is the same."""
    words = ("diff", "t.atrace", "slow.atrace", "--fail-on", "duration>1ms", "-o", "c.md", "-f")
    done = asyncio_trace(*words, cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    text = (folder / "c.md").read_text(encoding="utf-8")
    assert "| `duration>1ms` | **exceeded** |" in text
    assert "| `worker` | lifetime |" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("slower>+1%", "there is no metric 'slower'"),
        ("lag.p99>20%", "write lag.p99>+20%"),
        ("lag.p99>+20", "lag.p99 is a time"),
        ("tasks>+2ms", "tasks is a number"),
        ("coroutine[nobody].running>+1%", "neither recording has coroutine[nobody]"),
        ("duration", "is no threshold; write METRIC>+20%"),
    ],
)
def test_threshold_that_says_nothing_is_a_usage_error(folder: Path, limit: str, said: str) -> None:
    """A limit that can't be read, or is on what nobody has, ends with status 2 and says what to write."""
    done = asyncio_trace("diff", "t.atrace", "slow.atrace", "--fail-on", limit, cwd=folder)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert said in done.stderr


@pytest.mark.parametrize("words", [("report", "x"), ("diff", "x", "t.atrace"), ("diff", "t.atrace", "x")])
@pytest.mark.parametrize("content", [None, b"", b"no recording"])
def test_unreadable_recording_is_one_line(folder: Path, words: tuple[str, ...], content: bytes | None) -> None:
    """A missing, empty or foreign file ends with status 65 and one line on stderr."""
    (folder / "x").unlink(missing_ok=True)
    if content is not None:
        (folder / "x").write_bytes(content)
    done = asyncio_trace(*words, cwd=folder)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (65, "", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell's pipes")
@pytest.mark.parametrize("words", ["report t.atrace", "diff t.atrace slow.atrace", "report --json t.atrace"])
def test_reader_who_has_seen_enough_is_no_error(folder: Path, words: str) -> None:
    """When the reader of stdout is gone, the command ends in peace and silence."""
    command = subprocess.Popen(
        [sys.executable, "-m", "asyncio_trace", *words.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    command.stdout.close()
    command.stdout = None
    _, said = command.communicate(timeout=60)
    assert (command.returncode, said) == (0, b"")
