"""Collectors that run inside the test: they keep what they are sent, and can be told to misbehave."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What arrived, and how to answer."""

    url: str = ""
    messages: list[ExportTraceServiceRequest] = field(default_factory=list)
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Encoded sizes of the messages, in bytes, before compression."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    accept: int = 1 << 30
    """Messages to accept before refusing."""
    http_status: int = 403
    grpc_status: grpc.StatusCode = grpc.StatusCode.PERMISSION_DENIED
    refused_spans: int = 0

    @property
    def spans(self) -> list[Span]:
        """All spans that arrived."""
        return [
            span
            for message in self.messages
            for resource in message.resource_spans
            for s in resource.scope_spans
            for span in s.spans
        ]

    @property
    def resource(self) -> dict[str, str]:
        """The text attributes of the first message's resource."""
        return {pair.key: pair.value.string_value for pair in self.messages[0].resource_spans[0].resource.attributes}

    def take(self, message: ExportTraceServiceRequest, size: int, headers: dict[str, str]) -> ExportTraceServiceResponse | None:
        """Note one message; None means to refuse it."""
        self.headers.append(headers)
        if len(self.messages) >= self.accept:
            return None
        self.messages.append(message)
        self.sizes.append(size)
        answer = ExportTraceServiceResponse()
        if self.refused_spans:
            answer.partial_success.rejected_spans = self.refused_spans
            answer.partial_success.error_message = "too old"
        return answer


@contextmanager
def http_collector() -> Iterator[Collector]:
    """A collector for OTLP over HTTP/protobuf on a free loopback port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take one message."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            match self.headers.get("Content-Encoding"):
                case "gzip":
                    body = gzip.decompress(body)
                case "deflate":
                    body = zlib.decompress(body)
            if self.path.endswith("/v1/metrics"):
                collector.metrics.append(ExportMetricsServiceRequest.FromString(body))
                self._answer(200, b"")
                return
            collector.paths.append(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = collector.take(ExportTraceServiceRequest.FromString(body), len(body), headers)
            data = b"" if answer is None else answer.SerializeToString()
            self._answer(collector.http_status if answer is None else 200, data)

        def _answer(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class MetricsServicer(metrics_service_pb2_grpc.MetricsServiceServicer):
    """Takes metrics over gRPC."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def Export(self, request: ExportMetricsServiceRequest, context: Any) -> ExportMetricsServiceResponse:  # noqa: N802
        """Take one message."""
        self.collector.metrics.append(request)
        return ExportMetricsServiceResponse()


class _Servicer(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        """Take one message."""
        headers = {pair.key: str(pair.value) for pair in context.invocation_metadata()}
        answer = self.collector.take(request, request.ByteSize(), headers)
        if answer is None:
            context.abort(self.collector.grpc_status, "not\nfrom you")
            raise AssertionError
        return answer


@contextmanager
def grpc_collector() -> Iterator[Collector]:
    """A collector for OTLP over gRPC on a free loopback port."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(_Servicer(collector), server)
    add_metrics: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add_metrics(MetricsServicer(collector), server)
    collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


COLLECTORS = {"grpc": grpc_collector, "http/protobuf": http_collector}
