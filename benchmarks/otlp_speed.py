"""Spans a second from a recorded trace to a collector: our exporter beside OpenTelemetry's SDK with its batch span processor.

The trace is a real one, of requests that gather tasks which sleep and wait on a queue, loaded from its recording. Both ways map
it to the same spans and send them by gRPC to a collector in a process of its own that throws them away. What is measured is CPU
time of the sending process, all threads, in alternation within one run. `--check` holds the ratio against the budget.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, set_span_in_context

import alternating
import asyncio_trace
from asyncio_trace.exporters.otlp import resource
from asyncio_trace.exporters.otlp.exporter import OtlpExporter
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Trace, load

BUDGET = 5.0
"""Least ratio of spans a second, ours over the SDK's."""

TASKS = 40
"""Tasks that one request gathers."""
MAX_SPANS = 1_000_000
"""Nothing is folded: each way sends all there is."""

_KINDS = {"internal": SpanKind.INTERNAL, "producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER}


def main() -> None:
    """Measure, print the table, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="requests in the trace (default: 200, some 20,000 spans)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured (default: 5)")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the budget is missed")
    args = parser.parse_args()
    trace = _recorded(args.requests)
    number = len(build_spans(trace, max_spans=MAX_SPANS))
    parent, child = multiprocessing.Pipe()
    collector = multiprocessing.get_context("spawn").Process(target=_collect, args=(child,), daemon=True)
    collector.start()
    url = f"http://127.0.0.1:{parent.recv()}"
    ways: dict[str, Callable[[Trace, str], None]] = {"SDK, batch span processor": _by_sdk, "asyncio-trace": _by_us}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(args.rounds + 1):  # the first warms up
        for name in ways if round_number % 2 else reversed(ways):
            begun = time.process_time()
            ways[name](trace, url)
            if round_number:
                spent[name].append(time.process_time() - begun)
    collector.terminate()
    sdk, ours = spent.values()
    ratios = [slow / quick for slow, quick in zip(sdk, ours, strict=True)]
    rows = [
        [name, f"{number / statistics.median(seconds):,.0f}", f"{statistics.median(seconds) / number * 1e6:.1f} us"]
        for name, seconds in spent.items()
    ]
    head = [f"{number:,} spans", "spans a CPU second", "a span"]
    print(alternating.table(head, rows, markdown=args.markdown))
    ratio = statistics.median(ratios)
    print(f"ratio: {ratio:.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
    if args.check and ratio < BUDGET:
        sys.exit(f"missed: {ratio:.1f} times the SDK's spans a second, the budget is {BUDGET:g}")


def _recorded(requests: int) -> Trace:
    with tempfile.TemporaryDirectory(prefix="asyncio-trace-otlp-") as folder:
        path = Path(folder, "requests.atrace")
        with asyncio_trace.trace(path):
            asyncio.run(_serve(requests))
        return load(path)


async def _serve(requests: int) -> None:
    for begin in range(0, requests, 10):
        await asyncio.gather(*(_request() for _ in range(min(10, requests - begin))))


async def _request() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    tasks = [asyncio.create_task(_work(queue)) for _ in range(TASKS)]
    await asyncio.sleep(0.005)
    for number in range(TASKS):
        queue.put_nowait(number)
    await asyncio.gather(*tasks)


async def _work(queue: asyncio.Queue[int]) -> int:
    await asyncio.sleep(0.002)
    return await queue.get()


def _by_us(trace: Trace, url: str) -> None:
    OtlpExporter(max_spans=MAX_SPANS).export(trace, url)


def _by_sdk(trace: Trace, url: str) -> None:
    provider = TracerProvider(resource=resource.resource_of(trace.program))
    # A queue that holds all there is, for this processor drops what is beyond it.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url), max_queue_size=MAX_SPANS))
    tracer = provider.get_tracer("asyncio_trace")
    made: dict[int, SpanContext] = {}
    for span in build_spans(trace, max_spans=MAX_SPANS):
        context = set_span_in_context(NonRecordingSpan(made[span.parent_id])) if span.parent_id else None
        links = [Link(made[link.span_id], link.attributes) for link in span.links if link.span_id in made]
        live = tracer.start_span(span.name, context, _KINDS[span.kind], span.attributes, links, span.start_unix_ns)
        for event in span.events:
            live.add_event(event.name, event.attributes, event.unix_ns)
        if span.error is not None:
            live.set_status(StatusCode.ERROR, span.error)
        live.end(span.end_unix_ns)
        made[span.span_id] = live.get_span_context()
    provider.shutdown()


def _collect(pipe: Connection) -> None:
    """Be a collector that takes all and keeps nothing; tell the port."""
    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
    pipe.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
