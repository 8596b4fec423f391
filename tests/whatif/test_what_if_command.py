"""`asyncio-trace what-if`, from recording to output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def asyncio_trace(*words: str, cwd: Path, columns: int = 80, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    """Run `asyncio-trace WORDS...` as a process whose output is piped."""
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-m", "asyncio_trace", *words],
        cwd=cwd,
        env={**environ, "COLUMNS": str(columns), "PYTHONIOENCODING": encoding},
        capture_output=True,
        encoding=encoding,
        timeout=60,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording of `semaphore`."""
    path = tmp_path_factory.mktemp("recordings")
    done = asyncio_trace("run", "-q", "-o", "t.atrace", "semaphore", "--scale", "0.1", cwd=path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_predictions_of_a_recording(folder: Path, columns: int, encoding: str) -> None:
    """Each change is told with what it would change and bring, in lines that fit; two of them also together."""
    words = ("what-if", "t.atrace", "semaphore:download=10", "shorter:download=50%")
    done = asyncio_trace(*words, cwd=folder, columns=columns, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(line) for line in done.stdout.splitlines()) <= columns
    assert done.stdout.count("main would take") == 3
    assert " ".join(done.stdout.split()).count("would let in 10 at once, and not 3") == 2
    assert "download" in done.stdout
    assert "Replayed as it was" in done.stdout


def test_predictions_as_json(folder: Path) -> None:
    """`--json` is one object with times in nanoseconds."""
    done = asyncio_trace("what-if", "t.atrace", "semaphore:download=10", "--json", cwd=folder)
    document = json.loads(done.stdout)
    [prediction] = document["predictions"]
    assert (document["format"], document["version"]) == ("asyncio-trace/what-if", 1)
    assert prediction["changes"] == ["semaphore:download=10"]
    assert 0 < prediction["predicted_ns"] < prediction["recorded_ns"]
    assert abs(prediction["replayed_ns"] - prediction["recorded_ns"]) < 0.01 * prediction["recorded_ns"]
    assert any(row["coroutine"].endswith("download") for row in prediction["coroutines"])


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("t.atrace", "faster"), 2, "is no change that can be tried"),
        (("t.atrace", "semaphore:nowhere=9"), 2, "there is none for which a task had to wait"),
        (("t.atrace",), 2, "Missing argument 'CHANGE...'"),
        (("missing.atrace", "gather:main"), 65, "missing.atrace"),
    ],
)
def test_errors_are_one_line(folder: Path, words: tuple[str, ...], status: int, said: str) -> None:
    """What can't be predicted ends with the contract's status and one line on stderr."""
    done = asyncio_trace("what-if", *words, cwd=folder)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1)
    assert said in done.stderr
