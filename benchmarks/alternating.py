"""Measures variants of one thing side by side with pyperf: round by round, each value in a worker process of its own, the order
turned round from one round to the next. What disturbs the machine for a while then disturbs all variants alike, and a ratio
within a round means something even where the times themselves do not.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pyperf  # type: ignore[import-untyped]

Bench = Callable[[str], Any]
"""Runs one pyperf benchmark under the name it is given; pyperf's `Benchmark` in the main process, None in a worker."""


class Rounds(NamedTuple):
    """What was measured: for each variant its value in each round, in seconds, in the order of the rounds."""

    values: dict[str, list[float]]

    def median(self, variant: str) -> float:
        """Median over the rounds."""
        return statistics.median(self.values[variant])

    def ratios(self, variant: str, base: str) -> list[float]:
        """`variant` over `base`, round by round."""
        return [above / below for above, below in zip(self.values[variant], self.values[base], strict=True)]

    def differences(self, variant: str, base: str) -> list[float]:
        """`variant` less `base`, round by round."""
        return [above - below for above, below in zip(self.values[variant], self.values[base], strict=True)]


def runner(add_cmdline_args: Callable[[list[str], Any], None], values: int, *, warmups: int = 1, rounds: int = 5) -> Any:
    """A pyperf runner whose workers each give one run of `values` values after the warm-ups, at one loop a value."""
    made: Any = pyperf.Runner(processes=1, values=values, warmups=warmups, loops=1, add_cmdline_args=add_cmdline_args)
    made.argparser.add_argument(
        "--rounds", type=int, default=rounds, help=f"how often each variant is measured (default: {rounds})"
    )
    made.argparser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    made.argparser.add_argument("--check", action="store_true", help="exit with 1 if a budget is missed")
    return made


def measure(made: Any, name: str, variants: dict[str, Bench]) -> Rounds | None:
    """Measure the variants in alternation; None in a worker process, which has then done its part."""
    values: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in range(made.args.rounds):
        order = list(variants) if number % 2 == 0 else list(reversed(variants))
        for variant in order:
            label = f"{name} {variant}, round {number + 1}"
            if made.args.worker:
                variants[variant](label)
                continue
            with contextlib.redirect_stdout(io.StringIO()):  # pyperf shows each benchmark; the table is what we show
                bench = variants[variant](label)
            values[variant].append(statistics.median(bench.get_values()))
        if not made.args.worker and sys.stderr.isatty():
            sys.stderr.write(f"\r{name}: round {number + 1} of {made.args.rounds}\x1b[K")
            sys.stderr.flush()
    if made.args.worker:
        return None
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return Rounds(values)


def table(head: list[str], rows: list[list[str]], *, markdown: bool) -> str:
    """A table with its first column to the left and the others to the right."""
    if markdown:
        rule = ["---", *["---:"] * (len(head) - 1)]
        return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in [head, *rows]
    )
