"""How long 200,000 events take from the program to the picture and the file: `asyncio-trace run`, drawn and exported to JSON.

The total is the wall time of the real command with the real output. The phases are then timed one by one, in a process that
does the same steps: the traced program, reading its recording, drawing at 200 columns, writing the timeline. `--check` holds
the total against the budget.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import alternating
import workloads

BUDGET_S = 10.0
"""Most that the whole may take."""

EVENTS = 200_000


def main() -> None:
    """Measure, print the phases, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", default="mixed", choices=list(workloads.WORKLOADS), help="program to trace")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the program; 1.0 makes 200,000 events of `mixed`")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the budget is missed")
    args = parser.parse_args()
    program = [str(Path(workloads.__file__)), args.workload, str(args.scale)]
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-pipeline-") as folder:
        outputs = ["-o", f"{folder}/whole.atrace", "-o", f"{folder}/whole.json"]
        plain = _timed([sys.executable, *program])
        total = _timed([sys.executable, "-m", "asyncio_trace", "run", *outputs, *program])
        events, phases = _phases(program, Path(folder))
        size = Path(folder, "whole.json").stat().st_size / 1e6
    rows = [["program, untraced", f"{plain:.2f} s"], *([name, f"{seconds:.2f} s"] for name, seconds in phases.items())]
    rows.append(["`asyncio-trace run`, all of it", f"{total:.2f} s"])
    print(alternating.table([f"{events:,} events, {size:.0f} MB of JSON", "wall time"], rows, markdown=args.markdown))
    if args.check and events < EVENTS:
        sys.exit(f"the program made {events:,} events; the budget is for {EVENTS:,} or more")
    if args.check and total > BUDGET_S:
        sys.exit(f"missed: {events:,} events take {total:.1f} s, the budget is {BUDGET_S:g} s")


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return seconds


def _phases(program: list[str], folder: Path) -> tuple[int, dict[str, float]]:
    """Number of records, and seconds by phase."""
    from rich.console import Console

    from asyncio_trace.cli import child
    from asyncio_trace.exporters.timeline.exporter import TimelineExporter
    from asyncio_trace.model import load
    from asyncio_trace.recording.reader import RecordingReader
    from asyncio_trace.terminal import draw

    recording = folder / "phases.atrace"
    marks = [time.perf_counter()]
    child.run(
        program,
        recording=str(recording),
        argv=program,
        core="auto",
        loop=None,
        force=False,
        block_threshold_ns=100_000_000,
        ring=None,
        when=None,
        group=None,
        children=False,
        child=False,
    )
    marks.append(time.perf_counter())
    trace = load(recording)
    marks.append(time.perf_counter())
    draw(trace, Console(file=io.StringIO(), width=200))
    marks.append(time.perf_counter())
    TimelineExporter().export(trace, str(folder / "phases.json"))
    marks.append(time.perf_counter())
    with RecordingReader(recording) as reader:
        events = sum(1 for _ in reader.records())
    names = ("run, traced", "load", "draw", "export to JSON")
    return events, {name: end - start for name, start, end in zip(names, marks, marks[1:], strict=False)}


if __name__ == "__main__":
    main()
