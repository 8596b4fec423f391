"""Durations on the command line: `100ms`, `2s`, `1.5`."""

from __future__ import annotations

from typing import Any

import click

from asyncio_trace.recording.limits import parse_duration


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Becomes nanoseconds; without a unit it is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse `value`."""
        if isinstance(value, int):
            return value
        duration = parse_duration(str(value))
        if duration is None:
            self.fail(f"{value!r} is no duration; write 100ms, 2s or 0.5", param, ctx)
        return duration


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
