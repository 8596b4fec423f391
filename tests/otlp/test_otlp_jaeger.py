"""What a real Jaeger makes of it, read back through its query API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asyncio_trace.exporters.otlp.exporter import OtlpExporter
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Trace
from otlp.jaeger import Jaeger
from otlp.traces import MS, eventful_trace, gather_trace, program, task

pytestmark = [pytest.mark.jaeger, pytest.mark.network]

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])


def tags(span: Any) -> dict[str, Any]:
    """A span's attributes as Jaeger gives them."""
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def parents(span: Any) -> list[str]:
    """Ids of the spans that it is a child of."""
    return [reference["spanID"] for reference in span["references"] if reference["refType"] == "CHILD_OF"]


def links(span: Any) -> list[str]:
    """Ids of the spans that it links to."""
    return [reference["spanID"] for reference in span["references"] if reference["refType"] == "FOLLOWS_FROM"]


def check_tree(trace: Any) -> Any:
    """One root without references, no orphan, children inside their parents, no warning anywhere; returns the root."""
    spans = {span["spanID"]: span for span in trace["spans"]}
    assert len(spans) == len(trace["spans"])
    assert [span["warnings"] for span in spans.values() if span["warnings"]] == []
    (root,) = [span for span in spans.values() if not parents(span)]
    assert root["references"] == []
    for span in spans.values():
        assert all(link in spans for link in links(span))
        for parent in (spans[number] for number in parents(span)):
            assert parent["startTime"] <= span["startTime"]
            if tags(span)["span.kind"] != "consumer":
                assert span["startTime"] + span["duration"] <= parent["startTime"] + parent["duration"]
    return root


def send(trace: Trace, jaeger: Jaeger, protocol: str, service: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Send a trace by one protocol and read it back."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_SERVICE_NAME", service)
    OtlpExporter().export(trace, jaeger.grpc_url if protocol == "grpc" else jaeger.http_url)
    return jaeger.traces(service, len(build_spans(trace)))


@PROTOCOLS
def test_gather_in_jaeger(jaeger: Jaeger, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gather of ten comes back as one trace of 23 spans that nest; a wait that a task ended has a link, the root has none."""
    (trace,) = send(gather_trace(), jaeger, protocol, f"gather-{protocol[:4]}", monkeypatch)
    root = check_tree(trace)
    assert len(trace["spans"]) == 23
    assert root["operationName"] == "asyncio: gather"
    (wait,) = [span for span in trace["spans"] if span["operationName"] == "await gather"]
    (woken_by,) = links(wait)
    assert tags(next(span for span in trace["spans"] if span["spanID"] == woken_by))["asyncio.task.id"] == 11
    assert tags(wait)["code.line.number"] == 12
    assert {log["fields"][0]["value"] for log in wait["logs"]} == {"ready", "woken"}
    process = {tag["key"] for tag in trace["processes"]["p1"]["tags"]}
    assert process >= {"host.name", "process.pid", "process.runtime.version", "service.instance.id", "telemetry.sdk.name"}


@PROTOCOLS
def test_everything_in_jaeger(jaeger: Jaeger, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace with failures, cancellation, fire-and-forget, blocking and jobs nests without a warning; one span is an error."""
    (trace,) = send(eventful_trace(), jaeger, protocol, f"eventful-{protocol[:4]}", monkeypatch)
    check_tree(trace)
    assert [span["operationName"] for span in trace["spans"] if tags(span).get("error")] == ["fail"]
    kinds = {span["operationName"]: tags(span)["span.kind"] for span in trace["spans"]}
    assert (kinds["create_task background"], kinds["background"]) == ("producer", "consumer")


def test_large_trace_in_jaeger(jaeger: Jaeger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven thousand tasks come back as 2,000 spans without a warning, and the root says what was folded."""
    (trace,) = send(gather_trace(11_000), jaeger, "grpc", "large", monkeypatch)
    root = check_tree(trace)
    assert len(trace["spans"]) == 2000
    assert tags(root)["asyncio.program.tasks.folded"] == 11_001 - 1999


def test_many_traces_in_jaeger(jaeger: Jaeger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks inside the program's own spans arrive in those spans' traces; Jaeger only misses the parents that we don't send."""
    trace = gather_trace(4)
    for number, row in enumerate(trace.tasks[1:]):
        row.parent_span = (0xA000 + number, 0xB000 + number, 1)
    found = send(trace, jaeger, "http/protobuf", "own-spans", monkeypatch)
    assert len(found) == 5
    adopted = [each for each in found if len(each["spans"]) == 2]
    assert len(adopted) == 4
    for each in adopted:
        spans = {span["spanID"]: span for span in each["spans"]}
        (outside,) = [span for span in spans.values() if not set(parents(span)) & set(spans)]
        assert len(outside["warnings"]) == 1
        assert "parent span ID" in outside["warnings"][0]


def test_two_hundred_thousand_spans_in_jaeger(jaeger: Jaeger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program that is split into a hundred traces of 2,000 spans each span arrives, and once."""
    trace = Trace(program(10 * MS))
    for first in range(1, 200_001, 2000):
        trace.tasks.append(task(first, None, 0, 10 * MS, coroutine="request"))
        for number in range(first + 1, first + 2000):
            trace.tasks.append(task(number, first, 10, 9 * MS))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "many")
    spans = build_spans(trace)
    monkeypatch.setattr("asyncio_trace.exporters.otlp.exporter.build_spans", lambda *args, **kwargs: spans)
    OtlpExporter().export(trace, jaeger.grpc_url)
    ids = {span.trace_id for span in spans[1:]}
    assert len(ids) == 100
    for number in ids:
        (found,) = jaeger.get(f"/api/traces/{number:032x}")
        assert len({span["spanID"] for span in found["spans"]}) == len(found["spans"]) == 2000


@PROTOCOLS
def test_run_gather_in_jaeger(jaeger: Jaeger, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio-trace run gather --otlp` into a real Jaeger: one trace, 11 tasks, ten of them under main, waits, no warning."""
    service = f"run-gather-{protocol[:4]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_SERVICE_NAME", service)
    url = jaeger.grpc_url if protocol == "grpc" else jaeger.http_url
    options = ["-f", "-o", str(tmp_path / "t.atrace"), "--otlp", "--otlp-endpoint", url]
    command = [sys.executable, "-m", "asyncio_trace", "run", *options, "gather", "--scale", "0.02", "--seed", "7"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    (trace,) = jaeger.traces(service, 1 + 11 + 11)
    root = check_tree(trace)
    tasks = {span["spanID"]: span for span in trace["spans"] if "asyncio.task.id" in tags(span)}
    (main,) = [span for span in tasks.values() if parents(span) == [root["spanID"]]]
    assert len(tasks) == 11
    assert sum(parents(span) == [main["spanID"]] for span in tasks.values()) == 10
    waits = [span for span in trace["spans"] if "asyncio.wait.kind" in tags(span)]
    assert {tags(wait)["asyncio.wait.kind"] for wait in waits} == {"sleep", "gather"}
    (gather,) = [wait for wait in waits if tags(wait)["asyncio.wait.kind"] == "gather"]
    assert [link in tasks for link in links(gather)] == [True]
    assert all("asyncio.wake.kind" in tags(wait) for wait in waits)
