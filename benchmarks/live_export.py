"""A service under load with live export: what it costs the service, and whether the command's memory stays flat.

Requests come at a fixed rate; each gathers tasks that sleep. The same service is traced to a file, and then with `run --otlp`
to a collector in a process of its own that counts spans, in alternation. Compared are CPU time of the service and the latency
of its requests, as it measures them itself. With `--outage` the collector is away for the middle third of the time. `--check`
holds the CPU time and the memory against their budgets, and requires that every span is accounted for: what the command says
that it sent is what the collector got.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import alternating

BUDGET_CPU = 1.05
"""Most CPU time of the service with live export, over the same traced to a file."""
BUDGET_MIB = 16.0
"""Most that the command's memory may grow by from the middle of the time to its end."""

SERVICE = """
import asyncio, json, sys, time

seconds, rate = float(sys.argv[1]), float(sys.argv[2])
latencies = []

async def request(begun):
    await asyncio.gather(*(asyncio.sleep(0.003) for _ in range(4)))
    latencies.append(time.monotonic() - begun)

async def main():
    loop = asyncio.get_running_loop()
    due = begun = loop.time()
    while due < begun + seconds:
        due += 1 / rate
        loop.call_soon(lambda: loop.create_task(request(time.monotonic())))
        await asyncio.sleep(max(0, due - loop.time()))
    await asyncio.sleep(0.1)

asyncio.run(main())
latencies.sort()
json.dump([time.process_time(), latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]], sys.stdout)
"""


def main() -> None:
    """Measure, print the table, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long the service runs (default: 60)")
    parser.add_argument("--rate", type=float, default=200, help="requests a second (default: 200, some 2,000 spans a second)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured (default: 3)")
    parser.add_argument("--outage", action="store_true", help="take the collector away for a third of the time")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a budget is missed or a span is not accounted for")
    args = parser.parse_args()
    rows, ratios, growths, missing = [], [], [], 0
    for number in range(args.rounds):
        results = {}
        for way in ("file", "live") if number % 2 else ("live", "file"):
            results[way] = _file(args) if way == "file" else _live(args)
        (file, _, _), (live, growth, lost) = results["file"], results["live"]
        ratios.append(live[0] / file[0])
        growths.append(growth)
        missing += abs(lost)
        rows += [[way, f"{cpu:.2f} s", f"{median * 1000:.2f} ms", f"{slow * 1000:.2f} ms"]
                 for way, (cpu, median, slow) in (("to a file", file), ("live", live))]  # fmt: skip
    print(alternating.table(["traced", "CPU time", "median latency", "99 %"], rows, markdown=args.markdown))
    ratio, growth = statistics.median(ratios), max(growths)
    print(f"CPU ratio: {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); the command grew by {growth:.1f} MiB at most")
    print(f"spans not accounted for: {missing}")
    if args.check and missing:
        sys.exit("missed: what was sent is not what arrived")
    if args.check and ratio > BUDGET_CPU:
        sys.exit(f"missed: live export costs the service {ratio:.2f} of its CPU time, the budget is {BUDGET_CPU:g}")
    if args.check and growth > BUDGET_MIB:
        sys.exit(f"missed: the command grew by {growth:.1f} MiB, the budget is {BUDGET_MIB:g}")


def _command(folder: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "asyncio_trace", "run", "-o", f"{folder}/service.atrace", *words]


def _file(args: argparse.Namespace) -> tuple[list[float], float, int]:
    """What the service says of itself, traced to a file."""
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-live-") as folder:
        command = _command(folder, "-q", "-c", SERVICE, str(args.seconds), str(args.rate))
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: list[float] = json.loads(done.stdout)
    return figures, 0.0, 0


def _live(args: argparse.Namespace) -> tuple[list[float], float, int]:
    """The same with live export; also the command's growth in MiB, and the number of spans that are not accounted for."""
    parent, child = multiprocessing.Pipe()
    collector = multiprocessing.get_context("spawn").Process(target=_collect, args=(child,), daemon=True)
    collector.start()
    port = parent.recv()
    outage = threading.Thread(target=_take_away, args=(parent, args.seconds / 3))
    if args.outage:
        outage.start()
    sizes: list[int] = []
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-live-") as folder:
        words = ["--otlp-endpoint", f"http://127.0.0.1:{port}", "-c", SERVICE, str(args.seconds), str(args.rate)]
        with subprocess.Popen(_command(folder, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            begun = time.monotonic()
            while time.monotonic() < begun + args.seconds - 1 and process.poll() is None:
                sizes.append(_resident(process.pid))
                time.sleep(0.5)
            said, told = process.communicate()
    if args.outage:
        outage.join()
    parent.send("count")
    got = parent.recv()
    parent.send("end")
    collector.join()
    sent = re.search(r"([\d,]+) spans sent", told)
    if process.returncode or sent is None:
        sys.exit(f"the service, exported live, ended with {process.returncode}:\n{told}")
    middle = sizes[len(sizes) // 2 :] or [0]
    return json.loads(said), (max(middle) - middle[0]) / (1 << 20), int(sent[1].replace(",", "")) - got


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except OSError:  # it has ended, or this is not Linux
        return 0


def _take_away(collector: Connection, seconds: float) -> None:
    time.sleep(seconds)
    collector.send("away")
    time.sleep(seconds)
    collector.send("back")


def _collect(pipe: Connection) -> None:
    """Be a collector that counts spans, until told otherwise."""
    got = 0

    def export(request: bytes, context: object) -> bytes:
        nonlocal got
        got += sum(len(scope.spans) for resource in ExportTraceServiceRequest.FromString(request).resource_spans
                   for scope in resource.scope_spans)  # fmt: skip
        return b""

    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    handler = grpc.unary_unary_rpc_method_handler(export)

    def serve(port: int) -> tuple[grpc.Server, int]:
        server = grpc.server(ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        return server, port

    server, port = serve(0)
    pipe.send(port)
    while (word := pipe.recv()) != "end":
        match word:
            case "away":
                server.stop(None).wait()
            case "back":
                server, _ = serve(port)
            case "count":
                pipe.send(got)


if __name__ == "__main__":
    main()
