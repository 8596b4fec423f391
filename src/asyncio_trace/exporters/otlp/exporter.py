"""The exporter that `--otlp` selects: convert the whole trace, then send it request by request."""

from __future__ import annotations

from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.otlp import settings as where
from asyncio_trace.exporters.otlp.encode import Encoder
from asyncio_trace.exporters.otlp.span import Span
from asyncio_trace.exporters.otlp.spans import MAX_SPANS, WAIT_THRESHOLD_NS, build_spans
from asyncio_trace.exporters.protocol import Progress, no_progress
from asyncio_trace.model import Trace


class OtlpExporter:
    """Sends a trace as OpenTelemetry spans over OTLP, by gRPC or HTTP/protobuf, to Jaeger or any other collector.

    Args:
        wait_threshold_ns: Waits of at least so many nanoseconds become spans.
        block_threshold_ns: Runs of more than so many nanoseconds become spans; by default what the tracer took for blocking.
        max_spans: Spans in one trace at most; what is beyond is counted on the spans that stay.
    """

    suffix: str | None = None

    def __init__(
        self,
        wait_threshold_ns: int = WAIT_THRESHOLD_NS,
        block_threshold_ns: int | None = None,
        max_spans: int = MAX_SPANS,
    ) -> None:
        self.wait_threshold_ns = wait_threshold_ns
        self.block_threshold_ns = block_threshold_ns
        self.max_spans = max_spans

    def check(self, target: str) -> None:
        """Find out whether `target` and the OTEL_* variables make sense, without connecting and without loading OpenTelemetry.

        Raises:
            UsageError: They don't.
        """
        if not where.is_disabled():
            where.resolve(target)

    def export(self, trace: Trace, target: str, progress: Progress = no_progress) -> None:
        """Send `trace` to the collector at the URL `target`; "" means the one that the OTEL_* variables or their defaults name.

        Does nothing if OTEL_SDK_DISABLED is true. A collector that is away is given up within 30 s.

        Raises:
            UsageError: `target` or a variable makes no sense.
            OutputError: Not all spans were taken; the message says where, why and how many, in one line.
        """
        if where.is_disabled():
            return
        settings = where.resolve(target)
        # Here, because OpenTelemetry and gRPC take a third of a second to import.
        from asyncio_trace.exporters.otlp import resource, send

        with send.silence():
            spans = self._spans(trace)
            requests = Encoder().requests(spans, resource.origin_of(trace.program))
            sent = 0
            progress(sent, len(spans))
            try:
                with send.Sender(settings) as sender:
                    for request in requests:
                        sender.send(request)
                        sent += request.spans
                        progress(sent, len(spans))
            except send.SendError as error:
                message = (
                    f"can't send spans to {settings.shown} ({settings.protocol}): {error}; {sent} sent, {len(spans) - sent} not"
                )
                raise OutputError(message) from error

    def _spans(self, trace: Trace) -> list[Span]:
        return build_spans(
            trace,
            wait_threshold_ns=self.wait_threshold_ns,
            block_threshold_ns=self.block_threshold_ns,
            max_spans=self.max_spans,
        )
