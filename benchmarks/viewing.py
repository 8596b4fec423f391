"""The viewer on a million events and more: size of the page, time to the first picture, frames while the view moves, memory.

A workload is traced once; for larger pages its trace is laid end to end (`--copies`), so that ten million events need no hour.
The page is opened in headless Chromium without a graphics card. Frames are counted as a screen would: from one callback of
`requestAnimationFrame` to the next, while the view moves a bit with each.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import alternating
import workloads
from asyncio_trace.model import NEVER, NONE, Trace
from asyncio_trace.model.columns import Columns, What

PICTURE_S = {1: 3.0, 10: 20.0}
"""Most seconds from opening to the first picture, by millions of events."""
FRAME_MS = 16.8
"""A frame in time on a screen of 60 Hz, with what the clock of a page rounds."""
BYTES = 12.0
MEMORY_MB = 2048

MOVES = """async () => {
    const end = viewer.trace.end, gaps = [];
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const move = async (frames, view) => {
        await frame();
        let last = await frame();
        for (let i = 0; i < frames; i++) {
            const [from, to] = view(i / frames);
            viewer.change({from: Math.max(0, from), to: Math.min(end, to)});
            const now = await frame();
            gaps.push(now - last);
            last = now;
        }
    };
    await move(150, (part) => [end * 0.5 * (1 - 1e-5 ** part), end * (1 - 0.5 * (1 - 1e-5 ** part))]);
    await move(150, (part) => [0.7 * end * part, 0.7 * end * part + 0.3 * end]);
    await move(150, (part) => [end * (0.4 + 0.1 * part), end * (0.4005 + 0.1 * part)]);
    return gaps;
}"""


def main() -> None:
    """Measure, print a table, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", default="mixed", choices=list(workloads.WORKLOADS), help="program to trace")
    parser.add_argument("--scale", type=float, default=5.0, help="size of the program; 5.0 makes a million events of `mixed`")
    parser.add_argument("--copies", type=int, nargs="*", default=[1, 10], help="lay the trace end to end so many times")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a budget is missed")
    args = parser.parse_args()
    program = [str(Path(workloads.__file__)), args.workload, str(args.scale)]
    rows, missed = [], []
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-viewer-") as folder:
        trace, events = _traced(program, Path(folder))
        for copies in args.copies:
            page = Path(folder, f"{copies}.html")
            seconds = _exported(repeated(trace, copies), page)
            size = page.stat().st_size
            seen = _opened(page)
            page.unlink()
            number = events * copies
            late = sorted(seen["gaps"])[int(0.95 * len(seen["gaps"]))]
            in_time = 100 * sum(gap <= FRAME_MS for gap in seen["gaps"]) / len(seen["gaps"])
            rows.append(
                [
                    f"{number:,}", f"{seconds:.1f} s", f"{size / 1e6:.1f} MB", f"{size / number:.1f}",
                    f"{seen['picture']:.1f} s", f"{in_time:.0f} %", f"{late:.1f} ms", f"{seen['memory']:.0f} MB",
                ]
            )  # fmt: skip
            budget = PICTURE_S.get(round(number / 1e6))
            if budget is not None and seen["picture"] > budget:
                missed.append(f"the first picture of {number:,} events takes {seen['picture']:.1f} s, not {budget:g}")
            if size / number > BYTES:
                missed.append(f"{size / number:.1f} bytes an event, not {BYTES:g}")
            if seen["memory"] > MEMORY_MB:
                missed.append(f"{seen['memory']:.0f} MB, not {MEMORY_MB}")
            if number < 2e6 and in_time < 95:
                missed.append(f"{in_time:.0f} % of frames are in time, not 95")
    head = ["events", "export", "page", "bytes an event", "first picture", "frames in time", "95th percentile", "memory"]
    print(alternating.table(head, rows, markdown=args.markdown))
    if args.check and missed:
        sys.exit("missed: " + "; ".join(missed))


def _traced(program: list[str], folder: Path) -> tuple[Trace, int]:
    from asyncio_trace.model import load
    from asyncio_trace.recording.reader import RecordingReader

    recording = folder / "trace.atrace"
    words = [sys.executable, "-m", "asyncio_trace", "run", "-q", "-o", str(recording), *program]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    with RecordingReader(recording) as reader:
        events = sum(1 for _ in reader.records())
    return load(recording), events


def _exported(trace: Trace, page: Path) -> float:
    from asyncio_trace.exporters.html.exporter import HtmlExporter

    start = time.perf_counter()
    HtmlExporter().export(trace, str(page))
    return time.perf_counter() - start


def repeated(trace: Trace, copies: int) -> Trace:
    """The trace, laid end to end; tasks and things of each copy are its own."""
    if copies == 1:
        return trace
    names = ("tasks", "runs", "waits", "futures", "jobs", "idle", "callbacks", "resources")
    length, tasks = trace.program.duration_ns, len(trace.tasks)
    ids = 1 + max(int(getattr(trace, name).columns.id.max(initial=0)) for name in ("tasks", "futures", "jobs", "resources"))
    made = Trace(dataclasses.replace(trace.program, duration_ns=copies * length))
    made.strings, made.sites, made.stacks, made.wait_kinds = trace.strings, trace.sites, trace.stacks, trace.wait_kinds
    made.hold(**{name: _tiled(getattr(trace, name).columns, copies, length, ids, tasks) for name in names})
    return made


def _tiled(columns: Columns, copies: int, length: int, ids: int, tasks: int) -> Any:
    """Columns that repeat; times, ids and rows grow with each copy, but the ids of loops and threads."""
    made: dict[str, Any] = {}
    for name, what in columns.meanings().items():
        column = getattr(columns, name)
        if what is None:
            made[name] = _tiled(column, copies, length, ids, tasks)
            continue
        step = length if what is What.TIME else tasks if what is What.TASK_ROW else 0
        if what is What.ID and name not in ("loop", "thread"):
            step = ids
        known = (column != NEVER) & (column != NONE) & ((column != 0) | (what is not What.ID))
        made[name] = np.concatenate([np.where(known, column + copy * step, column) for copy in range(copies)]).astype(
            column.dtype
        )
    return type(columns)(**made)


def _opened(page: Path) -> dict[str, Any]:
    """Seconds to the first picture, ms from frame to frame while the view moves, most MB that the page's process took."""
    from playwright.sync_api import sync_playwright

    binary = os.environ.get("CHROMIUM_BIN") or shutil.which("chromium")
    if binary is None:
        sys.exit("viewer: no Chromium; install it, or set CHROMIUM_BIN")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        tab.set_default_timeout(300_000)
        start = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready=yes]")
        picture = time.perf_counter() - start
        gaps = tab.evaluate(MOVES)
        processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        memory = max(_peak(process["id"]) for process in processes if process["type"] == "renderer")
        browser.close()
    return {"picture": picture, "gaps": json.loads(json.dumps(gaps)), "memory": memory}


def _peak(process: int) -> float:
    """Most memory that a process had, in MB."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
