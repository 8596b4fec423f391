"""Plain spans as OTLP's protobuf bytes, without an object for each span, event or attribute.

Most of what makes up a span has been there before: keys, kinds, places in code, stacks. So each pair of a key and a text is
encoded once and found again, and of the others the key's part. What OpenTelemetry's own encoder makes of the same spans is the
same message (tests/otlp/test_otlp_encode.py). Field numbers are those of opentelemetry-proto's `trace.proto`, `common.proto`,
`resource.proto` and `trace_service.proto`; a field's tag is `number << 3 | wire type`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from asyncio_trace.exporters.otlp.span import Link, Span
from asyncio_trace.recording.varint import varint

REQUEST_BYTES = 1 << 20
"""Size of one request, encoded. Collectors refuse more than 4 MiB over gRPC unless told otherwise."""

CACHED_TEXTS = 1 << 15
"""Encoded pairs of key and text that are kept; when there are more, all are let go."""

_KINDS = {"internal": b"\x30\x01", "producer": b"\x30\x04", "consumer": b"\x30\x05"}
_REMOTE_KNOWN = b"\x85\x01\x00\x01\x00\x00"
"""Field `flags` of a span: it is known whether the parent is remote, and it is not."""
_REMOTE = b"\x85\x01\x00\x03\x00\x00"
_LINK_FLAGS = b"\x35\x00\x01\x00\x00"
_NUMBERS = [varint(number) for number in range(1 << 14)]
_TIMES = struct.Struct("<cQcQ").pack
_TIME = struct.Struct("<cQ").pack
_DOUBLE = struct.Struct("<d").pack

EncodedValue = str | bool | int | float | Sequence[str | bool | int | float]


class Request(NamedTuple):
    """An `ExportTraceServiceRequest`."""

    body: bytes
    spans: int


class Origin(NamedTuple):
    """Who the spans are from: what stands around them in each request."""

    resource: Mapping[str, EncodedValue]
    scope: str
    scope_version: str
    schema_url: str = ""
    """Of the resource."""


class Encoder:
    """Encodes spans; keep it for all spans of one sending."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], bytes] = {}
        self._heads: dict[str, list[bytes]] = {}
        self._names: dict[str, bytes] = {}

    def span(self, span: Span) -> bytes:
        """A message `Span`."""
        name = _text(span.name)
        out = [
            b"\x0a\x10", span.trace_id.to_bytes(16, "big"),
            b"\x12\x08", span.span_id.to_bytes(8, "big"),
        ]  # fmt: skip
        if span.parent_id:
            out += (b"\x22\x08", span.parent_id.to_bytes(8, "big"))
        if name:
            out += (b"\x2a", _number(len(name)), name)
        out.append(_KINDS[span.kind])
        out.append(_TIMES(b"\x39", span.start_unix_ns, b"\x41", span.end_unix_ns))
        if span.attributes:
            out.append(self.attributes(b"\x4a", span.attributes))
        for event in span.events:
            data = _TIME(b"\x09", event.unix_ns) + self._name(event.name) + self.attributes(b"\x1a", event.attributes)
            out += (b"\x5a", _number(len(data)), data)
        for link in span.links:
            data = self._link(link)
            out += (b"\x6a", _number(len(data)), data)
        if span.error is None:
            out.append(b"\x7a\x00")
        else:
            why = _text(span.error)
            status = b"\x12" + _number(len(why)) + why + b"\x18\x02" if why else b"\x18\x02"
            out += (b"\x7a", _number(len(status)), status)
        out.append(_REMOTE if span.parent_is_remote else _REMOTE_KNOWN)
        return b"".join(out)

    def requests(self, spans: Iterable[Span], origin: Origin, limit_bytes: int = REQUEST_BYTES) -> Iterator[Request]:
        """Requests of `limit_bytes` at most, in the order of the spans; a span that is larger goes alone."""
        before, scope, after = self._around(origin)
        # Beside these, two tags with lengths of at most five bytes.
        room = limit_bytes - len(before) - len(scope) - len(after) - 12
        batch: list[bytes] = []
        size = 0
        for span in spans:
            data = self.span(span)
            length = _number(len(data))
            grown = 1 + len(length) + len(data)
            if batch and size + grown > room:
                yield _request(before, scope, after, batch)
                batch, size = [], 0
            batch += (b"\x12", length, data)
            size += grown
        if batch:
            yield _request(before, scope, after, batch)

    def attributes(self, tag: bytes, attributes: Mapping[str, EncodedValue]) -> bytes:
        """Messages `KeyValue`, each behind the tag of the field that holds them."""
        pairs, heads = self._pairs, self._heads
        out = [b""]
        for key, value in attributes.items():
            if type(value) is str:
                out.append(pairs.get((key, value)) or self._text_pair(key, value))
            elif type(value) is int and 0 <= value < 1 << 63:
                number = _NUMBERS[value] if value < 1 << 14 else _large(value)
                out.append((heads.get(key) or self._int_heads(key))[len(number)] + number)
            else:
                out.append(_pair(key, _any_value(value)))
        return tag.join(out)

    def _text_pair(self, key: str, value: str) -> bytes:
        if len(self._pairs) >= CACHED_TEXTS:
            self._pairs.clear()
        made = self._pairs[key, value] = _pair(key, _any_value(value))
        return made

    def _int_heads(self, key: str) -> list[bytes]:
        """What stands before an integer, for each length of its bytes."""
        made = [_pair(key, b"\x18" + bytes(length))[: -length or None] for length in range(11)]
        self._heads[key] = made
        return made

    def _name(self, name: str) -> bytes:
        """Field 2, text: the name of an event."""
        return self._names.get(name) or self._names.setdefault(name, _field(b"\x12", _text(name)) if name else b"")

    def _link(self, link: Link) -> bytes:
        return b"".join(
            (
                b"\x0a\x10",
                link.trace_id.to_bytes(16, "big"),
                b"\x12\x08",
                link.span_id.to_bytes(8, "big"),
                self.attributes(b"\x22", link.attributes),
                _LINK_FLAGS,
            )
        )

    def _around(self, origin: Origin) -> tuple[bytes, bytes, bytes]:
        """What stands in a `ResourceSpans` before the spans of its one scope, in the `ScopeSpans` before them, and after."""
        name, version = _text(origin.scope), _text(origin.scope_version)
        scope = (_field(b"\x0a", name) if name else b"") + (_field(b"\x12", version) if version else b"")
        schema = _text(origin.schema_url)
        resource = self.attributes(b"\x0a", origin.resource)
        return _field(b"\x0a", resource), _field(b"\x0a", scope), _field(b"\x1a", schema) if schema else b""


def _request(before: bytes, scope: bytes, after: bytes, batch: list[bytes]) -> Request:
    spans = b"".join((scope, *batch))
    body = b"".join((before, b"\x12", varint(len(spans)), spans, after))
    return Request(b"\x0a" + varint(len(body)) + body, len(batch) // 3)


def _number(number: int) -> bytes:
    return _NUMBERS[number] if number < 1 << 14 else _large(number)


def _large(number: int) -> bytes:
    """A varint of three to nine bytes."""
    low = (number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80)
    number >>= 14
    if number < 1 << 7:
        return bytes((*low, number))
    if number < 1 << 14:
        return bytes((*low, number & 0x7F | 0x80, number >> 7))
    return bytes(low) + _number(number)


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + varint(len(data)) + data


def _pair(key: str, value: bytes) -> bytes:
    """A `KeyValue` with its length before it."""
    data = _field(b"\x0a", _text(key)) + _field(b"\x12", value)
    return varint(len(data)) + data


def _any_value(value: EncodedValue) -> bytes:
    """An `AnyValue`. An integer beyond 64 bits goes as text."""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, str):
        return _field(b"\x0a", _text(value))
    if isinstance(value, int):
        return b"\x18" + varint(value) if -(1 << 63) <= value < 1 << 63 else _any_value(str(value))
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    return _field(b"\x2a", b"".join(_field(b"\x0a", _any_value(item)) for item in value))


def _text(text: str) -> bytes:
    """UTF-8. Lone surrogates, which undecodable file names have, become escapes: protobuf has no place for them."""
    return text.encode("utf-8", "backslashreplace")
