"""Whole drawings, compared with files that a person has looked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import scenes
from canvas import drawn

SCENES = {"gather": scenes.gather, "trouble": scenes.trouble, "crowd": scenes.crowd}


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("scene", SCENES)
def test_plain_drawing(scene: str, width: int, matches_golden: Callable[[str, str], None]) -> None:
    """Without colour, each scene looks as in its golden file at each width."""
    matches_golden(f"{scene}-{width}.txt", drawn(SCENES[scene](), width))


@pytest.mark.parametrize("scene", SCENES)
def test_sixteen_colours(scene: str, matches_golden: Callable[[str, str], None]) -> None:
    """With 16 colours, each scene looks as in its golden file."""
    drawing = drawn(SCENES[scene](), 80, colors="standard")
    assert "38;5" not in drawing
    assert "38;2" not in drawing
    matches_golden(f"{scene}-80-colour.ansi", drawing)


@pytest.mark.parametrize("scene", SCENES)
def test_ascii(scene: str, matches_golden: Callable[[str, str], None]) -> None:
    """Where the output can't encode Unicode, each scene is drawn in ASCII."""
    matches_golden(f"{scene}-80-ascii.txt", drawn(SCENES[scene](), 80, encoding="ascii"))
