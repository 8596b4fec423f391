"""Our encoder against OpenTelemetry's: the same spans are the same messages."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from asyncio_trace.exporters.otlp.encode import CACHED_TEXTS, Encoder, Origin
from asyncio_trace.exporters.otlp.resource import SCOPE, origin_of, resource_of
from asyncio_trace.exporters.otlp.span import Event, Link, Span
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Trace
from otlp.reference import sdk_request
from otlp.traces import STARTED, eventful_trace, gather_trace, program

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False), st.lists(TEXT))
ATTRIBUTES = st.dictionaries(TEXT.filter(bool), VALUES, max_size=6)
IDS = st.integers(1, (1 << 64) - 1)
TIMES = st.integers(0, (1 << 63) - 1)
SPANS = st.builds(
    Span,
    name=TEXT,
    trace_id=st.integers(1, (1 << 128) - 1),
    span_id=IDS,
    parent_id=st.one_of(st.none(), IDS),
    start_unix_ns=TIMES,
    end_unix_ns=TIMES,
    kind=st.sampled_from(["internal", "producer", "consumer"]),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, name=TEXT, unix_ns=TIMES, attributes=ATTRIBUTES), max_size=3),
    links=st.lists(st.builds(Link, trace_id=IDS, span_id=IDS, attributes=ATTRIBUTES), max_size=3),
    error=st.one_of(st.none(), TEXT),
)


def ours(spans: list[Span], origin: Origin) -> ExportTraceServiceRequest:
    """One request with all these spans, by our encoder."""
    (request,) = Encoder().requests(spans, origin, 1 << 30)
    assert request.spans == len(spans)
    message: ExportTraceServiceRequest = ExportTraceServiceRequest.FromString(request.body)
    return message


@pytest.mark.parametrize("trace", [gather_trace(), eventful_trace()], ids=["gather", "eventful"])
def test_a_trace_is_the_same_message(trace: Trace) -> None:
    """What our encoder makes of a trace and what the SDK's makes are equal in every field, resource and scope included."""
    trace.tasks[1].parent_span = (0xABC, 0xDEF, 1)
    spans = build_spans(trace, rng=random.Random(1))
    origin = origin_of(trace.program)
    expected = sdk_request(spans, resource_of(trace.program), SCOPE, origin.scope_version)
    assert len(expected.resource_spans[0].scope_spans[0].spans) == len(spans) > 10
    assert ours(spans, origin) == expected


@settings(deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=5))
def test_any_spans_are_the_same_message(spans: list[Span]) -> None:
    """Whatever the names, attributes, events, links and times: our message is the SDK's."""
    trace = Trace(program(0))
    origin = origin_of(trace.program)
    assert ours(spans, origin) == sdk_request(spans, resource_of(trace.program), SCOPE, origin.scope_version)


@settings(deadline=None)
@given(st.integers(0, 63), st.integers(-1, 1))
def test_numbers_of_every_length(bits: int, off: int) -> None:
    """Integers around each power of two come back as they were, also from an encoder that has met the key before."""
    values = [(1 << bits) + off, -(1 << bits) + off, 0]
    spans = [Span("s", 1, 2, None, STARTED, STARTED, attributes={"n": value}) for value in values]
    for span in ours(spans, Origin({}, "", "")).resource_spans[0].scope_spans[0].spans:
        value = values.pop(0)
        if -(1 << 63) <= value < 1 << 63:
            assert span.attributes[0].value.int_value == value
        else:
            assert span.attributes[0].value.string_value == str(value)


def test_what_protobuf_has_no_place_for_is_escaped() -> None:
    """Lone surrogates in names, keys, values and the status become escapes."""
    span = Span("w\udcff", 1, 2, None, STARTED, STARTED, attributes={"k\udcff": "v\udcff", "l": ["\udcff"]}, error="e\udcff")
    (found,) = ours([span], Origin({}, "", "")).resource_spans[0].scope_spans[0].spans
    assert (found.name, found.status.message) == ("w\\udcff", "e\\udcff")
    assert (found.attributes[0].key, found.attributes[0].value.string_value) == ("k\\udcff", "v\\udcff")
    assert found.attributes[1].value.array_value.values[0].string_value == "\\udcff"


def test_many_different_texts_do_not_gather() -> None:
    """An encoder that has met ever new texts keeps a bounded number of them, and still encodes right."""
    encoder = Encoder()
    for number in range(CACHED_TEXTS + 10):
        span = Span("s", 1, 2, None, STARTED, STARTED, attributes={"name": f"Task-{number}"})
        data = encoder.span(span)
    assert len(encoder._pairs) == 10
    assert f"Task-{CACHED_TEXTS + 9}".encode() in data


def test_requests_are_filled_to_the_limit() -> None:
    """Requests are never above the limit and never a span short of it; a span that is larger goes alone."""
    spans = build_spans(gather_trace(200))
    spans[50].name = "n" * 5000
    origin = Origin({"service.name": "s"}, "scope", "1", "https://schema")
    limit = 4000
    requests = list(Encoder().requests(spans, origin, limit))
    found = [ExportTraceServiceRequest.FromString(request.body) for request in requests]
    arrived = [message.resource_spans[0].scope_spans[0].spans for message in found]
    assert [span.span_id for message in arrived for span in message] == [span.span_id.to_bytes(8, "big") for span in spans]
    assert [len(message) for message in arrived] == [request.spans for request in requests]
    assert {message.resource_spans[0].schema_url for message in found} == {"https://schema"}
    large = [request for request in requests if len(request.body) > limit]
    assert [request.spans for request in large] == [1]
    for request, after in zip(requests, arrived[1:], strict=False):
        assert len(request.body) + after[0].ByteSize() + 3 > limit - 16
