"""`run --otlp` of programs that go on: what the command sends, says and returns."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asyncio_trace.model import load
from otlp.collectors import Collector
from otlp.jaeger import Jaeger
from otlp.test_otlp_jaeger import check_tree
from otlp.test_otlp_live import DEADLINE_S, SERVICE, check_trees, until
from otlp.test_otlp_sending import free_port

pytestmark = pytest.mark.network

COMMAND = """
import sys
import asyncio_trace.cli.live as live
import asyncio_trace.exporters.otlp.live as export
live.LIVE_AFTER_S, export.GIVE_UP_S = 0.1, 0.2
from asyncio_trace.cli.main import main
main()
"""
"""The command, less patient."""


@contextmanager
def running(folder: Path, url: str, requests: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`run --otlp-endpoint URL` of a service that has served its requests and goes on."""
    words = ["run", *options, "--otlp-endpoint", url, "-c", SERVICE, str(requests)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words], cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        assert process.stdout.readline() == "served\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(DEADLINE_S)
        process.stdout.close()
        process.stderr.close()


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Let the service end; the command's exit status and what it said."""
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.close()
    said = process.stderr.read().splitlines()
    return process.wait(DEADLINE_S), said


def test_a_service_is_sent_while_it_runs(collector: Collector, tmp_path: Path) -> None:
    """Requests arrive while the service goes on; at its end the command says what it sent and where the recording is."""
    with running(tmp_path, collector.url, 20) as process:
        until(lambda: sum(span.name == "request" for span in collector.spans) == 20)
        status, said = ended(process)
    assert status == 0
    assert f"{len(collector.spans):,} spans sent to {collector.url}" in said[0]
    (recording,) = tmp_path.glob("*.atrace")
    assert f"recording: {recording.name}" in said
    assert check_trees(collector.spans) == {"request": 20, "main": 1, "asyncio: python -c": 1}


def test_quiet_means_quiet(collector: Collector, tmp_path: Path) -> None:
    """With -q nothing is said of what went well."""
    with running(tmp_path, collector.url, 5, "-q", "-o", "t.atrace", "-o", "t.json") as process:
        until(lambda: collector.spans)
        assert ended(process) == (0, [])
    assert {path.name for path in tmp_path.iterdir()} == {"t.atrace", "t.json"}


def test_ctrl_c_ends_the_service_and_sends_the_rest(collector: Collector, tmp_path: Path) -> None:
    """Ctrl-C is the service's to answer: the command exits as it does, and all that there is has been sent."""
    with running(tmp_path, collector.url, 5, "-q", "-o", "t.atrace") as process:
        until(lambda: collector.spans)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "cancelled\n"
        status, _ = ended(process)
    assert status == 130
    assert check_trees(collector.spans) == {"request": 5, "main": 1, "asyncio: python -c": 1}
    assert {task.outcome for task in load(tmp_path / "t.atrace").tasks if task.coroutine == "main"} == {"cancelled"}


def test_what_was_not_sent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody listening one line says how many spans were lost and why; the recording is kept, and the status is 74."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    url = f"http://127.0.0.1:{free_port()}"
    with running(tmp_path, url, 5, "-q", "-o", "t.atrace") as process:
        status, said = ended(process)
    assert status == 74
    assert len(said) == 2
    assert f"0 spans sent to {url}; not sent: " in said[0]
    assert "when the program was over (connection refused)" in said[0]
    assert said[1].endswith("the recording stays in t.atrace")
    assert load(tmp_path / "t.atrace").complete


def test_a_program_without_asyncio_has_nothing_to_send(collector: Collector, tmp_path: Path) -> None:
    """A program that runs for a while but never imports asyncio: one line says so, as ever."""
    words = ["run", "-q", "--otlp-endpoint", collector.url, "-c", "import time; time.sleep(0.5)"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stderr.count("\n")) == (74, 1)
    assert "never imported asyncio" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.jaeger
def test_a_live_service_in_jaeger(jaeger: Jaeger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request of a service that still runs is a tree in a real Jaeger, without orphan or warning; the rest follows."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "live")
    with running(tmp_path, jaeger.grpc_url, 30, "-q", "-o", "t.atrace") as process:
        until(lambda: sum(len(trace["spans"]) for trace in jaeger.traces("live", 1)) >= 30 * 7)
        for trace in jaeger.traces("live", 30 * 7):
            assert check_tree(trace)["operationName"] == "request"
        assert ended(process) == (0, [])
    roots = [check_tree(trace)["operationName"] for trace in jaeger.traces("live", 30 * 7 + 2)]
    assert sorted(roots) == ["asyncio: python -c", "main", *["request"] * 30]
