"""What `run` can be asked to run, and that all later words are the program's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cli.command import python, recordings, traced

SHOW = "import asyncio, sys\nasyncio.run(asyncio.sleep(0))\nprint(__name__, sys.argv, sys.path[0])\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a script, a package, a program in a folder, one in a zip file, and names that need care."""
    for name in (
        "script.py",
        "with spaces/my script.py",
        "gather",
        "app/__main__.py",
        "package/__main__.py",
        "package/part.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SHOW)
    (tmp_path / "package" / "__init__.py").touch()
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    (tmp_path / "link.py").symlink_to("with spaces/my script.py")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("script.py", "--seed", "1", "-o", "x.json", "-h"), "script"),
        (("./script.py", "-m", "json"), "script"),
        (("with spaces/my script.py", "a b"), "my_script"),
        (("link.py",), "link"),
        (("gather", "--scale", "9"), "gather"),
        (("app",), "app"),
        (("app.zip", "-q"), "app"),
        (("-m", "package", "--opt", "-c"), "package"),
        (("-m", "package.part", "--", "-x"), "part"),
        (("-c", SHOW.replace("\n", ";"), "--", "-x"), "code"),
        (("-c" + SHOW.replace("\n", ";"), "-c", "y"), "code"),
    ],
)
def test_runs_what_python_runs(words: tuple[str, ...], name: str, folder: Path) -> None:
    """Scripts, folders, zip files, modules and code run as Python runs them, a path before a scenario of its name."""
    assert traced(*words, cwd=folder) == python(*words, cwd=folder)
    (recording,) = recordings(folder)
    assert recording.name.startswith(f"asyncio-trace-{name}.")


def test_an_absolute_path_runs(folder: Path) -> None:
    """A script elsewhere runs, and the recording is made in the current folder."""
    script = str(folder / "script.py")
    where = folder / "app"
    assert traced(script, cwd=where) == python(script, cwd=where)
    assert len(recordings(where)) == 1


def test_options_before_the_target_are_ours_and_after_it_the_programs(folder: Path) -> None:
    """Short options may share a word, `--` may stand before the target, and nothing behind it is read by us."""
    plain = python("-m", "package", "-o", "no/where.json", cwd=folder)
    assert traced("-fo", "t.json", "-m", "package", "-o", "no/where.json", cwd=folder) == plain
    assert (folder / "t.json").exists()
    plain = python("script.py", "--", "--help", cwd=folder)
    assert traced("--output=u.json", "--", "script.py", "--", "--help", cwd=folder) == plain
    assert (folder / "u.json").exists()
    assert recordings(folder) == []


def test_a_scenario_takes_its_options_after_its_name(tmp_path: Path) -> None:
    """`--seed` and `--scale` are the scenario's; two runs with one seed say the same."""
    first, second = (traced("gather", "--seed", "3", "--scale", "0.001", cwd=tmp_path) for _ in range(2))
    assert first == second
    assert first.status == 0
    assert len(recordings(tmp_path)) == 2


def test_options_of_run_may_stand_behind_the_name_of_a_scenario_of_ours(tmp_path: Path) -> None:
    """They are run's there as well, in every way of writing them, up to `--`; the scenario gets the other words."""
    plain = traced("gather", "--seed", "3", "--scale", "0.001", cwd=tmp_path)
    words = ("-o", "t.json", "--seed", "3", "-fo", "t.atrace", "--core=python", "--scale", "0.001")
    mixed = traced("gather", *words, cwd=tmp_path)
    assert mixed == plain
    assert (tmp_path / "t.json").exists()
    assert (tmp_path / "t.atrace").exists()
    ended = traced("gather", "--scale", "0.001", "--", "-o", "u.json", cwd=tmp_path)
    assert (ended.status, len(ended.said)) == (2, 1)
    assert ended.said[0].endswith("-o u.json")
    assert not (tmp_path / "u.json").exists()
    ended = traced("gather", "-o", cwd=tmp_path)
    assert (ended.status, ended.stderr) == (2, "asyncio-trace: -o needs a value after it\n")


def test_a_scenarios_complaint_is_its_own(tmp_path: Path) -> None:
    """A wrong option of a scenario ends it with 2 and the scenario's own line."""
    ended = traced("gather", "--scale", "none", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.endswith(": error: argument --scale: must be a number, not 'none'\n")
    assert len(ended.said) == 1
