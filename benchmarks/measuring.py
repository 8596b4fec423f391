"""One value of every comparison: CPU time of a workload with a tool around it, all threads of this process, children left out.

A value of asyncio-trace is a whole trace: hooks put in, the workload, hooks taken out, and a recording written to a real file.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import alternating
import peers
import workloads

WARM_SCALE = 0.002
"""Size of the run that is not measured, which imports and fills caches."""


def cpu_time(loops: int, tool: str, workload: str, scale: float, core: str) -> float:
    """CPU seconds of `loops` runs of a workload with a tool around each."""
    lacking = workloads.missing(workload) or peers.missing(tool)
    if lacking is not None:
        raise RuntimeError(lacking)
    chosen = peers.TOOLS[tool]
    factory = None if chosen.loop == "asyncio" else importlib.import_module(chosen.loop).new_event_loop
    spent = []
    for size in (WARM_SCALE, *[scale] * loops):
        with tempfile.TemporaryDirectory(prefix="asyncio-trace-bench-") as folder:
            gc.collect()
            begun = time.process_time()
            with (
                chosen.around(Path(folder), core),
                asyncio.Runner(loop_factory=factory, debug=chosen.debug or None) as runner,
            ):
                runner.run(_run(workload, size))
            spent.append(time.process_time() - begun)
    return sum(spent[1:])


def compare(runner: Any, tools: Iterable[str], workload: str, scale: float, core: str) -> alternating.Rounds | None:
    """Measure tools on a workload in alternation; None in a worker process."""
    return alternating.measure(
        runner,
        workload,
        {tool: partial(_bench, runner, (tool, workload, scale, core)) for tool in tools},
    )


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean of ratios."""
    return statistics.geometric_mean(ratios)


def here(names: Iterable[str], missing: Callable[[str], str | None], *, wanted: bool, quiet: bool) -> list[str]:
    """Those of some workloads or tools that are here. Of the others it is said why, unless `quiet` (in a worker); if they were
    asked for (`wanted`), that is the end.
    """
    found = []
    for name in names:
        reason = missing(name)
        if reason is None:
            found.append(name)
        elif wanted:
            sys.exit(reason)
        elif not quiet:
            print(reason, file=sys.stderr)
    return found


def _bench(runner: Any, options: tuple[object, ...], label: str) -> Any:
    return runner.bench_time_func(label, cpu_time, *options)


async def _run(name: str, scale: float) -> None:
    await workloads.WORKLOADS[name](scale)
