"""What reading a recording costs as it grows: CPU time and memory of `load` and of `report`, up to ten million events.

    python benchmarks/scale.py --markdown

writes the table and the plot of docs/reference/performance.md; without `--markdown` the table is printed. Each recording is a
real one, of a workload traced at a size that gives so many events (instants, as in `events.py`). Each figure is of a process
of its own, from its first instruction to its last: imports, reading, drawing.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import alternating
import events
import report
import scale_plot
import workloads
from asyncio_trace.model.recorded import Fields
from asyncio_trace.recording.gather import NUMBERS, new_gatherer
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.tracer import session

SIZES = (100_000, 1_000_000, 10_000_000)
MEASURED = ("switch", "spawn")
BEGIN = "<!-- scale: written by benchmarks/scale.py, not by hand -->"
END = "<!-- end of scale -->"
PLOT = report.PAGE.parents[1] / "images/scale.svg"
HEAD = ["workload", "events", "recording", "load", "peak", "report", "peak"]
LOAD_BUDGET_S, REPORT_BUDGET_S, BUDGET_MIB = 10.0, 15.0, 1536.0
"""For ten million events; linear in the events, so the times are for more of them in proportion."""

_PROBE_SCALE = 0.02
_LOAD = "import sys; from asyncio_trace.model import load; load(sys.argv[1])"
_PLAIN = "import sys; sys.modules['asyncio_trace.recording._gather'] = None; "
"""In front of `_LOAD`: read without the extension."""


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    """CPU time."""
    mib: float
    """Highest resident size."""


def main() -> None:
    """Measure, print the table or write it into the page, check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=list(workloads.WORKLOADS), help="read this one's; repeatable")
    parser.add_argument("--events", action="append", type=int, help="size of a recording; repeatable")
    parser.add_argument("--markdown", action="store_true", help="write the table and the plot into the page")
    parser.add_argument("--page", type=Path, default=report.PAGE, help="page that --markdown writes to")
    parser.add_argument("--plot", type=Path, default=PLOT, help="plot that --markdown writes")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a budget is missed")
    args = parser.parse_args()
    page = report.Page(args.page, BEGIN, END) if args.markdown else None
    rows, missed, points = [], [], []
    for name in args.workload or MEASURED:
        for size in args.events or SIZES:
            with tempfile.TemporaryDirectory(prefix="asyncio-trace-scale-") as folder:
                path = Path(folder, "trace.atrace")
                # elsewhere, for a process that was made by a large one counts that one's size as its own
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    number = pool.apply(record, (path, name, size))
                loading = measured([sys.executable, "-c", _LOAD, str(path)])
                reporting = measured([sys.executable, "-m", "asyncio_trace", "report", str(path)])
                plain = measured([sys.executable, "-c", _PLAIN + _LOAD, str(path)]) if size == SIZES[1] else None
                rows.append(row(name, number, path.stat().st_size, loading, reporting))
            if plain is not None:
                rows.append([f"{name}, without the extension", f"{number:,}", "", *cells(plain), "", ""])
            points += [
                scale_plot.Point(f"{what} {name}", number, cost.seconds)
                for what, cost in (("load", loading), ("report", reporting))
            ]
            missed += over_budget(name, number, loading, reporting)
    table = alternating.table(HEAD, rows, markdown=args.markdown)
    if page is None:
        print(table)
    else:
        args.plot.write_text(scale_plot.svg(points, "events", "CPU seconds"), encoding="utf-8")
        when = (
            f"Made in {time.strftime('%B %Y')} on Python {sys.version.split()[0]}, {os.cpu_count()} CPUs; times are CPU time."
        )
        page.fill(f"{when}\n\n{table}")
    if args.check and missed:
        sys.exit("\n".join(f"missed: {line}" for line in missed))


def row(name: str, number: int, size: int, loading: Cost, reporting: Cost) -> list[str]:
    """A row of the table."""
    return [name, f"{number:,}", f"{size / 1e6:,.1f} MB", *cells(loading), *cells(reporting)]


def cells(cost: Cost) -> list[str]:
    """A cost in the table."""
    return [f"{cost.seconds:.2f} s", f"{cost.mib:,.0f} MiB"]


def over_budget(name: str, number: int, loading: Cost, reporting: Cost) -> list[str]:
    """What costs more than it may."""
    share = max(1.0, number / SIZES[-1])
    found = []
    for what, cost, most in (("load", loading, LOAD_BUDGET_S * share), ("report", reporting, REPORT_BUDGET_S * share)):
        if cost.seconds > most:
            found.append(f"{what} of {number:,} events of {name} takes {cost.seconds:.1f} s, the budget is {most:.1f} s")
        if cost.mib > BUDGET_MIB * share:
            found.append(
                f"{what} of {number:,} events of {name} takes {cost.mib:,.0f} MiB, the budget is {BUDGET_MIB:,.0f} MiB"
            )
    return found


def record(path: Path, name: str, size: int) -> int:
    """Trace a workload so that there are about so many events; returns how many there are."""
    scale = _PROBE_SCALE
    for _ in range(2):  # what a workload does whatever its size, tells in the small run
        _trace(path, name, scale)
        scale *= size / count(path)
    _trace(path, name, scale)
    return count(path)


def _trace(path: Path, name: str, scale: float) -> None:
    async def run() -> None:
        await workloads.WORKLOADS[name](scale)

    path.unlink(missing_ok=True)
    trace = session.record_to(str(path))
    try:
        asyncio.run(run())
    finally:
        failure = trace.end()
    if failure is not None:
        raise RuntimeError(f"the trace failed: {failure}")


def count(path: Path) -> int:
    """Events in a recording, as `events.count` counts them, but quick."""
    gatherer = new_gatherer()
    with RecordingReader(path) as reader:
        reader.gather(gatherer)
    total = 0
    for kind, places in events.TIMES.items():
        fields = Fields(kind, gatherer.take(NUMBERS[kind]))
        total += sum(int(np.count_nonzero(getattr(fields, kind._fields[place]))) for place in places)
    return total


def measured(command: list[str]) -> Cost:
    """Run a command to its end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    per_mib: Any = 1024 if sys.platform != "darwin" else 1 << 20
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / per_mib)


if __name__ == "__main__":
    main()
