"""What a small screen shows of a small program."""

from __future__ import annotations

import io

from rich.console import Console
from scenes import gather

from asyncio_trace.terminal import draw


def test_a_few_tasks_are_drawn_each_on_any_screen() -> None:
    """Eleven tasks have a row each even where the screen has but ten lines."""
    out = io.StringIO()
    draw(gather(), Console(file=out, width=80, height=10, force_terminal=True, color_system=None))
    assert out.getvalue().count("worker") >= 10
    assert "folded" not in out.getvalue()
