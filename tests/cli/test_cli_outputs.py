"""What `run` and `export` write, where, and what they refuse to write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli import timeline
from cli.command import asyncio_trace, python, recordings, traced
from cli.conftest import Traced

QUICK = ("-c", "import asyncio; asyncio.run(asyncio.sleep(0)); print('ran')")


def test_without_an_output_says_where_the_recording_is_and_what_next(tmp_path: Path) -> None:
    """stderr ends with the recording's name, made of the program's and its process id, and commands that work as they stand."""
    ended = asyncio_trace("run", *QUICK, cwd=tmp_path)
    assert (ended.status, ended.stdout) == (0, "ran\n")
    (recording,) = recordings(tmp_path)
    assert re.fullmatch(r"asyncio-trace-code\.\d+\.atrace", recording.name)
    at = ended.said.index(f"recording: {recording.name}")
    hints = [line.split() for line in ended.said[at + 1 :]]
    assert hints
    assert all(hint[0] == "asyncio-trace" and recording.name in hint for hint in hints)
    assert asyncio_trace(*hints[0][1:], cwd=tmp_path).status == 0
    assert asyncio_trace(*hints[-1][1:], cwd=tmp_path).status == 0
    assert len(timeline.read(tmp_path / "timeline.json")["tasks"]) == 1


def test_quiet_says_nothing(tmp_path: Path) -> None:
    """With -q stderr is the program's alone, and the recording is made all the same."""
    assert traced(*QUICK, cwd=tmp_path) == (0, "ran\n", "")
    assert len(recordings(tmp_path)) == 1


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "200"}])
def test_a_drawing_that_is_piped_has_no_escape_codes(variables: dict[str, Any], recording: Path) -> None:
    """`show` into a pipe is plain text, however wide."""
    ended = asyncio_trace("show", str(recording), cwd=recording.parent, **variables)
    assert (ended.status, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert "worker · Task-11" in ended.stdout


def test_no_colour_in_what_run_draws(gather: Traced) -> None:
    """`run` with stderr in a pipe draws plain text."""
    assert "\x1b" not in gather.ended.stderr


def test_several_outputs_are_all_written(tmp_path: Path) -> None:
    """Each -o is written, the recording among them, and nothing else."""
    ended = asyncio_trace("run", "-o", "a.json", "-o", "b.atrace", "-o", "c.json", *QUICK, cwd=tmp_path)
    assert (ended.status, ended.said[-3:]) == (0, ["wrote a.json", "wrote b.atrace", "wrote c.json"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.atrace", "c.json"]
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "c.json").read_bytes()
    assert asyncio_trace("export", "b.atrace", "-o", "d.json", cwd=tmp_path).status == 0
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads((tmp_path / "d.json").read_text())


@pytest.mark.parametrize("name", ["t.json", "t.atrace"])
def test_does_not_overwrite_unless_told(name: str, tmp_path: Path) -> None:
    """A file that exists is refused before the program runs; -f overwrites it."""
    (tmp_path / name).write_text("precious")
    ended = traced("-o", name, *QUICK, cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == f"asyncio-trace: {name} exists; take another name, or overwrite it with --force\n"
    assert (tmp_path / name).read_text() == "precious"
    assert traced("-f", "-o", name, *QUICK, cwd=tmp_path) == (0, "ran\n", "")
    assert (tmp_path / name).read_bytes() != b"precious"


def test_export_does_not_overwrite_unless_told(recording: Path, tmp_path: Path) -> None:
    """`export` refuses a file that exists, and overwrites it with -f."""
    (tmp_path / "t.json").write_text("precious")
    ended = asyncio_trace("export", str(recording), "-o", "t.json", cwd=tmp_path)
    assert (ended.status, len(ended.said)) == (2, 1)
    assert (tmp_path / "t.json").read_text() == "precious"
    assert asyncio_trace("export", str(recording), "-fo", "t.json", cwd=tmp_path) == (0, "", "")
    assert len(timeline.read(tmp_path / "t.json")["tasks"]) == 11


REMOVING = "import asyncio, shutil; asyncio.run(asyncio.sleep(0)); shutil.rmtree('out'); {end}"


def test_an_output_that_fails_spares_the_others_and_the_recording(tmp_path: Path) -> None:
    """If the program removes an output's folder: 74, one line for it, the other output written, the recording kept."""
    (tmp_path / "out").mkdir()
    ended = asyncio_trace("run", "-q", "-o", "out/a.json", "-o", "b.json", "-c", REMOVING.format(end=""), cwd=tmp_path)
    assert ended.status == 74
    assert "out/a.json" in ended.said[0]
    (recording,) = recordings(tmp_path)
    assert ended.said[1:] == [f"asyncio-trace: the recording stays in {recording.name}"]
    assert len(timeline.read(tmp_path / "b.json")["tasks"]) == 1
    assert asyncio_trace("show", recording.name, cwd=tmp_path).status == 0


def test_a_recording_that_goes_with_its_folder_is_named(tmp_path: Path) -> None:
    """If the program removes the folder of the recording itself: 74, and a line that says just that."""
    (tmp_path / "out").mkdir()
    ended = traced("-o", "out/r.atrace", "-c", REMOVING.format(end=""), cwd=tmp_path)
    assert ended == (74, "", "asyncio-trace: the recording is lost: the program removed the folder out\n")


def test_a_failing_programs_status_stands_over_a_failed_output(tmp_path: Path) -> None:
    """The program's own failure is told, not ours."""
    (tmp_path / "out").mkdir()
    ended = traced("-o", "out/a.json", "-c", REMOVING.format(end="raise SystemExit(5)"), cwd=tmp_path)
    assert ended.status == 5
    assert "out/a.json" in ended.stderr


def test_an_output_with_nothing_to_write_is_74(tmp_path: Path) -> None:
    """A program that never imports asyncio can't give the timeline that was asked for."""
    ended = traced("-o", "t.json", "-c", "print(1)", cwd=tmp_path)
    assert ended == (74, "1\n", "asyncio-trace: the program never imported asyncio: there is nothing to write\n")
    assert list(tmp_path.iterdir()) == []


def test_show_stops_when_its_reader_does(recording: Path) -> None:
    """`show | head` ends without a word on stderr."""
    code = (
        "import subprocess, sys\n"
        "show = subprocess.Popen([sys.executable, '-m', 'asyncio_trace', 'show', sys.argv[1]], stdout=subprocess.PIPE)\n"
        "show.stdout.close()\n"
        "sys.exit(show.wait())\n"
    )
    assert python("-c", code, str(recording), cwd=recording.parent).stderr == ""
