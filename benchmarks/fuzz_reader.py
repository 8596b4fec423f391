"""Reads a million damaged recordings, or as many as there is time for, and says if one gives other than a trace or a refusal.

    python benchmarks/fuzz_reader.py --cases 1000000

Each case is made from its number and from what a small program recorded; one that goes wrong is kept in a file. What is wrong:
an exception that is no `InputError`, a refusal of several lines, a case that takes longer than `--patience`, memory that grows.
Some traces are drawn and exported, too.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from asyncio_trace.errors import InputError
from asyncio_trace.model import Trace, load
from recording.damage import damaged

MOST_GROWTH_MIB = 64
"""By which the highest resident size may grow after the first thousand cases."""

ONE_IN = 200
"""One of so many traces is drawn and exported."""


class Hang(BaseException):
    """A case takes too long."""


def main() -> None:
    """Run the cases, say what came of them, and fail if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000, help="how many (default: a million)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first case")
    parser.add_argument("--patience", type=float, default=2.0, help="seconds that a case may take")
    args = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_long)
    outcomes: Counter[str] = Counter()
    wrong = 0
    begun = time.monotonic()
    base = 0
    number = args.first
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        path = Path(folder) / "case.atrace"
        while number < args.first + args.cases and time.monotonic() - begun < args.seconds:
            if number == args.first + 1000:
                base = _peak_kib()
            try:
                signal.setitimer(signal.ITIMER_REAL, args.patience)
                outcome = case(number, path)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except (Exception, Hang):
                signal.setitimer(signal.ITIMER_REAL, 0)
                outcome = "WRONG"
                wrong += 1
                kept = Path(tempfile.gettempdir(), f"fuzz-reader-{number}.atrace")
                kept.write_bytes(damaged(number))
                print(f"case {number}, kept as {kept}:\n{traceback.format_exc()}", flush=True)
            outcomes[outcome] += 1
            number += 1
    done = number - args.first
    took = time.monotonic() - begun
    grown = (_peak_kib() - base) / 1024 if base else 0.0
    each = 1e6 * took / max(1, done)
    print(f"{done:,} cases in {took:.0f} s ({each:.0f} µs each): {dict(outcomes)}; grown by {grown:.1f} MiB")
    sys.exit(f"{wrong} went wrong" if wrong else "memory grew" if grown > MOST_GROWTH_MIB else 0)


def case(number: int, path: Path) -> str:
    """Load one damaged recording; what it gave."""
    path.write_bytes(damaged(number))
    try:
        trace = load(path)
    except InputError as error:
        if "\n" in str(error):
            raise AssertionError(f"a refusal of several lines: {error}") from None
        return "refused"
    if number % ONE_IN == 0:
        present(trace)
    return "complete" if trace.complete else "partial"


def present(trace: Trace) -> None:
    """Draw and export a trace."""
    from rich.console import Console

    from asyncio_trace.exporters.timeline.exporter import TimelineExporter
    from asyncio_trace.terminal import draw

    draw(trace, Console(file=io.StringIO(), width=100))
    TimelineExporter().export(trace, os.devnull)


def _too_long(number: int, frame: Any) -> None:
    raise Hang


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
