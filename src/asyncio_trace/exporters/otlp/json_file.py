"""Writes spans as an OTLP JSON file: what Jaeger's UI opens by upload and the Collector's `otlpjsonfile` receiver reads.

The format is that of OpenTelemetry's file exporter: each line is one `TracesData` message in protobuf's JSON mapping, save that
ids are hexadecimal and enums are numbers (specification, "OTLP/JSON").
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.otlp.encode import EncodedValue, Origin
from asyncio_trace.exporters.otlp.span import Event, Link, Span
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.exporters.protocol import Progress, no_progress
from asyncio_trace.exporters.timeline.atomic_file import written_whole
from asyncio_trace.model import Trace

LINE_BYTES = 900_000
"""Most bytes of one line: the Collector's file readers cut lines at 1 MiB unless told otherwise."""

_KINDS = {"internal": 1, "producer": 4, "consumer": 5}
_REMOTE_KNOWN, _REMOTE = 0x100, 0x300
"""Values of a span's `flags`: it is known whether its parent is remote; and it is."""

Json = dict[str, Any]


class OtlpJsonExporter:
    """Exports a trace to an `.otlp.json` file."""

    suffix: str | None = ".otlp.json"

    def export(self, trace: Trace, target: str, progress: Progress = no_progress) -> None:
        """Write the spans of `trace` to the file `target`, whole or not at all.

        Raises:
            OutputError: It could not be written.
        """
        # Here, because OpenTelemetry's SDK takes a while to import.
        from asyncio_trace.exporters.otlp.resource import origin_of

        spans = build_spans(trace)
        try:
            with written_whole(target) as file:
                for line, number in lines(spans, origin_of(trace.program)):
                    file.write(line)
                    progress(number, len(spans))
        except OSError as error:
            raise OutputError(f"cannot write {target or 'OTLP JSON'}: {error.strerror or error}") from error


def lines(spans: Iterable[Span], origin: Origin, limit_bytes: int = LINE_BYTES) -> Iterator[tuple[str, int]]:
    """Lines of `limit_bytes` at most, each with the number of spans written with it and before; a larger span goes alone."""
    to_json = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode  # ASCII, so a character is a byte
    before, after = to_json(_around(origin)).split('"?"')
    room = limit_bytes - len(before) - len(after) - 1
    batch: list[str] = []
    size = number = 0
    for span in spans:
        text = to_json(_span(span))
        if batch and size + len(text) + 1 > room:
            yield f"{before}{','.join(batch)}{after}\n", number
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
        number += 1
    if batch:
        yield f"{before}{','.join(batch)}{after}\n", number


def _around(origin: Origin) -> Json:
    """A message of one scope, with a mark where its spans go."""
    scope = {"scope": {"name": origin.scope, "version": origin.scope_version}, "spans": ["?"]}
    around: Json = {"resource": {"attributes": _attributes(origin.resource)}, "scopeSpans": [scope]}
    if origin.schema_url:
        around["schemaUrl"] = origin.schema_url
    return {"resourceSpans": [around]}


def _span(span: Span) -> Json:
    out: Json = {"traceId": f"{span.trace_id:032x}", "spanId": f"{span.span_id:016x}"}
    if span.parent_id:
        out["parentSpanId"] = f"{span.parent_id:016x}"
    out["flags"] = _REMOTE if span.parent_is_remote else _REMOTE_KNOWN
    out["name"] = _text(span.name)
    out["kind"] = _KINDS[span.kind]
    out["startTimeUnixNano"], out["endTimeUnixNano"] = str(span.start_unix_ns), str(span.end_unix_ns)
    out["attributes"] = _attributes(span.attributes)
    if span.events:
        out["events"] = [_event(event) for event in span.events]
    if span.links:
        out["links"] = [_link(link) for link in span.links]
    out["status"] = {} if span.error is None else {"message": _text(span.error), "code": 2}
    return out


def _event(event: Event) -> Json:
    return {"timeUnixNano": str(event.unix_ns), "name": _text(event.name), "attributes": _attributes(event.attributes)}


def _link(link: Link) -> Json:
    return {
        "traceId": f"{link.trace_id:032x}",
        "spanId": f"{link.span_id:016x}",
        "attributes": _attributes(link.attributes),
        "flags": _REMOTE_KNOWN,
    }


def _attributes(attributes: Mapping[str, EncodedValue]) -> list[Json]:
    return [{"key": _text(key), "value": _value(value)} for key, value in attributes.items()]


def _value(value: EncodedValue) -> Json:
    """An `AnyValue`. An integer of 64 bits goes as text by the format's rule, a larger one is a text."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": _text(value)}
    if isinstance(value, int):
        return {"intValue" if -(1 << 63) <= value < 1 << 63 else "stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else str(value).replace("inf", "Infinity").replace("nan", "NaN")}
    return {"arrayValue": {"values": [_value(item) for item in value]}}


def _text(text: str) -> str:
    """Without lone surrogates, as in `encode`."""
    return text.encode("utf-8", "backslashreplace").decode()
