"""A real Jaeger for the tests: finding the binary, starting it, asking it what it holds."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 30.0
"""How long Jaeger may take to come up, or a trace to become visible."""

FAR_FUTURE_US = 4_000_000_000_000_000
"""An instant in the year 2096; Jaeger takes a much later one for one long gone."""

CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [jaeger_storage_exporter]
  telemetry:
    metrics:
      level: none
    logs:
      level: warn
extensions:
  jaeger_storage:
    backends:
      memory:
        memory:
          max_traces: 1000
  jaeger_query:
    storage:
      traces: memory
    http:
      endpoint: 127.0.0.1:{query}
    grpc:
      endpoint: 127.0.0.1:{query_grpc}
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:{grpc}
      http:
        endpoint: 127.0.0.1:{http}
exporters:
  jaeger_storage_exporter:
    trace_storage: memory
"""
"""No health check, no remote sampling, no metrics: nothing that would listen on a fixed port."""


@dataclass(frozen=True)
class Jaeger:
    """URLs of a running Jaeger."""

    grpc_url: str
    http_url: str
    query_url: str

    def get(self, path: str, **parameters: str | int) -> Any:
        """Ask the query API; the answer's `data`."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.query_url}{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def traces(self, service: str, spans: int) -> list[Any]:
        """The traces of a service, once they hold so many spans together."""
        deadline = time.monotonic() + START_S
        while True:
            found: list[Any] = self.get("/api/traces", service=service, limit=100, start=0, end=FAR_FUTURE_US)
            if sum(len(trace["spans"]) for trace in found) >= spans or time.monotonic() > deadline:
                return found
            time.sleep(0.05)


def find_binary() -> Path | None:
    """The binary that JAEGER_BIN names, or the newest that tools/get-jaeger left in its cache folder."""
    if named := os.environ.get("JAEGER_BIN"):
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asyncio-trace"
    found = sorted(cache.glob("jaeger-*/jaeger"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


@contextmanager
def run_jaeger(binary: Path, folder: Path) -> Iterator[Jaeger]:
    """Start Jaeger on free loopback ports, wait until it answers, and stop it in the end."""
    for attempt in range(3):  # a port that was free may be gone when Jaeger gets there
        ports = dict(zip(("grpc", "http", "query", "query_grpc"), _free_ports(4), strict=True))
        (folder / "config.yaml").write_text(CONFIG.format(**ports))
        urls = Jaeger(*(f"http://127.0.0.1:{ports[name]}" for name in ("grpc", "http", "query")))
        log = folder / f"jaeger-{attempt}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [binary, "--config", folder / "config.yaml"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
            )
            try:
                if _comes_up(process, urls):
                    yield urls
                    return
            finally:
                process.kill()  # it holds nothing worth saving, and a gentle stop takes it over ten seconds
                process.wait()
    raise AssertionError(f"Jaeger does not come up: {log.read_text()[-2000:]}")


def _comes_up(process: subprocess.Popen[bytes], urls: Jaeger) -> bool:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urls.get("/api/services")
            for url in (urls.grpc_url, urls.http_url):
                parts = urllib.parse.urlsplit(url)
                socket.create_connection((parts.hostname or "", parts.port or 0), 1).close()
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
        else:
            return True
    return False


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:  # all open at once, so that they differ
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
