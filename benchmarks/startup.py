"""What it costs to import the command line for `run`: wall time of a Python that does, less that of one that does nothing.

`--check` holds the difference against the budget.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import alternating

BUDGET_MS = 80.0
"""Most that the import may cost over plain `python`."""

IMPORT = "import asyncio_trace.cli.main, asyncio_trace.cli.run"


def main() -> None:
    """Measure, print the table, check."""
    runner = alternating.runner(_pass_on, values=5)
    args = runner.parse_args()
    measured = alternating.measure(
        runner,
        "startup",
        {
            "plain": lambda label: runner.bench_command(label, [sys.executable, "-c", "pass"]),
            "imported": lambda label: runner.bench_command(label, [sys.executable, "-c", IMPORT]),
        },
    )
    if measured is None:
        return
    differences = [seconds * 1000 for seconds in measured.differences("imported", "plain")]
    cost = statistics.median(differences)
    row = [
        "import for `run`",
        *(f"{measured.median(variant) * 1000:.1f} ms" for variant in ("plain", "imported")),
        f"{cost:.1f} ms",
        f"{min(differences):.1f} to {max(differences):.1f} ms",
        f"{BUDGET_MS:g} ms",
    ]
    print(alternating.table(["", "plain", "imported", "cost", "range", "budget"], [row], markdown=args.markdown))
    if args.check and cost > BUDGET_MS:
        sys.exit(f"missed: importing the command line costs {cost:.1f} ms over plain python, the budget is {BUDGET_MS:g} ms")


def _pass_on(command: list[str], args: Any) -> None:
    command += ["--rounds", str(args.rounds)]


if __name__ == "__main__":
    main()
