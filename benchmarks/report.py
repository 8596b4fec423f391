"""All figures in one go, as docs/reference/performance.md shows them: tracing beside other tools, what an event costs, memory.

    python benchmarks/report.py --markdown

writes the page's tables, between the two markers; without `--markdown` they are printed. Every tool that is installed is
measured, in alternation, once a round and in a process of its own. That takes a while: debug mode and profilers are slow.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import alternating
import events
import measuring
import memory
import overhead
import peers
import workloads
from asyncio_trace.tracer.core import CORES, resolve

PAGE = Path(__file__).parents[1] / "docs/reference/performance.md"
BEGIN = "<!-- figures: written by benchmarks/report.py, not by hand -->"
END = "<!-- end of figures -->"

HEAD = ["CPU time over the program alone", *(f"`{name}`" for name in workloads.COMPARED), "mean"]
HEADS = (HEAD, events.HEAD, memory.HEAD)
"""The columns of the page's tables."""

Ratios = dict[str, dict[str, float]]
"""Median ratio by tool and workload."""


def main() -> None:
    """Measure, then print the tables or put them into the page."""
    runner = alternating.runner(_pass_on, values=1, warmups=0, rounds=3)
    add = runner.argparser.add_argument
    add("--core", default="auto", choices=CORES, help="core that records (default: the fastest there is)")
    add("--workload", action="append", choices=workloads.COMPARED, help="measure this one only; repeatable")
    add("--tool", action="append", choices=list(peers.TOOLS), help="measure this one only, and what it is compared with")
    add("--scale", type=float, default=1.0, help="size of the workloads; 1.0 is what figures are given for")
    add("--memory-events", type=int, default=memory.EVENTS, help="events of each run whose memory is looked at")
    add("--page", type=Path, default=PAGE, help=f"page that --markdown writes to (default: {PAGE.name} of the documentation)")
    args = runner.parse_args()
    core = resolve(args.core)
    page = Page(args.page, BEGIN, END) if args.markdown else None
    names = measuring.here(
        args.workload or workloads.COMPARED, workloads.missing, wanted=bool(args.workload), quiet=args.worker
    )
    wanted = dict.fromkeys(["plain", "asyncio-trace", *(args.tool or peers.TOOLS)])
    wanted |= dict.fromkeys(peers.TOOLS[tool].base for tool in wanted)
    tools = measuring.here(wanted, peers.missing, wanted=bool(args.tool), quiet=args.worker)
    ratios: Ratios = {tool: {} for tool in peers.TOOLS if tool in tools and tool != "plain"}
    costs = []
    for name in names:
        rounds = measuring.compare(runner, tools, name, args.scale, core)
        if rounds is None:
            continue
        for tool, of_tool in ratios.items():
            of_tool[name] = statistics.median(rounds.ratios(tool, peers.TOOLS[tool].base))
        if name in events.MEASURED:
            costs.append(events.figures(rounds, name, args.scale, core)[2])
    if args.worker:
        return
    grown = [memory.figures(name, args.memory_events, core)[1] for name in memory.MEASURED]
    text = "\n\n".join(
        (
            _when(core, args.rounds, args.scale),
            alternating.table(HEAD, ratio_rows(ratios, core), markdown=args.markdown),
            alternating.table(events.HEAD, costs, markdown=args.markdown),
            alternating.table(memory.HEAD, grown, markdown=args.markdown),
        )
    )
    if page is None:
        print(text)
    else:
        page.fill(text)


def ratio_rows(ratios: Ratios, core: str) -> list[list[str]]:
    """The rows of the first table: our own with their budgets, then other tools."""
    rows = []
    for tool, of_tool in ratios.items():
        cells = [_cell(of_tool.get(name)) for name in workloads.COMPARED]
        mean = measuring.geometric_mean(of_tool.values()) if len(of_tool) == len(workloads.COMPARED) else None
        rows.append([peers.TOOLS[tool].title, *cells, _cell(mean)])
        key = core, peers.TOOLS[tool].loop
        if tool.startswith("asyncio-trace") and key in overhead.BUDGETS:
            budgets = [overhead.BUDGETS[key].get(name) for name in workloads.COMPARED]
            rows.append(["budget", *(_cell(budget) for budget in budgets), _cell(overhead.MEAN_BUDGETS.get(key))])
    return rows


class Page:
    """A page whose figures are written, between two lines of it; looked at before anything is measured."""

    def __init__(self, path: Path, begin: str, end: str) -> None:
        self._path, self._begin, self._end = path, begin, end
        text = path.read_text(encoding="utf-8")
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            sys.exit(f"{path}: it needs the line {begin} and after it the line {end}, once each")

    def fill(self, figures: str) -> None:
        """Put the figures between the markers."""
        before, _, rest = self._path.read_text(encoding="utf-8").partition(self._begin)
        after = rest.partition(self._end)[2]
        self._path.write_text(f"{before}{self._begin}\n\n{figures}\n\n{self._end}{after}", encoding="utf-8")


def _cell(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _when(core: str, rounds: int, scale: float) -> str:
    """What the figures were taken with."""
    size = "full size" if scale == 1 else f"{scale:g} of full size"
    version, cpus = platform.python_version(), os.cpu_count()
    return (
        f"Made in {time.strftime('%B %Y')} with the {core} core on Python {version}, {cpus} CPUs, {size}; "
        f"rounds: {rounds}, of which each figure is the median."
    )


def _pass_on(command: list[str], args: Any) -> None:
    for option, values in (("--workload", args.workload), ("--tool", args.tool)):
        for value in values or ():
            command += [option, value]
    command += ["--scale", str(args.scale), "--core", args.core, "--rounds", str(args.rounds)]


if __name__ == "__main__":
    main()
