"""Sending batches by OpenTelemetry's OTLP exporters, one after another, each waited for.

The SDK's batch processor is not used: its queue drops spans silently when full. The exporters themselves only log why they
failed, so what the collector answered is noted where they receive it.
"""

from __future__ import annotations

import logging
import threading
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

from asyncio_trace.exporters.otlp.settings import Settings

GRACE_S = 5.0
"""How long beyond its timeout an exporter may take before it is left to itself: a server that answers one byte now and then
keeps the HTTP client busy for ever, for its timeout starts anew with each."""

_LOGGERS = ("opentelemetry", "grpc", "requests", "urllib3")
_GRPC_COMPRESSION = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}


class SendError(Exception):
    """A batch was not accepted; the message is the reason, in a few words."""


class _SpanExporter(Protocol):
    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult: ...

    def shutdown(self) -> None: ...


class _Notes:
    """What the collector's last answer was."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why the batch was not accepted; None if it was, as far as the transport knows."""
        self.clear()

    def clear(self) -> None:
        """Forget the last answer."""
        self.reason = "no answer"

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
            self.reason = f"the collector refused {refused} spans" + (f" ({why})" if why else "")


class _NotingSession(requests.Session):
    """A session that notes how each request ended."""

    def __init__(self, notes: _Notes) -> None:
        super().__init__()
        self.notes = notes

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request, as usual."""
        try:
            response = super().request(*args, **kwargs)
        except Exception as error:
            self.notes.reason = _reason(str(error), isinstance(error, requests.Timeout))
            raise
        # The exporter takes a redirect, or what lies behind it, for success: a login page would swallow the spans.
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


class _NotingClient:
    """Stands before a gRPC stub and notes how each call ended."""

    def __init__(self, stub: Any, notes: _Notes) -> None:
        self.stub = stub
        self.notes = notes

    def Export(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Make one call, as usual."""
        try:
            response = self.stub.Export(*args, **kwargs)
        except grpc.RpcError as error:
            code, details = error.code(), _one_line(error.details() or "")
            self.notes.reason = _reason(details, code is grpc.StatusCode.DEADLINE_EXCEEDED)
            if self.notes.reason == details:
                self.notes.reason = f"gRPC status {code.name}" + (f" ({details})" if details else "")
            raise
        self.notes.accepted(response)
        return response


class Sender:
    """Sends batches to one endpoint; use it as a context manager, which shuts the exporter's threads and sockets down."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.notes = _Notes()
        self.exporter: _SpanExporter = self._grpc() if settings.protocol == "grpc" else self._http()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.exporter.shutdown()

    def send(self, batch: list[ReadableSpan]) -> None:
        """Send one batch and wait until the collector has taken it, for `settings.timeout_s` at most and a little grace.

        Raises:
            SendError: The collector is away, or did not take the batch or all of it.
        """
        self.notes.clear()
        results: list[SpanExportResult | Exception] = []

        def work() -> None:
            try:
                results.append(self.exporter.export(batch))
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
            raise SendError(reason or other) from result
        if self.notes.reason is not None:
            raise SendError(self.notes.reason)
        if result is not SpanExportResult.SUCCESS:
            raise SendError("the exporter gave up")

    def _grpc(self) -> GrpcExporter:
        settings = self.settings
        exporter: Any = GrpcExporter(
            endpoint=settings.endpoint, timeout=settings.timeout_s, compression=_GRPC_COMPRESSION[settings.compression]
        )
        # Both names are private. The exporter replaces the client by a new stub when it reconnects.
        stub = exporter._stub
        exporter._stub = lambda channel: _NotingClient(stub(channel), self.notes)
        exporter._client = _NotingClient(exporter._client, self.notes)
        return exporter  # type: ignore[no-any-return]

    def _http(self) -> HttpExporter:
        settings = self.settings
        return HttpExporter(
            endpoint=settings.endpoint,
            timeout=settings.timeout_s,
            compression=HttpCompression(settings.compression),
            session=_NotingSession(self.notes),
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
