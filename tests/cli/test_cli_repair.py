"""`repair` saves what can be read, says how much was lost, and touches nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import asyncio_trace
from cli.test_cli_errors import one_line


def test_a_sound_recording_loses_nothing(recording: Path, tmp_path: Path) -> None:
    """The copy shows the same picture, and stdout says that nothing was lost."""
    ended = asyncio_trace("repair", str(recording), "-o", "clean.atrace", cwd=tmp_path)
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout.startswith("wrote clean.atrace: ")
    assert ended.stdout.endswith(" records, nothing was lost\n")
    shown = [asyncio_trace("show", str(path), cwd=tmp_path).stdout for path in (recording, tmp_path / "clean.atrace")]
    assert shown[0] == shown[1]


def test_a_damaged_recording_is_saved_in_part(recording: Path, tmp_path: Path) -> None:
    """stdout says how many records and bytes; what was saved shows without an error, as incomplete."""
    damaged = bytearray(recording.read_bytes())
    damaged[-100] ^= 0xFF
    (tmp_path / "damaged.atrace").write_bytes(damaged)
    ended = asyncio_trace("repair", "damaged.atrace", "-o", "clean.atrace", cwd=tmp_path)
    assert (ended.status, ended.stderr) == (0, "")
    assert ", lost " in ended.stdout
    assert ended.stdout.endswith(" bytes; it was cut before its end\n")
    shown = asyncio_trace("show", "clean.atrace", cwd=tmp_path)
    assert (shown.status, shown.stderr) == (0, "")
    assert "incomplete trace" in shown.stdout
    assert (tmp_path / "damaged.atrace").read_bytes() == damaged


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF" * 40, b"asyncio-trace recording 9\n", b"header", b"folder"])
def test_what_cannot_be_repaired_is_65(content: bytes | None, recording: Path, tmp_path: Path) -> None:
    """Missing, foreign and cut files, and folders, are one line; no output is made."""
    path = tmp_path / "bad.atrace"
    if content == b"folder":
        path.mkdir()
    elif content == b"header":
        path.write_bytes(recording.read_bytes()[:400])
    elif content is not None:
        path.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    assert "bad.atrace" in one_line(asyncio_trace("repair", "bad.atrace", "-o", "clean.atrace", cwd=tmp_path), 65)
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_exists_needs_force(recording: Path, tmp_path: Path) -> None:
    """And a recording is never repaired onto itself."""
    (tmp_path / "there.atrace").write_text("mine")
    words = ("repair", str(recording), "-o", "there.atrace")
    assert "--force" in one_line(asyncio_trace(*words, cwd=tmp_path), 2)
    assert (tmp_path / "there.atrace").read_text() == "mine"
    assert asyncio_trace(*words, "--force", cwd=tmp_path).status == 0
    onto_itself = asyncio_trace("repair", "there.atrace", "-o", "./there.atrace", "--force", cwd=tmp_path)
    assert "itself" in one_line(onto_itself, 2)


@pytest.mark.parametrize("words", [("-o", "clean.json"), ("-o", "no/clean.atrace"), ()])
def test_an_output_that_cannot_be_is_2(words: tuple[str, ...], recording: Path, tmp_path: Path) -> None:
    """Other suffixes, missing folders, and no output at all."""
    one_line(asyncio_trace("repair", str(recording), *words, cwd=tmp_path), 2)
    assert list(tmp_path.iterdir()) == []
