"""Sending from a program that still runs: whole trees, without orphans, and every span sent or counted as dropped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from asyncio_trace.exporters.otlp import live as live_module
from asyncio_trace.exporters.otlp.live import LiveExport
from asyncio_trace.model import load
from otlp.collectors import Collector, MetricsServicer, grpc_collector
from otlp.test_otlp_sending import free_port

pytestmark = pytest.mark.network

DEADLINE_S = 60.0

SERVICE = """
import asyncio, sys

async def part(number):
    await asyncio.sleep(0.002)

async def request(number):
    async with asyncio.TaskGroup() as group:
        for each in range(3):
            group.create_task(part(each))

async def main():
    loop = asyncio.get_running_loop()
    for number in range(int(sys.argv[1])):
        loop.call_soon(lambda: loop.create_task(request(number)))
        await asyncio.sleep(0.002)
    print("served", flush=True)
    try:
        await loop.run_in_executor(None, sys.stdin.read)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise

asyncio.run(main())
"""
"""A service that has served a number of requests, each 1 + 3 tasks, and then goes on until its standard input ends."""


class Service:
    """A traced program, and an export that follows it."""

    def __init__(self, process: subprocess.Popen[str], recording: Path) -> None:
        self.process = process
        self.recording = recording
        self.over = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, export: LiveExport) -> None:
        """Begin to export."""
        pid = json.loads(self.recording.read_bytes().split(b"\n", 1)[1][9:].split(b"}")[0] + b"}")["pid"]
        self._thread = threading.Thread(target=export.run, args=(str(self.recording), pid, self.over))
        self._thread.start()

    def end(self) -> None:
        """Let the program end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(DEADLINE_S) == 0

    def finish(self) -> None:
        """Let the export finish."""
        self.over.set()
        assert self._thread is not None
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


@contextmanager
def service(folder: Path, requests: int) -> Iterator[Service]:
    """A service that has served its requests."""
    recording = folder / "service.atrace"
    options = ["run", "-q", "-o", str(recording), "-c", SERVICE, str(requests)]
    process = subprocess.Popen(
        [sys.executable, "-m", "asyncio_trace", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "served\n"
        yield Service(process, recording)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(DEADLINE_S)


def until(true: Callable[[], object]) -> None:
    """Wait for something that is bound to come."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def check_trees(spans: list[Span]) -> Counter[str]:
    """Every span comes once, with its parent, inside it; names of the roots."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        if span.parent_span_id:
            parent = by_id[span.parent_span_id]
            assert parent.trace_id == span.trace_id
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.kind == Span.SPAN_KIND_CONSUMER or span.end_time_unix_nano <= parent.end_time_unix_nano
    return Counter(span.name for span in spans if not span.parent_span_id)


def test_requests_arrive_while_the_service_runs(collector: Collector, tmp_path: Path) -> None:
    """Each request is there as a whole trace while the service goes on; main and the program's span come with the end."""
    with service(tmp_path, 50) as running:
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        until(lambda: sum(span.name == "request" for span in collector.spans) == 50)
        assert check_trees(collector.spans) == {"request": 50}
        running.end()
        running.finish()
    assert check_trees(collector.spans) == {"request": 50, "main": 1, "asyncio: python -c": 1}
    assert (export.failure, export.sent, export.dropped) == ("", len(collector.spans), {})
    trace = load(running.recording)
    ids = [pair.value.int_value for span in collector.spans for pair in span.attributes if pair.key == "asyncio.task.id"]
    assert sorted(ids) == sorted(task.id for task in trace.tasks)
    (root,) = [span for span in collector.spans if span.name.startswith("asyncio: ")]
    said = {pair.key: pair.value for pair in root.attributes}
    assert said["asyncio.tasks.total"].int_value == len(trace.tasks)
    assert said["asyncio.waits.total"].int_value <= len(trace.waits)
    assert said["asyncio.running_ns"].int_value == sum(run.end_ns - run.start_ns for run in trace.runs)
    assert said["asyncio.program.traces"].int_value == 51
    assert said["asyncio.complete"].bool_value


def test_a_killed_service_is_told_to_its_end(collector: Collector, tmp_path: Path) -> None:
    """Of a service that is killed what lived is pending, and the program's span says that the recording is not complete."""
    with service(tmp_path, 5) as running:
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        until(lambda: sum(span.name == "request" for span in collector.spans) == 5)
        pid = json.loads(running.recording.read_bytes().split(b"\n", 1)[1][9:].split(b"}")[0] + b"}")["pid"]
        os.kill(pid, signal.SIGKILL)
        running.process.wait(DEADLINE_S)
        running.finish()
    said = {span.name: {pair.key: pair.value for pair in span.attributes} for span in collector.spans}
    assert said["main"]["asyncio.task.outcome"].string_value == "pending"
    assert not said["asyncio: python -c"]["asyncio.complete"].bool_value
    check_trees(collector.spans)


def test_nothing_is_lost_while_the_collector_is_away(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that refuses for now is asked again until it takes: each span arrives once and none is dropped."""
    monkeypatch.setattr(live_module, "PAUSE_S", 0.01)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    collector.accept, collector.http_status, collector.grpc_status = 0, 503, grpc.StatusCode.UNAVAILABLE
    with service(tmp_path, 50) as running:
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        until(lambda: len(collector.headers) >= 3)
        assert (export.sent, collector.spans) == (0, [])
        collector.accept = 1 << 30
        until(lambda: sum(span.name == "request" for span in collector.spans) == 50)
        running.end()
        running.finish()
    assert check_trees(collector.spans)["request"] == 50
    assert (export.sent, export.dropped) == (len(collector.spans), {})


def test_what_the_collector_refuses_is_counted(collector: Collector, tmp_path: Path) -> None:
    """A collector that says no for good loses the spans, which are counted, and it is not asked again with the same."""
    collector.accept = 0
    with service(tmp_path, 20) as running:
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        until(lambda: export.dropped)
        running.end()
        running.finish()
    assert export.sent == 0
    made = len(load(running.recording).tasks)
    assert list(export.dropped) == ["refused"]
    assert export.dropped["refused"] > made
    assert "0 spans sent" in export.summary
    assert "refused (" in export.summary


def test_partly_refused_spans_are_counted(collector: Collector, tmp_path: Path) -> None:
    """Where the collector takes a request but not all of its spans, those are counted, and the others as sent."""
    collector.refused_spans = 2
    with service(tmp_path, 20) as running:
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        running.end()
        running.finish()
    sizes = [len(message.resource_spans[0].scope_spans[0].spans) for message in collector.messages]
    assert export.dropped == {"refused": sum(min(2, size) for size in sizes)}
    assert export.sent + export.dropped["refused"] == len(collector.spans)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_dead_collector_is_given_up_at_the_end(protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: once the service is over the export ends in its time, and all that there was is counted, by reason."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    monkeypatch.setattr(live_module, "GIVE_UP_S", 0.2)
    with service(tmp_path, 20) as running:
        export = LiveExport(f"http://127.0.0.1:{free_port()}", period_s=0.01)
        running.follow(export)
        until(lambda: export.last_error)
        running.end()
        running.finish()
    assert (export.failure, export.sent, list(export.dropped)) == ("", 0, ["when the program was over"])
    assert export.dropped.total() > len(load(running.recording).tasks)
    assert "connection refused" in export.summary


def test_a_reader_too_far_behind_drops(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the recording has run ahead too far, spans are counted instead of sent until the reader has caught up."""
    monkeypatch.setattr(live_module, "MOST_BEHIND_BYTES", 20_000)
    monkeypatch.setattr(live_module, "STEP_BYTES", 1000)
    with service(tmp_path, 400) as running:
        assert running.recording.stat().st_size > 40_000
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        running.end()
        running.finish()
    assert list(export.dropped) == ["too far behind"]
    assert 0 < export.sent == len(collector.spans)
    roots = check_trees(collector.spans)
    assert 0 < roots["request"] < 400
    tasks = sum(any(pair.key == "asyncio.task.outcome" for pair in span.attributes) for span in collector.spans)
    assert tasks < len(load(running.recording).tasks)


def test_giving_up_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to give up, the export ends soon even if the collector is away and the program's end was long to be waited for."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    with service(tmp_path, 5) as running:
        export = LiveExport(f"http://127.0.0.1:{free_port()}", period_s=0.01)
        running.follow(export)
        until(lambda: export.last_error)
        running.end()
        export.give_up()
        running.finish()
    assert export.dropped.total() > 20


def test_an_older_recording_is_not_followed(collector: Collector, tmp_path: Path) -> None:
    """A file of another process, about to be overwritten, is not taken for the program's; nor is one that never comes."""
    with service(tmp_path, 1) as running:
        running.end()
    export = LiveExport(collector.url, period_s=0.01)
    over = threading.Event()
    over.set()
    export.run(str(running.recording), 1, over)
    export.run(str(tmp_path / "none.atrace"), 1, over)
    assert (export.failure, export.sent, collector.spans) == ("", 0, [])


def test_metrics_go_beside_the_spans(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lag, utilisation, queue, tasks, blocking steps and what became of spans arrive while it runs, and at the end."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    with service(tmp_path, 30) as running:
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        until(lambda: len(collector.metrics) >= 2)
        running.end()
        running.finish()
    last = collector.metrics[-1].resource_metrics[0]
    assert {"service.name", "host.name", "process.pid"} <= {pair.key for pair in last.resource.attributes}
    found = {metric.name: metric for metric in last.scope_metrics[0].metrics}
    trace = load(running.recording)
    (lag,) = found["asyncio.loop.lag"].histogram.data_points
    assert (found["asyncio.loop.lag"].unit, lag.count, sum(lag.bucket_counts)) == ("s", sum(lag.bucket_counts), lag.count)
    assert 0 < lag.count <= len(trace.runs)
    assert lag.min <= lag.sum / lag.count <= lag.max
    assert found["asyncio.tasks.alive"].gauge.data_points[0].as_int == 0
    ended = {point.attributes[0].value.string_value: point.as_int for point in found["asyncio.tasks.ended"].sum.data_points}
    assert ended == {"returned": len(trace.tasks)}
    (sent,) = found["asyncio_trace.spans.exported"].sum.data_points
    assert sent.as_int == export.sent == len(collector.spans)
    assert list(found["asyncio_trace.spans.dropped"].sum.data_points) == []
    assert found["asyncio_trace.events.dropped"].sum.data_points[0].as_int == 0
    assert found["asyncio.loop.blocking_steps"].sum.is_monotonic
    first = {metric.name: metric for metric in collector.metrics[0].resource_metrics[0].scope_metrics[0].metrics}
    assert 0 < first["asyncio.loop.utilization"].gauge.data_points[0].as_double < 1
    assert first["asyncio.loop.ready_queue.length"].gauge.data_points[0].as_double > 0


@pytest.mark.parametrize("exporter", ["none", "otlp"])
def test_metrics_are_never_an_error(exporter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that takes no metrics, as Jaeger, is soon asked no more; with OTEL_METRICS_EXPORTER=none it never is."""
    asked: list[object] = []

    def refuse(self: object, request: object, context: Any) -> None:
        asked.append(request)
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown service")

    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", exporter)
    monkeypatch.setattr(MetricsServicer, "Export", refuse)
    with grpc_collector() as collector, service(tmp_path, 5) as running:
        export = LiveExport(collector.url, period_s=0.01)
        running.follow(export)
        until(lambda: len(asked) >= 3 or (exporter == "none" and export.sent))
        running.end()
        running.finish()
        assert (export.failure, export.sent) == ("", len(collector.spans))
    assert len(asked) == (0 if exporter == "none" else 3)
