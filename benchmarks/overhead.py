"""What tracing costs: CPU time of each workload traced, over the same workload untraced, in one run.

A traced value is a whole trace: hooks put in, the workload, hooks taken out, and a recording written to a real file. Times are
`time.process_time`, all threads of the process; no workload has child processes. `--loop uvloop` puts both on uvloop.

`--check` holds the ratios against the budgets, which are for the Python core on asyncio's own loop at full size.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import alternating
from asyncio_trace.tracer import session
from workloads import WORKLOADS

BUDGETS = {"switch": 2.5, "echo": 1.15}
"""Most that the Python core may cost, as a ratio of CPU time."""

LOOPS = ("asyncio", "uvloop")


def plain_cpu_time(loops: int, name: str, scale: float, loop: str) -> float:
    """CPU seconds of `loops` runs of a workload."""
    factory = None if loop == "asyncio" else importlib.import_module(loop).new_event_loop
    total = 0.0
    for _ in range(loops):
        gc.collect()
        start = time.process_time()
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_workload(name, scale))
        total += time.process_time() - start
    return total


def traced_cpu_time(loops: int, name: str, scale: float, loop: str, core: str) -> float:
    """CPU seconds of the same with a trace around each run, from its begin to its file's end."""
    total = 0.0
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-overhead-") as folder:
        for number in range(loops):
            path = Path(folder, f"{number}.atrace")
            begun = time.process_time()
            trace = session.record_to(str(path), core=core)
            total += time.process_time() - begun
            total += plain_cpu_time(1, name, scale, loop)
            ending = time.process_time()
            failure = trace.end()
            total += time.process_time() - ending
            if failure is not None:
                raise RuntimeError(f"the trace failed: {failure}")
            path.unlink()
    return total


def main() -> None:
    """Measure, print the table, check."""
    runner = alternating.runner(_pass_on, values=2)
    add = runner.argparser.add_argument
    add("--workload", action="append", choices=list(WORKLOADS), help="measure this one only; repeatable")
    add("--scale", type=float, default=1.0, help="size of the workloads; 1.0 is what the figures are given for")
    add("--loop", default="asyncio", choices=LOOPS, help="loop that both run on")
    add("--core", default="python", help="core that records (default: python)")
    args = runner.parse_args()
    names = args.workload or [name for name in WORKLOADS if name != "mixed"]
    if args.check and (args.loop != "asyncio" or args.scale != 1.0):
        runner.argparser.error("the budgets are for asyncio's loop at scale 1; leave --loop and --scale away with --check")
    rows, missed = [], []
    for name in names:
        options = (name, args.scale, args.loop)
        variants: dict[str, alternating.Bench] = {
            "plain": partial(_bench, runner, plain_cpu_time, options),
            "traced": partial(_bench, runner, traced_cpu_time, (*options, args.core)),
        }
        measured = alternating.measure(runner, name, variants)
        if measured is None:
            continue
        ratios = measured.ratios("traced", "plain")
        ratio = statistics.median(ratios)
        budget = BUDGETS.get(name) if args.loop == "asyncio" else None
        rows.append(
            [
                name,
                *(f"{measured.median(variant) * 1000:.0f} ms" for variant in ("plain", "traced")),
                f"{ratio:.2f}",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
                "" if budget is None else f"{budget:g}",
            ]
        )
        if budget is not None and ratio > budget:
            missed.append(f"{name} costs {ratio:.2f} times the plain program, the budget is {budget:g}")
    if args.worker:
        return
    print(alternating.table(["workload", "plain", "traced", "ratio", "range", "budget"], rows, markdown=args.markdown))
    if args.check:
        for line in missed:
            print(f"missed: {line}", file=sys.stderr)
        sys.exit(1 if missed else 0)


def _bench(runner: Any, cpu_time: Callable[..., float], options: tuple[object, ...], label: str) -> Any:
    return runner.bench_time_func(label, cpu_time, *options)


async def _workload(name: str, scale: float) -> None:
    await WORKLOADS[name](scale)


def _pass_on(command: list[str], args: Any) -> None:
    """Give a worker the options that say what to measure."""
    for name in args.workload or ():
        command += ["--workload", name]
    command += ["--scale", str(args.scale), "--loop", args.loop, "--core", args.core, "--rounds", str(args.rounds)]


if __name__ == "__main__":
    main()
