"""OTLP JSON files: the same messages as are sent, in the file format of OpenTelemetry."""

from __future__ import annotations

import json
import random
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.otlp.encode import Encoder, Origin
from asyncio_trace.exporters.otlp.json_file import LINE_BYTES, OtlpJsonExporter, lines
from asyncio_trace.exporters.otlp.resource import origin_of
from asyncio_trace.exporters.otlp.span import Span
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Trace
from otlp.jaeger import Jaeger
from otlp.test_otlp_encode import SPANS
from otlp.traces import eventful_trace, gather_trace

ORIGIN = Origin({"service.name": "s", "n": 3, "x": 0.5, "flags": [True, False]}, "scope", "1", "https://schema")


def message(line: str) -> TracesData:
    """A line parsed by protobuf's own reader, which takes all but the ids: those it wants in base64."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            ids = ("traceId", "spanId", "parentSpanId")
            return {key: b64encode(bytes.fromhex(item)).decode() if key in ids else plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    made: TracesData = ParseDict(plain(json.loads(line)), TracesData())
    return made


def sent(spans: list[Span], origin: Origin) -> TracesData:
    """What would be sent: the request has the fields of `TracesData`."""
    (request,) = Encoder().requests(spans, origin, 1 << 30)
    made: TracesData = TracesData.FromString(request.body)
    return made


@pytest.mark.parametrize("trace", [gather_trace(), eventful_trace()], ids=["gather", "eventful"])
def test_the_file_is_what_is_sent(trace: Trace) -> None:
    """Parsed back with the proto classes, which refuse unknown fields, a line is the message that would be sent."""
    trace.tasks[1].parent_span = (0xABC, 0xDEF, 1)
    spans = build_spans(trace, rng=random.Random(1))
    ((line, number),) = lines(spans, origin_of(trace.program))
    assert number == len(spans)
    assert message(line) == sent(spans, origin_of(trace.program))


@given(st.lists(SPANS, min_size=1, max_size=4))
def test_any_span_is_what_is_sent(spans: list[Span]) -> None:
    """Whatever the names, attributes, events, links and times: the file says the same as the wire."""
    ((line, _),) = lines(spans, ORIGIN, 1 << 30)
    assert message(line) == sent(spans, ORIGIN)


def test_lines_are_bounded() -> None:
    """A large trace has several lines, none above the limit that readers cut at, and all but the last nearly full."""
    spans = build_spans(gather_trace(3000))
    found = list(lines(spans, ORIGIN))
    sizes = [len(line.encode()) for line, _ in found]
    assert max(sizes) <= LINE_BYTES
    assert min(sizes[:-1]) > 0.99 * LINE_BYTES
    assert [span for line, _ in found for span in message(line).resource_spans[0].scope_spans[0].spans] == list(
        sent(spans, ORIGIN).resource_spans[0].scope_spans[0].spans
    )


def test_undecodable_names_are_written(tmp_path: Path) -> None:
    """A file name with a lone surrogate is escaped; the file is plain ASCII."""
    trace = gather_trace(1)
    trace.tasks[1].coroutine = "w\udcffork"
    OtlpJsonExporter().export(trace, str(tmp_path / "t.otlp.json"))
    text = (tmp_path / "t.otlp.json").read_bytes().decode("ascii")
    assert "w\\udcffork" in {span.name for span in message(text).resource_spans[0].scope_spans[0].spans}


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A folder that is not there is an OutputError that names the file, and nothing is left."""
    with pytest.raises(OutputError, match=r"cannot write .*t\.otlp\.json: No such file"):
        OtlpJsonExporter().export(gather_trace(), str(tmp_path / "none" / "t.otlp.json"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.jaeger
@pytest.mark.network
def test_jaeger_opens_the_file(jaeger: Jaeger) -> None:
    """What Jaeger's UI does with an uploaded file, its backend does right: one trace, each span, its names and its tags."""
    spans = build_spans(eventful_trace())
    ((line, _),) = lines(spans, ORIGIN)
    request = urllib.request.Request(f"{jaeger.query_url}/api/transform", line.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        (trace,) = json.load(answer)["data"]
    assert {span["spanID"]: span["operationName"] for span in trace["spans"]} == {
        f"{span.span_id:016x}": span.name for span in spans
    }
    (failed,) = [span for span in trace["spans"] if span["operationName"] == "fail"]
    tags = {tag["key"]: tag["value"] for tag in failed["tags"]}
    assert (tags["error.type"], tags["error"], tags["asyncio.task.id"]) == ("ValueError", True, 2)
