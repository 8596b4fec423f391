"""Mistakes on the command line and bad files: one line, the right status, and nothing touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import Ended, asyncio_trace

QUICK = ("-c", "open('touched', 'w')")


def one_line(ended: Ended, status: int) -> str:
    """The one line that an error is, without our name."""
    assert (ended.status, ended.stdout) == (status, "")
    (line,) = ended.said
    assert line.startswith("asyncio-trace: ")
    return line.removeprefix("asyncio-trace: ")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("run", "gathr"), ["'gathr'", "did you mean gather?"]),
        (("run", "zzzzzz"), ["'zzzzzz'", "asyncio-trace scenarios"]),
        (("run",), ["nothing to run"]),
        (("run", "-m"), ["-m needs a module"]),
        (("run", "-c"), ["-c needs code"]),
        (("run", "--outptu", "x", *QUICK), ["--outptu", "--output", "asyncio-trace run --help"]),
        (("run", "-z", *QUICK), ["-z"]),
        (("run", "-o", "t.xyz", *QUICK), ["t.xyz", ".atrace", ".json"]),
        (("run", "-o", "no/t.json", *QUICK), ["no/t.json", "no folder no"]),
        (("run", "-o", ".", *QUICK), ["."]),
        (("run", "-o", "t.json", "-o", "./t.json", *QUICK), ["given twice"]),
        (("run", "--core", "rust", *QUICK), ["'rust'", "python", "native"]),
        (("run", "--loop", "uvlop", *QUICK), ["'uvlop'", "did you mean uvloop?"]),
        (("run", "--block-threshold", "soon", *QUICK), ["'soon'", "100ms"]),
        (("rnu", "gather"), ["'rnu'", "did you mean run", "asyncio-trace --help"]),
        (("show",), ["FILE"]),
        (("export", "r.atrace"), ["-o PATH"]),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_a_mistake_is_one_line_and_status_2(words: tuple[str, ...], parts: list[str], tmp_path: Path) -> None:
    """The line names what is wrong and what to write instead; the program has not run."""
    line = one_line(asyncio_trace(*words, cwd=tmp_path), 2)
    assert [part for part in parts if part not in line] == []
    assert list(tmp_path.iterdir()) == []


def test_without_a_command_shows_the_help(tmp_path: Path) -> None:
    """`asyncio-trace` alone is a mistake that the help answers."""
    ended = asyncio_trace(cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    assert "Usage: asyncio-trace" in ended.stderr


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF", b'{"format": "asyncio-trace/timeline"}', "start", "folder"])
def test_a_file_that_is_no_recording_is_65(content: bytes | str | None, recording: Path, tmp_path: Path) -> None:
    """Missing, empty, foreign and cut files, and folders, are one line from `show` and `export`; no output is made."""
    path = tmp_path / "bad.atrace"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(recording.read_bytes()[:30] if isinstance(content, str) else content)
    assert "bad.atrace" in one_line(asyncio_trace("show", "bad.atrace", cwd=tmp_path), 65)
    assert "bad.atrace" in one_line(asyncio_trace("export", "bad.atrace", "-o", "t.json", cwd=tmp_path), 65)
    assert not (tmp_path / "t.json").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "trailing"])
def test_a_recording_broken_inside_is_shown_as_far_as_it_reads(damage: str, recording: Path, tmp_path: Path) -> None:
    """A recording that was cut or damaged behind its header is shown, and said to be incomplete."""
    data = bytearray(recording.read_bytes())
    if damage == "cut":
        del data[-200:]
    elif damage == "flipped":
        data[-100] ^= 0xFF
    else:
        data += b"junk"
    (tmp_path / "broken.atrace").write_bytes(data)
    ended = asyncio_trace("show", "broken.atrace", cwd=tmp_path)
    assert (ended.status, ended.stderr) == (0, "")
    assert "incomplete trace" in ended.stdout
