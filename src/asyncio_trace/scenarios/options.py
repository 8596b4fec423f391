"""What every scenario takes on its command line: a seed for its random choices and a scale for its delays.

With the same seed a scenario makes the same choices and prints the same lines; with a small scale it does so in a blink.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Options:
    """The parsed command line of one scenario."""

    scale: float = 1.0
    random: random.Random = field(default_factory=random.Random)

    def delay(self, seconds: float) -> float:
        """Turn a delay at human speed into the delay to use in this run."""
        return seconds * self.scale


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage text is for ``--help``."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def parse_options(
    description: str | None,
    arguments: Sequence[str] | None = None,
    *,
    needs_python: tuple[int, int] = (3, 11),
) -> Options:
    """Parse a scenario's command line, or leave with status 2 and one line on stderr."""
    parser = _OneLineParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--seed", type=_integer, metavar="INT", help="make the random choices repeatable")
    parser.add_argument(
        "--scale", type=_positive, default=1.0, metavar="FLOAT", help="multiply every delay (default: %(default)s)"
    )
    parsed = parser.parse_args(arguments)
    if sys.version_info < needs_python:
        wanted = ".".join(map(str, needs_python))
        running = ".".join(map(str, sys.version_info[:3]))
        parser.error(f"this scenario needs Python {wanted} or newer; this is Python {running}")
    return Options(scale=parsed.scale, random=random.Random(parsed.seed))


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"must be a number greater than 0, not {text!r}")
    return number
