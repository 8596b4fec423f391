"""What one event costs: nanoseconds to record it, and bytes of it in the file, on `switch` and on `http`.

An event is an instant that the recording holds: each time of a record that is filled in (a task's step has its start, its end,
when it was ready, and perhaps when the future was made that it then waits on). Records that repeat what was recorded before, at
the begin of a segment, count for nothing.

Two figures for the time. One is CPU time traced less CPU time plain, over the events: what a program pays. It is negative where
the traced loop does its own work faster than the plain one. The other is the recording alone: the same records are made and
written once more, called from Python, without a loop. It lacks what finds out (clock, cause, await stack), and is positive.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import alternating
import measuring
import workloads
from asyncio_trace.events.records import HEADERS, KINDS, PACK, LoopAlive, Record, TaskAlive
from asyncio_trace.recording.reader import RecordingReader
from asyncio_trace.tracer import session
from asyncio_trace.tracer.core import CORES, resolve
from asyncio_trace.tracer.recorder import FLUSH_BYTES

NS_BUDGET = 60.0
"""Most nanoseconds that an event may cost a program, with the native core."""

BYTES_BUDGET = 8.0
"""Most bytes that an event may take in the file, with the native core."""

MEASURED = ("switch", "http")
HEAD = ["workload", "events", "ns an event", "range", "ns, recording alone", "bytes an event"]
REPLAYED = 500_000
"""Records that are replayed at most."""

TIMES: dict[type[Record], tuple[int, ...]] = {
    kind: tuple(at for at, name in enumerate(kind._fields) if name == "ns" or name.endswith("_ns"))
    for kind in KINDS.values()
    if kind not in (LoopAlive, TaskAlive)
}
"""Which fields of a record are instants, by its kind; 0 in one of them means "none"."""


class Recorded(NamedTuple):
    """A recording, as far as events go."""

    events: int
    size: int
    """Bytes of the file."""


def main() -> None:
    """Measure, print the table, check."""
    runner = alternating.runner(_pass_on, values=2)
    add = runner.argparser.add_argument
    add("--workload", action="append", choices=workloads.COMPARED, help="measure this one only; repeatable")
    add("--scale", type=float, default=1.0, help="size of the workloads; 1.0 is what the figures are given for")
    add("--core", default="auto", choices=CORES, help="core that records (default: the fastest there is)")
    args = runner.parse_args()
    core = resolve(args.core)
    if args.check and (core != "native" or args.scale != 1.0):
        runner.argparser.error("the budgets are for the native core at scale 1")
    names = measuring.here(args.workload or MEASURED, workloads.missing, wanted=bool(args.workload), quiet=args.worker)
    rows, missed = [], []
    for name in names:
        rounds = measuring.compare(runner, ("plain", "asyncio-trace"), name, args.scale, core)
        if rounds is not None:
            cost, size, row = figures(rounds, name, args.scale, core)
            rows.append(row)
            missed += [f"an event of {name} costs {cost:.0f} ns, the budget is {NS_BUDGET:g}"] if cost > NS_BUDGET else []
            missed += (
                [f"an event of {name} takes {size:.1f} bytes, the budget is {BYTES_BUDGET:g}"] if size > BYTES_BUDGET else []
            )
    if args.worker:
        return
    print(alternating.table(HEAD, rows, markdown=args.markdown))
    if args.check:
        for line in missed:
            print(f"missed: {line}", file=sys.stderr)
        sys.exit(1 if missed else 0)


def figures(rounds: alternating.Rounds, name: str, scale: float, core: str) -> tuple[float, float, list[str]]:
    """Nanoseconds and bytes per event, and the row of the table, given `plain` and `asyncio-trace` measured."""
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-events-") as folder:
        path = Path(folder, "trace.atrace")
        found = record(path, name, scale, core)
        replayed = statistics.median(replay(path, core) for _ in range(3))
    costs = [seconds * 1e9 / found.events for seconds in rounds.differences("asyncio-trace", "plain")]
    cost, size = statistics.median(costs), found.size / found.events
    spread = f"{min(costs):.0f} to {max(costs):.0f}"
    return cost, size, [name, f"{found.events:,}", f"{cost:.0f}", spread, f"{replayed:.0f}", f"{size:.1f}"]


def record(path: Path, name: str, scale: float, core: str) -> Recorded:
    """Trace a workload to a file, and count."""

    async def run() -> None:
        await workloads.WORKLOADS[name](scale)

    trace = session.record_to(str(path), core=core)
    try:
        asyncio.run(run())
    finally:
        failure = trace.end()
    if failure is not None:
        raise RuntimeError(f"the trace failed: {failure}")
    return Recorded(count(path), path.stat().st_size)


def count(path: Path) -> int:
    """Events in a recording."""
    events = 0
    with RecordingReader(path) as reader:
        for record in reader.records():
            kind: Any = type(record)
            for at in TIMES.get(kind, ()):
                events += record[at] != 0
    return events


def replay(path: Path, core: str) -> float:
    """Nanoseconds per event of making a recording's records again and writing them to a file, and nothing else."""
    with RecordingReader(path) as reader:
        records = [
            record for record, _ in zip((r for r in reader.records() if type(r) in TIMES), range(REPLAYED), strict=False)
        ]
    events = sum(record[at] != 0 for record in records for at in TIMES[type(record)])  # type: ignore[index]
    again = path.with_suffix(".again.atrace")
    trace = session.record_to(str(again), core=core, every_loop=False)
    recorder = trace.recorder
    buffer = recorder.buffer
    extend = buffer.extend
    begun = time.process_time()
    for record in records:
        kind: Any = type(record)
        PACK[kind], HEADERS[kind]
    idle = time.process_time() - begun
    begun = time.process_time()
    for record in records:
        kind = type(record)
        extend(PACK[kind](HEADERS[kind], *record))
        if len(buffer) > FLUSH_BYTES:
            recorder.flush()
    failure = trace.end()
    seconds = time.process_time() - begun - idle
    again.unlink()
    if failure is not None:
        raise RuntimeError(f"the replay failed: {failure}")
    return seconds * 1e9 / max(events, 1)


def _pass_on(command: list[str], args: Any) -> None:
    for name in args.workload or ():
        command += ["--workload", name]
    command += ["--scale", str(args.scale), "--core", args.core, "--rounds", str(args.rounds)]


if __name__ == "__main__":
    main()
