"""Fixtures: an environment without OTEL_* variables, collectors inside the test, and a real Jaeger."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from otlp.collectors import COLLECTORS, Collector
from otlp.jaeger import Jaeger, find_binary, run_jaeger


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No OTEL_* variable and no proxy of the machine's own decides what these tests do."""
    for name in list(os.environ):
        if name.startswith("OTEL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["grpc", "http/protobuf"])
def collector(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector for each protocol in turn; OTEL_EXPORTER_OTLP_PROTOCOL says which."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", request.param)
    with COLLECTORS[request.param]() as collector:
        yield collector


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """A real Jaeger with memory storage on free ports; skips without a binary unless ASYNCIO_TRACE_REQUIRE asks for it."""
    binary = find_binary()
    if binary is None:
        reason = "no Jaeger: run tools/get-jaeger, or set JAEGER_BIN"
        if "jaeger" in os.environ.get("ASYNCIO_TRACE_REQUIRE", "").replace(",", " ").split():
            pytest.fail(reason)
        pytest.skip(reason)
    with run_jaeger(binary, tmp_path_factory.mktemp("jaeger")) as jaeger:
        yield jaeger
