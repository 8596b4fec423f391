"""The command line that all scenarios share."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncio_trace.scenarios.options import Options, parse_options


def test_without_arguments_delays_are_as_written() -> None:
    """The default scale is 1."""
    assert parse_options("", []).delay(1.5) == 1.5


@given(st.floats(min_value=1e-6, max_value=1e6), st.floats(min_value=0, max_value=100))
def test_scale_multiplies_every_delay(scale: float, seconds: float) -> None:
    """Any scale above 0 is taken as it is written and multiplies each delay."""
    assert parse_options("", ["--scale", repr(scale)]).delay(seconds) == seconds * scale


@given(st.integers())
def test_same_seed_same_choices(seed: int) -> None:
    """Two runs with one seed draw the same numbers, whatever whole number it is."""
    first, second = (parse_options("", [f"--seed={seed}"]) for _ in range(2))
    assert [first.random.random() for _ in range(5)] == [second.random.random() for _ in range(5)]


def test_without_a_seed_runs_differ() -> None:
    """Without a seed two runs don't repeat each other."""
    first, second = Options(), parse_options("", [])
    assert [first.random.random() for _ in range(5)] != [second.random.random() for _ in range(5)]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--scale", "0"], "argument --scale: must be a number greater than 0, not '0'"),
        (["--scale", "-1"], "argument --scale: must be a number greater than 0, not '-1'"),
        (["--scale", str(math.nan)], "argument --scale: must be a number greater than 0, not 'nan'"),
        (["--scale", str(math.inf)], "argument --scale: must be a number greater than 0, not 'inf'"),
        (["--scale", "fast"], "argument --scale: must be a number, not 'fast'"),
        (["--scale"], "argument --scale: expected one argument"),
        (["--seed", "1.5"], "argument --seed: must be a whole number, not '1.5'"),
        (["--sca", "1"], "unrecognized arguments: --sca 1"),
        (["extra"], "unrecognized arguments: extra"),
    ],
)
def test_says_in_one_line_what_is_wrong(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument ends the program with status 2 and one line that says which and why."""
    with pytest.raises(SystemExit) as leaving:
        parse_options("", arguments)
    assert leaving.value.code == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.endswith(f": error: {complaint}\n")
    assert stderr.count("\n") == 1


def test_refuses_an_older_python(capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario that needs a newer Python says which, with status 2."""
    with pytest.raises(SystemExit) as leaving:
        parse_options("", [], needs_python=(4, 0))
    assert leaving.value.code == 2
    assert "needs Python 4.0 or newer" in capsys.readouterr().err


def test_help_shows_the_docstring_and_both_options(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` shows what the scenario teaches and which options it takes, and succeeds."""
    with pytest.raises(SystemExit) as leaving:
        parse_options("Teaches a thing.\n\nLook here.", ["--help"])
    assert leaving.value.code == 0
    stdout = capsys.readouterr().out
    assert "Teaches a thing.\n\nLook here.\n" in stdout
    assert "--seed INT" in stdout
    assert "--scale FLOAT" in stdout
