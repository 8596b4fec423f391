"""What tracing costs: CPU time of each workload traced, over the same workload untraced, in one run.

`--loop uvloop` puts both on uvloop; `--peer NAME` measures another tool beside us, `--peer all` every one that is installed.
`measuring` says what a value is. `--check` holds the ratios against the budgets, which are for full size.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import alternating
import measuring
import peers
import workloads
from asyncio_trace.tracer.core import CORES, resolve

BUDGETS: dict[tuple[str, str], dict[str, float]] = {
    ("native", "asyncio"): dict.fromkeys(workloads.COMPARED, 1.0),
    ("native", "uvloop"): dict.fromkeys(workloads.COMPARED, 1.25),
    ("python", "asyncio"): {**dict.fromkeys(workloads.COMPARED, 2.5), "echo": 1.15},
}
"""Most that a core may cost on a loop, as a ratio of CPU time, by workload."""

MEAN_BUDGETS = {("native", "uvloop"): 1.10}
"""Most that the geometric mean over all workloads may be."""

LOOPS = ("asyncio", "uvloop")
HEAD = ["workload", "plain", "traced", "ratio", "range", "budget"]


def main() -> None:
    """Measure, print the table, check."""
    runner = alternating.runner(_pass_on, values=2)
    add = runner.argparser.add_argument
    add("--workload", action="append", choices=workloads.COMPARED, help="measure this one only; repeatable")
    add("--scale", type=float, default=1.0, help="size of the workloads; 1.0 is what the figures are given for")
    add("--loop", default="asyncio", choices=LOOPS, help="loop that both run on")
    add("--core", default="auto", choices=CORES, help="core that records (default: the fastest there is)")
    add("--peer", action="append", choices=["all", *peers.TOOLS], help="measure this tool too; repeatable")
    args = runner.parse_args()
    core = resolve(args.core)
    if args.check and args.scale != 1.0:
        runner.argparser.error("the budgets are for scale 1; leave --scale away with --check")
    if args.check and (core, args.loop) not in BUDGETS:
        runner.argparser.error(f"there are no budgets for the {core} core on {args.loop}")
    names = measuring.here(
        args.workload or workloads.COMPARED, workloads.missing, wanted=bool(args.workload), quiet=args.worker
    )
    traced = "asyncio-trace" if args.loop == "asyncio" else "asyncio-trace-uvloop"
    base = peers.TOOLS[traced].base
    measuring.here([traced], peers.missing, wanted=True, quiet=args.worker)
    beside = _beside(args.peer or [], args.worker)
    rows, ratios = [], {}
    for name in names:
        tools = [base, traced, *(tool for tool in beside if tool not in (base, traced))]
        measured = measuring.compare(runner, tools, name, args.scale, core)
        if measured is None:
            continue
        ratios[name] = statistics.median(measured.ratios(traced, base))
        rows.append(_row(name, measured, traced, base, BUDGETS.get((core, args.loop), {}).get(name)))
        rows += [_row(f"{name}, {tool}", measured, tool, base, None) for tool in tools[2:]]
    if args.worker:
        return
    if len(ratios) > 1:
        mean = f"{measuring.geometric_mean(ratios.values()):.2f}"
        budget = MEAN_BUDGETS.get((core, args.loop))
        rows.append(["geometric mean", "", "", mean, "", "" if budget is None else f"{budget:.2f}"])
    print(alternating.table(HEAD, rows, markdown=args.markdown))
    if args.check:
        lines = missed(core, args.loop, ratios)
        for line in lines:
            print(f"missed: {line}", file=sys.stderr)
        sys.exit(1 if lines else 0)


def missed(core: str, loop: str, ratios: dict[str, float]) -> list[str]:
    """The budgets that ratios, by workload, do not keep: a line each."""
    budgets = BUDGETS.get((core, loop), {})
    lines = [
        f"{name} costs {ratio:.2f} times the plain program on {loop}, the budget is {budgets[name]:.2f}"
        for name, ratio in ratios.items()
        if name in budgets and round(ratio, 2) > budgets[name]
    ]
    budget = MEAN_BUDGETS.get((core, loop))
    if budget is not None and ratios:
        mean = measuring.geometric_mean(ratios.values())
        if round(mean, 2) > budget:
            lines.append(f"the geometric mean on {loop} is {mean:.2f}, the budget is {budget:.2f}")
    return lines


def _row(label: str, measured: alternating.Rounds, tool: str, base: str, budget: float | None) -> list[str]:
    ratios = measured.ratios(tool, base)
    return [
        label,
        *(f"{measured.median(variant) * 1000:.0f} ms" for variant in (base, tool)),
        f"{statistics.median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        "" if budget is None else f"{budget:.2f}",
    ]


def _beside(wanted: list[str], quiet: bool) -> list[str]:
    names = peers.TOOLS if "all" in wanted else wanted
    return measuring.here(names, peers.missing, wanted="all" not in wanted, quiet=quiet)


def _pass_on(command: list[str], args: Any) -> None:
    """Give a worker the options that say what to measure."""
    for option, values in (("--workload", args.workload), ("--peer", args.peer)):
        for value in values or ():
            command += [option, value]
    command += ["--scale", str(args.scale), "--loop", args.loop, "--core", args.core, "--rounds", str(args.rounds)]


if __name__ == "__main__":
    main()
