"""How the loops of a running program do, as OpenTelemetry metrics, sent by OTLP beside the spans.

The numbers are sums already (`model.meters`), so they become data points directly; the SDK's instruments would take each
measurement one by one. Names follow OpenTelemetry's rules, units are UCUM's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from asyncio_trace.exporters.otlp.settings import METRICS_PATH, TRACES_PATH, Settings
from asyncio_trace.model.meters import LAG_BOUNDS_NS, LoopMeter, Meters

INTERVAL_S = 60.0
"""Seconds between two exports, unless OTEL_METRIC_EXPORT_INTERVAL says otherwise (in milliseconds, as in the SDK)."""
TIMEOUT_S = 3.0
"""For one export: spans wait meanwhile."""
PATIENCE = 3
"""Exports that may fail, one after another, before no more are tried: Jaeger takes no metrics."""

Attributes = Mapping[str, str | int]


def interval_s() -> float:
    """Seconds between two exports; 0 if OTEL_METRICS_EXPORTER asks for none."""
    if os.environ.get("OTEL_METRICS_EXPORTER", "").strip().lower() == "none":
        return 0.0
    try:
        return max(float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")) / 1000, 0.1)
    except ValueError:
        return INTERVAL_S


class MetricSender:
    """Sends metrics now and then; what becomes of them is never an error."""

    def __init__(self, settings: Settings, resource: Resource, scope: str, version: str) -> None:
        self._resource = resource
        self._scope = InstrumentationScope(scope, version)
        self._started = time.time_ns()
        self._last: dict[int, tuple[int, int, int]] = {}
        """Loop to (running, idle, lag) at the last export."""
        self._failures = 0
        self._exporter = _exporter(settings) if interval_s() else None
        self._next = time.monotonic() + interval_s()

    def maybe_send(self, meters: Meters, counters: Mapping[tuple[str, str], int]) -> None:
        """Send if it is time."""
        if self._exporter is not None and time.monotonic() >= self._next:
            self.send(meters, counters)

    def send(self, meters: Meters, counters: Mapping[tuple[str, str], int]) -> None:
        """Send now. `counters` are numbers of spans by (what became of them, why)."""
        if self._exporter is None:
            return
        self._next = time.monotonic() + interval_s()
        metrics = self.metrics(meters, counters)
        data = MetricsData(
            [ResourceMetrics(self._resource, [ScopeMetrics(self._scope, metrics, "")], self._resource.schema_url)]
        )
        try:
            taken = self._exporter.export(data, timeout_millis=TIMEOUT_S * 1000) is MetricExportResult.SUCCESS
        except Exception:  # an older exporter's way to say that it failed
            taken = False
        self._failures = 0 if taken else self._failures + 1
        if self._failures >= PATIENCE:
            self.close()

    def close(self) -> None:
        """Let go of threads and sockets; no more is sent."""
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()

    def metrics(self, meters: Meters, counters: Mapping[tuple[str, str], int]) -> list[Metric]:
        """All metrics as they stand."""
        loops = list(meters.loops.items())
        lags, busy, queues = [], [], []
        for number, meter in loops:
            at = {"asyncio.loop.id": number}
            running, idle, lag = self._last.get(number, (0, 0, 0))
            stretch = meter.running_ns - running + meter.idle_ns - idle
            if stretch > 0:
                busy.append((at, (meter.running_ns - running) / stretch))
                queues.append((at, (meter.lag_ns - lag) / stretch))
            self._last[number] = meter.running_ns, meter.idle_ns, meter.lag_ns
            lags.append(self._lag(at, meter))
        spans = {key: number for key, number in counters.items() if number}
        return [
            Metric("asyncio.loop.lag", "Time from when a step or callback was ready until it ran", "s",
                   Histogram(lags, AggregationTemporality.CUMULATIVE)),
            self._gauge("asyncio.loop.utilization", "Part of the time that the loop ran something", "1", busy),
            self._gauge("asyncio.loop.ready_queue.length", "Mean number of runs that were ready", "{run}", queues),
            self._gauge("asyncio.tasks.alive", "Tasks that have not ended", "{task}",
                        [({"asyncio.loop.id": number}, meter.tasks) for number, meter in loops]),
            self._sum("asyncio.tasks.ended", "Tasks that have ended", "{task}",
                      [({"asyncio.task.outcome": outcome}, number) for outcome, number in meters.outcomes.items()]),
            self._sum("asyncio.loop.blocking_steps", "Runs longer than the threshold", "{run}",
                      [({"asyncio.loop.id": number}, meter.blocking) for number, meter in loops]),
            self._sum("asyncio_trace.events.dropped", "Events that the tracer lost", "{event}", [({}, meters.dropped_events)]),
            self._sum("asyncio_trace.spans.exported", "Spans that the collector took", "{span}",
                      [({}, number) for (fate, _), number in spans.items() if fate == "sent"]),
            self._sum("asyncio_trace.spans.dropped", "Spans that were given up", "{span}",
                      [({"reason": why}, number) for (fate, why), number in spans.items() if fate == "dropped"]),
        ]  # fmt: skip

    def _lag(self, attributes: Attributes, meter: LoopMeter) -> HistogramDataPoint:
        return HistogramDataPoint(
            attributes=attributes,
            start_time_unix_nano=self._started,
            time_unix_nano=time.time_ns(),
            count=meter.runs,
            sum=meter.lag_ns / 1e9,
            bucket_counts=list(meter.lags),
            explicit_bounds=[bound / 1e9 for bound in LAG_BOUNDS_NS],
            min=meter.least_lag_ns / 1e9,
            max=meter.most_lag_ns / 1e9,
        )

    def _points(self, values: Iterable[tuple[Attributes, float]]) -> list[NumberDataPoint]:
        now = time.time_ns()
        return [NumberDataPoint(dict(at), self._started, now, value) for at, value in values]

    def _gauge(self, name: str, description: str, unit: str, values: Iterable[tuple[Attributes, float]]) -> Metric:
        return Metric(name, description, unit, Gauge(self._points(values)))

    def _sum(self, name: str, description: str, unit: str, values: Iterable[tuple[Attributes, float]]) -> Metric:
        data = Sum(self._points(values), AggregationTemporality.CUMULATIVE, is_monotonic=True)
        return Metric(name, description, unit, data)


def _exporter(settings: Settings) -> Any:
    """OpenTelemetry's exporter, for where the spans go unless the metrics' own variables say otherwise."""
    own = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") or None
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or settings.protocol
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        return GrpcExporter(endpoint=own or settings.endpoint, timeout=TIMEOUT_S)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

    endpoint = own or settings.endpoint.removesuffix(TRACES_PATH) + METRICS_PATH
    return HttpExporter(endpoint=endpoint, timeout=TIMEOUT_S)
