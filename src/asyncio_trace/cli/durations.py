"""Durations on the command line: `100ms`, `2s`, `1.5`."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "": 1_000_000_000}


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Becomes nanoseconds; without a unit it is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse `value`."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|)\s*", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration; write 100ms, 2s or 0.5", param, ctx)
        return int(float(match[1]) * _UNITS[match[2]])


def threshold_option(command: Any) -> Any:
    """`--block-threshold`, for every command that speaks of blocking steps."""
    return click.option(
        "--block-threshold",
        type=Duration(),
        default="100ms",
        show_default=True,
        metavar="DURATION",
        help="Runs longer than this block the loop.",
    )(command)
