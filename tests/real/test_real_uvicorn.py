"""A starlette application behind uvicorn, on both loops that uvicorn offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.timeline import kinds, tasks
from real.load import CLIENTS, ROUNDS, over_http
from real.serving import serve_both

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytestmark = pytest.mark.network

APP = '''\
"""After the examples in starlette's documentation."""

import asyncio
import contextlib
import time

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route


async def homepage(request):
    await asyncio.sleep(0.005)
    return JSONResponse({"hello": "world"})


def synchronous(request):
    time.sleep(0.001)
    return PlainTextResponse("from a thread")


async def echo(request):
    return PlainTextResponse(await request.body(), background=BackgroundTask(asyncio.sleep, 0.001))


async def stream(request):
    async def numbers():
        for number in range(5):
            yield f"{number}\\n"
            await asyncio.sleep(0)

    return StreamingResponse(numbers())


async def failing(request):
    raise ValueError("on purpose")


@contextlib.asynccontextmanager
async def lifespan(app):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.Event().wait(), name="background")
        yield
        task.cancel()


routes = [Route("/", homepage), Route("/sync", synchronous), Route("/echo", echo, methods=["POST"]), Route("/stream", stream)]
app = Starlette(routes=[*routes, Route("/failing", failing)], lifespan=lifespan)
'''

REQUESTS: list[tuple[str, str, bytes | None]] = [
    ("GET", "/", None),
    ("GET", "/sync", None),
    ("POST", "/echo", b"x" * 100_000),
    ("GET", "/stream", None),
    ("GET", "/missing", None),
]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_uvicorn_serves_traced_as_it_serves_plain(loop: str, tmp_path: Path) -> None:
    """Every answer is the same from start to Ctrl-C; the trace has a task for each request, on the loop that uvicorn chose."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    (tmp_path / "app.py").write_text(APP)
    words = ["-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}", "--loop", loop, "--http", "h11"]
    words += ["--no-access-log", "--log-level", "warning"]
    plain, traced, trace = serve_both(words, lambda port: over_http(port, REQUESTS), tmp_path)
    assert traced == plain
    (used,) = {row["type"] for row in trace["program"]["loops"]}
    assert used.startswith(loop)
    assert len(tasks(trace, "RequestResponseCycle.run_asgi")) == CLIENTS * ROUNDS * len(REQUESTS)
    assert {"sleep", "event"} <= kinds(trace)
    (background,) = (task for task in trace["tasks"] if task["name"] == "background")
    assert background["outcome"] == "cancelled"
    assert {task["outcome"] for task in trace["tasks"]} <= {"returned", "cancelled"}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_error_in_an_application_is_reported_as_ever(loop: str, tmp_path: Path) -> None:
    """The traceback that uvicorn logs for a handler that raises has no frame of ours."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    (tmp_path / "app.py").write_text(APP)
    words = ["-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}", "--loop", loop, "--http", "h11"]
    words += ["--no-access-log", "--no-use-colors", "--log-level", "error"]
    plain, traced, _ = serve_both(words, lambda port: over_http(port, [("GET", "/failing", None)], keep_alive=False), tmp_path)
    assert "ValueError: on purpose" in plain.stderr
    assert traced == plain
