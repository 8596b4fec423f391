"""Sending to collectors that work, refuse, answer oddly or are away."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.otlp import send, settings
from asyncio_trace.exporters.otlp.encode import REQUEST_BYTES
from asyncio_trace.exporters.otlp.exporter import OtlpExporter
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Trace
from otlp.collectors import Collector, http_collector
from otlp.traces import MS, eventful_trace, gather_trace, program, task

pytestmark = pytest.mark.network


def large_trace() -> Trace:
    """About 2,000 spans and more than 3 MiB, since each coroutine's name is long."""
    trace = Trace(program(10 * MS))
    trace.tasks = [task(number, None, 0, 1000, coroutine="c" * 1500) for number in range(1, 1501)]
    return trace


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        return port


def test_all_spans_arrive(collector: Collector) -> None:
    """Every span arrives once, with its name, parent, kind, links, events, status and resource."""
    trace = eventful_trace()
    trace.program.argv = ["/srv/app.py"]
    OtlpExporter().export(trace, collector.url)
    arrived = {span.span_id: span for span in collector.spans}
    assert len(arrived) == len(collector.spans) == len(build_spans(trace))
    by_name = {span.name: span for span in collector.spans}
    assert by_name["main"].parent_span_id == by_name["asyncio: app.py"].span_id
    assert by_name["fail"].status.code == 2
    assert by_name["victim"].status.code == 0
    assert by_name["background"].kind == 5
    assert by_name["await background"].links[0].span_id == by_name["background"].span_id
    assert by_name["fail"].events[0].name == "exception"
    assert collector.resource["service.name"] == "app.py"
    assert collector.resource["host.name"]


def test_batches_are_bounded_in_bytes(collector: Collector) -> None:
    """A large trace goes out in several messages, none above 1 MiB and all but the last nearly full."""
    trace = large_trace()
    seen: list[tuple[int, int]] = []
    OtlpExporter().export(trace, collector.url, lambda done, total: seen.append((done, total)))
    assert len(collector.spans) == 1501
    assert len(collector.sizes) > 3
    assert max(collector.sizes) <= REQUEST_BYTES
    assert min(collector.sizes[:-1]) > 0.99 * REQUEST_BYTES
    assert seen[0] == (0, 1501)
    assert seen[-1] == (1501, 1501)
    assert len(seen) == len(collector.sizes) + 1


def test_standard_variables_are_obeyed(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoint, headers, compression, service name and resource attributes come from the environment."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=red%20team,authorization=Bearer%20t")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=here,deployment.environment=test")
    OtlpExporter().export(gather_trace(), "")
    assert len(collector.spans) == 23
    assert collector.headers[0]["x-team"] == "red team"
    assert collector.headers[0]["authorization"] == "Bearer t"
    assert "gzip" in (collector.headers[0].get("content-encoding", ""), collector.headers[0].get("grpc-encoding", "gzip"))
    assert collector.resource["service.name"] == "shop"
    assert collector.resource["host.name"] == "here"
    assert collector.resource["deployment.environment"] == "test"


def test_compression_none_is_accepted(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """`none` is a word of the standard that the gRPC exporter alone would choke on."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    OtlpExporter().export(gather_trace(), collector.url)
    assert len(collector.spans) == 23


def test_disabled_sends_nothing(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED=true sends nothing and is no error."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    OtlpExporter().export(gather_trace(), collector.url)
    assert collector.headers == []


def test_http_path_is_added_once() -> None:
    """A base URL gets /v1/traces, a URL that has it is left alone."""
    with http_collector() as collector:
        OtlpExporter().export(gather_trace(), f"{collector.url}/v1/traces")
        OtlpExporter().export(gather_trace(), f"{collector.url}/prefix/v1/traces/")
        assert collector.paths == ["/v1/traces", "/prefix/v1/traces"]


def test_undecodable_names_are_sent(collector: Collector) -> None:
    """File names with lone surrogates and integers beyond 64 bits don't break the encoding."""
    trace = gather_trace(1)
    trace.tasks[1].coroutine = "w\udcffork"
    trace.tasks[1].id = 1 << 70
    OtlpExporter().export(trace, collector.url)
    assert "w\\udcffork" in {span.name for span in collector.spans}


def test_refusal_says_how_many_arrived(collector: Collector) -> None:
    """A collector that refuses the second message: one line with endpoint, status, and how many spans were sent and not."""
    collector.accept = 1
    with pytest.raises(OutputError) as caught:
        OtlpExporter().export(large_trace(), collector.url)
    message = str(caught.value)
    sent = len(collector.spans)
    assert "\n" not in message
    assert collector.url in message
    assert "HTTP status 403 Forbidden" in message or "gRPC status PERMISSION_DENIED (not from you)" in message
    assert f"{sent} sent, {1501 - sent} not" in message


def test_partial_success_is_a_failure(collector: Collector) -> None:
    """A collector that takes the message but drops spans of it is not believed: nothing is lost silently."""
    collector.refused_spans = 3
    with pytest.raises(OutputError, match=r"refused 3 spans \(too old\)"):
        OtlpExporter().export(gather_trace(), collector.url)


def test_redirect_is_a_failure() -> None:
    """A redirect, which the exporter takes for success without following it, is reported."""
    with http_collector() as collector:
        collector.accept, collector.http_status = 0, 302
        with pytest.raises(OutputError, match="HTTP status 302"):
            OtlpExporter().export(gather_trace(), f"{collector.url}/v1/traces")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_collector_away(
    protocol: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listening is one line within the time given, nothing on stderr, no log record, no thread left."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    threads = set(threading.enumerate())
    url = f"http://user:secret@localhost:{free_port()}" if protocol != "grpc" else f"http://localhost:{free_port()}"
    start = time.monotonic()
    with pytest.raises(OutputError, match=r"connection refused; 0 sent, 23 not") as caught:
        OtlpExporter().export(gather_trace(), url)
    assert time.monotonic() - start < 10
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert {thread for thread in threading.enumerate() if thread not in threads and not thread.daemon} == set()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_collector_that_never_answers(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing is given up after the timeout."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        start = time.monotonic()
        with pytest.raises(OutputError, match="timeout; 0 sent"):
            OtlpExporter().export(gather_trace(), f"http://127.0.0.1:{mute.getsockname()[1]}")
        assert time.monotonic() - start < 5


def test_collector_that_trickles_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers a byte now and then, which no timeout of the HTTP client ends, is left after some grace."""
    monkeypatch.setattr(send, "GRACE_S", 0.5)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not stop.wait(0.1):
                    connection.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(OutputError, match=r"timeout after 1\.5 s"):
                OtlpExporter().export(gather_trace(), f"http://127.0.0.1:{server.getsockname()[1]}")
        finally:
            stop.set()
            thread.join()
    for left in threading.enumerate():
        if left.name == "asyncio-trace-otlp":
            left.join(5)


def test_timeouts_end_within_thirty_seconds() -> None:
    """Whatever the variables say, one batch's timeout and grace stay below the 30 s that a dead collector may cost."""
    longest = settings.resolve("", {"OTEL_EXPORTER_OTLP_TIMEOUT": "10000"}).timeout_s
    assert longest + send.GRACE_S < 30


def test_logging_is_as_before(collector: Collector) -> None:
    """Sending leaves the program's logging set-up as it was."""
    logger = logging.getLogger("opentelemetry")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    try:
        OtlpExporter().export(gather_trace(), collector.url)
        assert logger.handlers == [handler]
        assert logger.propagate
    finally:
        logger.removeHandler(handler)


SCRIPT = """
import sys
from asyncio_trace.errors import OutputError
from asyncio_trace.exporters.otlp.exporter import OtlpExporter
from asyncio_trace.model import Program, Trace
assert not any(name.startswith(("opentelemetry", "grpc")) for name in sys.modules), "imported too early"
try:
    OtlpExporter().export(Trace(Program()), sys.argv[1])
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_process_says_one_line(protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, without pytest's log handlers, stderr stays empty and the message is one line."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-c", SCRIPT, url]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (run.stderr, run.returncode, run.stdout.count("\n")) == ("", 0, 1)
    assert url in run.stdout
