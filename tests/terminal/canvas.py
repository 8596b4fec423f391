"""Draws onto paper: what `draw` prints on a console of given width, colours and encoding."""

from __future__ import annotations

import io
from typing import Literal

from rich.console import Console

from asyncio_trace.model import Trace
from asyncio_trace.terminal import draw


def drawn(
    trace: Trace,
    width: int,
    *,
    colors: Literal["standard"] | None = None,
    encoding: str = "utf-8",
    max_rows: int | None = None,
    height: int = 40,
    environ: dict[str, str] | None = None,
) -> str:
    """The drawing as text; with escape sequences if `colors` are asked for."""
    paper = io.BytesIO()
    file = io.TextIOWrapper(paper, encoding=encoding, newline="\n")
    console = Console(
        file=file,
        width=width,
        height=height,
        force_terminal=colors is not None,
        color_system=colors,
        legacy_windows=False,
        _environ=environ or {},
    )
    draw(trace, console, max_rows=max_rows)
    file.flush()
    return paper.getvalue().decode(encoding)
