"""A hundred generated programs in a real Jaeger: nothing in their traces that it would warn of."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings

from asyncio_trace.exporters.otlp.exporter import OtlpExporter
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Trace
from otlp.jaeger import Jaeger
from otlp.test_otlp_jaeger import check_tree
from tracer.generated import Program, World, programs
from tracer.tracing import ASYNCIO, CORES, traced

PROGRAMS = 100

pytestmark = [
    pytest.mark.jaeger,
    pytest.mark.network,
    # a group that has failed takes no more tasks, and before 3.13 leaves their coroutines unawaited
    pytest.mark.filterwarnings("ignore:coroutine 'World.body' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*World.body:pytest.PytestUnraisableExceptionWarning"),
]


def generated_traces() -> list[Trace]:
    """Traces of generated programs, on a loop of asyncio's in real time."""
    traces = []

    @settings(max_examples=PROGRAMS, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(program=programs())
    def run(program: Program) -> None:
        with traced(CORES[-1]) as recording:
            world = World(unit=0.0002)
            with suppress(asyncio.CancelledError):
                ASYNCIO.run(lambda: world.main(program))
            world.tasks.clear()
            world.futures.clear()
            gc.collect()
        traces.append(recording.trace)

    run()
    return traces


def test_generated_programs_in_jaeger(jaeger: Jaeger, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every wait and every longer step drawn: each trace is one tree, without orphan, clock warning or any other."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    traces = generated_traces()
    assert len(traces) >= PROGRAMS
    exporter = OtlpExporter(wait_threshold_ns=0, block_threshold_ns=20_000)
    names: set[str] = set()
    for number, trace in enumerate(traces):
        monkeypatch.setenv("OTEL_SERVICE_NAME", f"generated-{number}")
        exporter.export(trace, jaeger.http_url)
        expected = len(build_spans(trace, wait_threshold_ns=0, block_threshold_ns=20_000))
        (found,) = jaeger.traces(f"generated-{number}", expected)
        assert len(found["spans"]) == expected
        check_tree(found)
        names |= {span["operationName"].split()[0] for span in found["spans"]}
    assert names >= {"await", "blocking", "job", "create_task", "World.main", "World.body"}
