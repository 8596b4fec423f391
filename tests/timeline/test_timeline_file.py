"""How the timeline gets to its file: whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.protocol import Exporter
from asyncio_trace.exporters.timeline.exporter import TimelineExporter
from asyncio_trace.model import Program, Run, Trace

TRACE = Trace(Program(["x.py"]), runs=[Run(1, None, 1, number, number + 1) for number in range(10_000)])


def test_it_is_an_exporter_for_json_files() -> None:
    """The class fits the exporters' protocol and claims `.json`."""
    exporter: Exporter = TimelineExporter()
    assert exporter.suffix == ".json"


def test_writes_a_file_like_any_program(tmp_path: Path) -> None:
    """The file is there alone, one row a line, with the permissions that the umask gives."""
    path = tmp_path / "t.json"
    umask = os.umask(0o022)
    try:
        TimelineExporter().export(TRACE, str(path))
    finally:
        os.umask(umask)
    assert os.listdir(tmp_path) == ["t.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert len(path.read_text("utf-8").splitlines()) > 10_000
    assert len(json.loads(path.read_text("utf-8"))["runs"]) == 10_000


def test_progress_moves_and_ends(tmp_path: Path) -> None:
    """Progress is told every few thousand rows, never goes back, and ends at the total."""
    calls: list[tuple[int, int]] = []
    TimelineExporter().export(TRACE, str(tmp_path / "t.json"), lambda done, total: calls.append((done, total)))
    assert len(calls) >= 3
    assert calls == sorted(calls)
    assert calls[-1] == (10_000, 10_000)


def test_missing_folder_is_one_line(tmp_path: Path) -> None:
    """A folder that isn't there is an error in one line that names the path and the reason."""
    target = str(tmp_path / "none" / "t.json")
    with pytest.raises(OutputError) as caught:
        TimelineExporter().export(TRACE, target)
    assert str(caught.value) == f"cannot write {target}: No such file or directory"


def test_folder_as_target_is_refused(tmp_path: Path) -> None:
    """A folder is not overwritten, and nothing is left in or beside it."""
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        TimelineExporter().export(TRACE, str(target))
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(target) == []


def test_failing_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last step fails, the file that was there is untouched and the draft is gone."""

    def fail(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    path = tmp_path / "t.json"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        TimelineExporter().export(TRACE, str(path))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["t.json"]


def test_interruption_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle leaves no half of a file behind."""

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TimelineExporter().export(TRACE, str(tmp_path / "t.json"), interrupt)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_are_written_to_and_not_replaced(tmp_path: Path) -> None:
    """A device stays a device, and its errors are told."""
    with pytest.raises(OutputError, match="No space left on device"):
        TimelineExporter().export(TRACE, "/dev/full")
    TimelineExporter().export(TRACE, "/dev/null")
    assert not os.path.isfile("/dev/null")


def test_symbolic_link_stays(tmp_path: Path) -> None:
    """A link keeps pointing where it did, and the file it points to is the new one."""
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    TimelineExporter().export(TRACE, str(link))
    assert link.is_symlink()
    assert json.loads(real.read_text("utf-8"))["version"] == 1
