"""Resident memory that tracing takes: a program of ten million events in a process of its own, plain and traced.

The figure is the highest resident size traced, less the same plain (VmHWM of /proc/self/status, so Linux only). `switch` makes
few tasks and many steps; `spawn` makes tasks without end, each with a name of its own. What is kept for each task or name and
never let go would show.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import alternating
import events
import workloads
from asyncio_trace.tracer import session
from asyncio_trace.tracer.core import CORES, resolve

BUDGET_MIB = 64.0
"""Most that tracing may add to resident memory, with either core."""

EVENTS = 10_000_000
MEASURED = ("switch", "spawn")
HEAD = ["workload", "events", "plain", "traced", "growth", "budget", "recording"]
PROBE_SCALE = 0.05
"""Size of the run that tells how many events there are to a scale."""

_STATUS = Path("/proc/self/status")


def main() -> None:
    """Measure, print the table, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", action="append", choices=MEASURED, help="measure this one only; repeatable")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"events that each makes (default: {EVENTS:,})")
    parser.add_argument("--core", default="auto", choices=CORES, help="core that records (default: the fastest there is)")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the budget is missed")
    parser.add_argument("--child", choices=["plain", "traced"], help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, default=1.0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not _STATUS.exists():
        sys.exit("memory.py reads /proc/self/status, which only Linux has")
    if args.child:
        _child(args.workload[0], args.scale, args.core, traced=args.child == "traced")
        return
    rows, missed = [], []
    for name in args.workload or MEASURED:
        growth, row = figures(name, args.events, resolve(args.core))
        rows.append(row)
        if growth > BUDGET_MIB:
            missed.append(f"tracing {name} takes {growth:.1f} MiB, the budget is {BUDGET_MIB:g}")
    print(alternating.table(HEAD, rows, markdown=args.markdown))
    if args.check and args.events < EVENTS:
        sys.exit(f"the budget is for {EVENTS:,} events or more")
    if args.check and missed:
        sys.exit("\n".join(f"missed: {line}" for line in missed))


def figures(name: str, number: int, core: str) -> tuple[float, list[str]]:
    """MiB by which a run of so many events is larger traced, and the row of the table."""
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-memory-") as folder:
        probe = events.record(Path(folder, "probe.atrace"), name, PROBE_SCALE, core)
    scale = PROBE_SCALE * number / probe.events
    plain, traced = (_measured(kind, name, scale, core) for kind in ("plain", "traced"))
    growth = (traced["peak_kib"] - plain["peak_kib"]) / 1024
    sizes = [f"{measured['peak_kib'] / 1024:.1f} MiB" for measured in (plain, traced)]
    size = f"{traced['bytes'] / 1e6:,.0f} MB"
    return growth, [name, f"{number:,}", *sizes, f"{growth:.1f} MiB", f"{BUDGET_MIB:g} MiB", size]


def _measured(kind: str, name: str, scale: float, core: str) -> dict[str, int]:
    words = [sys.executable, __file__, "--child", kind, "--workload", name, "--scale", repr(scale), "--core", core]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")
    measured: dict[str, int] = json.loads(done.stdout)
    return measured


def _child(name: str, scale: float, core: str, *, traced: bool) -> None:
    """Run the workload in this process and say how large it became."""

    async def run() -> None:
        await workloads.WORKLOADS[name](scale)

    size = 0
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-memory-") as folder, contextlib.ExitStack() as stack:
        path = Path(folder, "trace.atrace")
        if traced:
            trace = session.record_to(str(path), core=core)
            stack.callback(trace.end)
        asyncio.run(run())
        stack.close()
        if traced:
            if trace.recorder.failure is not None:
                sys.exit(f"the trace failed: {trace.recorder.failure}")
            size = path.stat().st_size
        peak = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        print(json.dumps({"peak_kib": int(peak.split()[1]), "bytes": size}))


if __name__ == "__main__":
    main()
