"""An aiohttp server, started by aiohttp's own command."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.timeline import kinds, tasks
from real.load import CLIENTS, over_http
from real.serving import serve_both

pytest.importorskip("aiohttp")
pytestmark = pytest.mark.network

APP = '''\
"""After the examples in aiohttp's documentation."""

import asyncio

from aiohttp import ClientSession, web


async def handle(request):
    name = request.match_info.get("name", "Anonymous")
    return web.Response(text="Hello, " + name)


async def slow(request):
    await asyncio.sleep(0.01)
    return web.json_response({"slept": True})


async def echo(request):
    return web.Response(body=await request.read())


async def onward(request):
    host = request.headers["Host"]
    async with ClientSession() as session, session.get(f"http://{host}/onward") as answer:
        return web.Response(text="via " + await answer.text())


async def reading(app):
    async def read():
        while True:
            await asyncio.sleep(0.02)

    task = asyncio.create_task(read(), name="background")
    yield
    task.cancel()


def init(argv):
    app = web.Application()
    app.cleanup_ctx.append(reading)
    app.add_routes([web.get("/", handle), web.get("/slow", slow), web.post("/echo", echo), web.get("/fetch", onward)])
    app.add_routes([web.get("/{name}", handle)])
    return app
'''

REQUESTS: list[tuple[str, str, bytes | None]] = [
    ("GET", "/", None),
    ("GET", "/Ada", None),
    ("GET", "/slow", None),
    ("POST", "/echo", b"x" * 100_000),
    ("GET", "/fetch", None),
    ("GET", "/no/such/thing", None),
]


def test_aiohttp_serves_traced_as_it_serves_plain(tmp_path: Path) -> None:
    """Every answer is the same from start to Ctrl-C; the trace has a task for each connection and knows what they wait for."""
    (tmp_path / "app.py").write_text(APP)
    words = ["-m", "aiohttp.web", "-H", "127.0.0.1", "-P", "{port}", "app:init"]
    plain, traced, trace = serve_both(words, lambda port: over_http(port, REQUESTS), tmp_path)
    assert traced == plain
    assert len(tasks(trace, "RequestHandler.start")) >= CLIENTS
    (background,) = (task for task in trace["tasks"] if task["name"] == "background")
    assert background["outcome"] == "cancelled"
    assert {"sleep", "future", "socket"} <= kinds(trace)
    assert {task["outcome"] for task in trace["tasks"]} <= {"returned", "cancelled"}
