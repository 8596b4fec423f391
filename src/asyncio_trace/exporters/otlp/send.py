"""Sending requests by OpenTelemetry's OTLP exporters, one after another, each waited for.

The exporters bring what a user of OpenTelemetry knows: variables, headers, TLS, credential providers, timeouts, retries. But
they encode the SDK's span objects, one by one, which costs ten times what `encode` does. So they are asked to export no spans,
and where they hand over the request that comes of it, ours, encoded already, goes in its place. In the same place it is noted
what the collector answered, for the exporters only log why they failed. The SDK's batch processor is not used: its queue drops
spans silently when full.
"""

from __future__ import annotations

import gzip
import logging
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import grpc  # type: ignore[import-untyped]
import requests
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from asyncio_trace.exporters.otlp.encode import Request
from asyncio_trace.exporters.otlp.settings import Settings

GRACE_S = 5.0
"""How long beyond its timeout an exporter may take before it is left to itself: a server that answers one byte now and then
keeps the HTTP client busy for ever, for its timeout starts anew with each."""

GZIP_LEVEL = 1
"""Spans are much alike: the highest level makes them a tenth smaller and takes five times as long."""

AGAIN_HTTP = (429, 502, 503, 504)
"""HTTP statuses after which a request is sent again, by the OTLP specification."""
AGAIN_GRPC = (
    grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED, grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.RESOURCE_EXHAUSTED,
)  # fmt: skip
"""gRPC statuses likewise."""

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_LOGGERS = ("opentelemetry", "grpc", "requests", "urllib3")
_GRPC_COMPRESSION = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}


class SendError(Exception):
    """A request was not accepted; the message is the reason, in a few words."""

    def __init__(self, reason: str, *, again: bool = True, refused: int | None = None) -> None:
        super().__init__(reason)
        self.again = again
        """False if the collector has said that it would not take this request later either."""
        self.refused = refused
        """Number of spans that it did not take of a request that it took; None if it took nothing."""


class _SpanExporter(Protocol):
    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult: ...

    def shutdown(self) -> None: ...


class _Exchange:
    """What is to be sent, and what the collector's last answer was."""

    def __init__(self) -> None:
        self.body = b""
        """The request."""
        self.encodings: dict[str, bytes] = {}
        """The same, compressed, by the name of the compression, once asked for: a retry sends it again."""
        self.reason: str | None = None
        """Why the request was not accepted; None if it was, as far as the transport knows."""
        self.again = True
        self.refused: int | None = None
        """See `SendError`."""
        self.begin(b"")

    def begin(self, body: bytes) -> None:
        """Make `body` the request, and forget the last answer."""
        self.body = body
        self.encodings = {}
        self.reason = "no answer"
        self.again, self.refused = True, None

    def encoded(self, encoding: str) -> bytes:
        """The request as a `Content-Encoding` wants it."""
        if encoding not in self.encodings:
            match encoding:
                case "gzip":
                    self.encodings[encoding] = gzip.compress(self.body, GZIP_LEVEL)
                case "deflate":
                    self.encodings[encoding] = zlib.compress(self.body, GZIP_LEVEL)
                case _:
                    self.encodings[encoding] = self.body
        return self.encodings[encoding]

    @property
    def answered(self) -> bool:
        """True once anything is known of how a request ended."""
        return self.reason != "no answer"

    def accepted(self, response: ExportTraceServiceResponse) -> None:
        """The collector took the request, but it may have refused spans in it."""
        refused = response.partial_success.rejected_spans
        self.reason = None
        if refused:
            why = _one_line(response.partial_success.error_message)
            self.again, self.refused = False, refused
            self.reason = f"the collector refused {refused} spans" + (f" ({why})" if why else "")


class _Session(requests.Session):
    """A session that sends the request that is to be sent, and notes how that ended."""

    def __init__(self, notes: _Exchange) -> None:
        super().__init__()
        self.notes = notes

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, as the exporter says in all but the body."""
        # Some exporters give the encoding with each request, some set it on the session.
        headers = {name.lower(): value for name, value in {**self.headers, **(kwargs.get("headers") or {})}.items()}
        kwargs["data"] = self.notes.encoded(str(headers.get("content-encoding", "")).lower())
        try:
            response = super().request(*args, **kwargs)
        except Exception as error:
            self.notes.reason = _reason(str(error), isinstance(error, requests.Timeout))
            self.notes.again = True
            raise
        # The exporter takes a redirect, or what lies behind it, for success: a login page would swallow the spans.
        self.notes.again = response.status_code in AGAIN_HTTP
        if response.history:
            self.notes.reason = f"HTTP status {response.history[0].status_code}, a redirect to {_one_line(response.url)}"
        elif 200 <= response.status_code < 300:
            answer = ExportTraceServiceResponse()
            with suppress(Exception):  # not every collector's answer is what the standard asks for
                answer.ParseFromString(response.content)
            self.notes.accepted(answer)
        else:
            self.notes.reason = f"HTTP status {response.status_code} {response.reason or ''}".rstrip()
        return response


class _Client:
    """Stands in for the exporter's gRPC stub: sends the request that is to be sent, and notes how that ended."""

    def __init__(self, channel: Any, notes: _Exchange) -> None:
        self.call = channel.unary_unary(_EXPORT, response_deserializer=ExportTraceServiceResponse.FromString)
        self.notes = notes

    def Export(self, request: object, **kwargs: Any) -> Any:  # noqa: N802
        """Make one call, as the exporter says in all but the request."""
        try:
            response = self.call(self.notes.body, **kwargs)
        except grpc.RpcError as error:
            code, details = error.code(), _one_line(error.details() or "")
            self.notes.again = code in AGAIN_GRPC
            self.notes.reason = _reason(details, code is grpc.StatusCode.DEADLINE_EXCEEDED)
            if self.notes.reason == details:
                self.notes.reason = f"gRPC status {code.name}" + (f" ({details})" if details else "")
            raise
        self.notes.accepted(response)
        return response


class Sender:
    """Sends requests to one endpoint; use it as a context manager, which shuts the exporter's threads and sockets down."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.notes = _Exchange()
        self.exporter: _SpanExporter = self._grpc() if settings.protocol == "grpc" else self._http()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.exporter.shutdown()

    def send(self, request: Request) -> None:
        """Send one request and wait until the collector has taken it, for `settings.timeout_s` at most and a little grace.

        Raises:
            SendError: The collector is away, or did not take the request or all of it.
        """
        self.notes.begin(request.body)
        results: list[SpanExportResult | Exception] = []

        def work() -> None:
            try:
                results.append(self.exporter.export([]))
            except Exception as error:
                results.append(error)

        # A daemon, so that a collector that never ends its answer keeps neither us nor the interpreter.
        thread = threading.Thread(target=work, name="asyncio-trace-otlp", daemon=True)
        thread.start()
        limit = self.settings.timeout_s + GRACE_S
        thread.join(limit)
        result = results[0] if results else None
        if result is None or isinstance(result, Exception):
            # Older exporters retry beyond their timeout, and raise: then what the collector did last is the reason.
            reason = self.notes.reason if self.notes.answered else None
            other = f"timeout after {limit:g} s" if result is None else _one_line(f"{type(result).__name__}: {result}")
            raise SendError(reason or other, again=self.notes.again) from result
        if self.notes.reason is not None:
            raise SendError(self.notes.reason, again=self.notes.again, refused=self.notes.refused)
        if result is not SpanExportResult.SUCCESS:
            raise SendError("the exporter gave up")

    def _grpc(self) -> GrpcExporter:
        settings = self.settings
        exporter: Any = GrpcExporter(
            endpoint=settings.endpoint, timeout=settings.timeout_s, compression=_GRPC_COMPRESSION[settings.compression]
        )
        # These names are private. The exporter replaces the client by a new stub when it reconnects.
        exporter._stub = lambda channel: _Client(channel, self.notes)
        exporter._client = _Client(exporter._channel, self.notes)
        return exporter  # type: ignore[no-any-return]

    def _http(self) -> HttpExporter:
        settings = self.settings
        return HttpExporter(
            endpoint=settings.endpoint,
            timeout=settings.timeout_s,
            compression=HttpCompression(settings.compression),
            session=_Session(self.notes),
        )


@contextmanager
def silence() -> Iterator[None]:
    """Keep the exporters' log lines from the program's handlers and from stderr; `OutputError` says what matters."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate


def _reason(text: str, timed_out: bool) -> str:
    """The reason in words that a user knows, or else the library's own."""
    lowered = text.lower()
    for mark, reason in (
        ("connection refused", "connection refused"),
        ("name or service not known", "unknown host"),
        ("name resolution", "unknown host"),
        ("nodename nor servname", "unknown host"),
        ("dns resolution failed", "unknown host"),
        ("domain name not found", "unknown host"),
        ("certificate verify failed", "its certificate is not trusted"),
        ("certificate_verify_failed", "its certificate is not trusted"),
    ):
        if mark in lowered:
            return reason
    return "timeout" if timed_out else _one_line(text)


def _one_line(text: str, most: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."
