"""Plain spans as OpenTelemetry's own objects, in batches of bounded size. Nothing is sent from here."""

from __future__ import annotations

import socket
import sys
import uuid
from collections.abc import Iterable, Iterator
from importlib import metadata

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from asyncio_trace.exporters.otlp.describe import program_name
from asyncio_trace.exporters.otlp.span import Attributes, Span, Value
from asyncio_trace.model import Program

BATCH_BYTES = 1 << 20
"""Size of one message, encoded. Collectors refuse more than 4 MiB over gRPC unless told otherwise."""
CHUNK_SPANS = 256
"""Spans measured at a time."""

_KINDS = {"internal": SpanKind.INTERNAL, "producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER}
_RECORDED = TraceFlags(TraceFlags.SAMPLED)


def resource_of(program: Program) -> Resource:
    """What the spans come from. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what the trace says."""
    host = socket.gethostname()
    attributes: Attributes = {
        "service.name": program_name(program),
        # The same recording sent twice is the same instance.
        "service.instance.id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{host}/{program.pid}/{program.started_unix_ns}")),
        # Without it Jaeger takes each span for another machine's and warns about clocks.
        "host.name": host,
        "process.pid": program.pid,
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": program.python,
    }
    own = {key: _clean(value) for key, value in attributes.items() if value != ""}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})


def to_sdk(spans: Iterable[Span], resource: Resource) -> Iterator[ReadableSpan]:
    """Turn plain spans into what OpenTelemetry's exporters take."""
    scope = InstrumentationScope("asyncio_trace", metadata.version("asyncio-trace"))
    for span in spans:
        parent = _context(span.trace_id, span.parent_id, remote=span.parent_is_remote) if span.parent_id else None
        yield ReadableSpan(
            name=_text(span.name),
            context=_context(span.trace_id, span.span_id),
            parent=parent,
            resource=resource,
            attributes=_attributes(span.attributes),
            events=[Event(_text(event.name), _attributes(event.attributes), event.unix_ns) for event in span.events],
            links=[Link(_context(link.trace_id, link.span_id), _attributes(link.attributes)) for link in span.links],
            kind=_KINDS[span.kind],
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, _text(span.error)),
            start_time=span.start_unix_ns,
            end_time=span.end_unix_ns,
            instrumentation_scope=scope,
        )


def batches(spans: list[ReadableSpan], limit_bytes: int = BATCH_BYTES) -> Iterator[list[ReadableSpan]]:
    """Group spans of one resource so that each group's message stays within `limit_bytes`; a larger span goes alone."""
    batch: list[ReadableSpan] = []
    envelope = size = 0
    for start in range(0, len(spans), CHUNK_SPANS):
        chunk = spans[start : start + CHUNK_SPANS]
        message = encode_spans(chunk)
        # One resource and one scope, so one list, in the order given. A field's tag and length take at most 6 bytes.
        sizes = [span.ByteSize() + 6 for span in message.resource_spans[0].scope_spans[0].spans]
        # What surrounds the spans: the resource, the scope, and lengths that may grow by a few bytes.
        envelope = max(envelope, message.ByteSize() - sum(sizes) + 6 * len(sizes) + 32)
        for span, span_size in zip(chunk, sizes, strict=True):
            if batch and envelope + size + span_size > limit_bytes:
                yield batch
                batch, size = [], 0
            batch.append(span)
            size += span_size
    if batch:
        yield batch


def _context(trace_id: int, span_id: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=_RECORDED)


def _attributes(attributes: Attributes) -> Attributes:
    return {key: _clean(value) for key, value in attributes.items()}


def _clean(value: Value) -> Value:
    """What protobuf accepts: no lone surrogates (undecodable file names have them), no integer beyond 64 bits."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    return value


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
