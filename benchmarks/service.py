"""An aiohttp service under load: what a program that people run asks of its loop, as against the bare loops of `workloads`.

The service runs in the process that is measured. The load comes from another (`http_load.py`), so that its work does not count:
keep-alive connections that each send a fixed number of requests, one after the other.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

LOAD = Path(__file__).with_name("http_load.py")
WORKERS = 4
PARTS = 4

Job = tuple[int, asyncio.Future[int]]


class Service:
    """The handlers, and what they share."""

    def __init__(self) -> None:
        self.answered = 0
        self.over = asyncio.Event()
        self._lock = asyncio.Lock()
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(WORKERS)

    def application(self) -> web.Application:
        """The application, whose workers run as long as it does."""
        app = web.Application(middlewares=[self._count])
        app.add_routes(
            [
                web.get("/", self._hello),
                web.get("/lock", self._locked),
                web.get("/queue", self._queued),
                web.get("/sleep", self._slept),
                web.get("/gather", self._gathered),
                web.post("/echo", self._echo),
                web.post("/over", self._over),
            ]
        )
        app.cleanup_ctx.append(self._workers)
        return app

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        self.answered += 1
        return response

    async def _workers(self, app: web.Application) -> Any:
        workers = [asyncio.create_task(self._work(), name=f"worker {number}") for number in range(WORKERS)]
        yield
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            number, answer = await self._jobs.get()
            await asyncio.sleep(0)
            if not answer.done():
                answer.set_result(number * number)

    async def _hello(self, request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def _locked(self, request: web.Request) -> web.Response:
        async with self._lock:
            await asyncio.sleep(0)
        return web.Response(text="one at a time")

    async def _queued(self, request: web.Request) -> web.Response:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(30):
            await self._jobs.put((self.answered, answer))
            return web.json_response({"answer": await answer})

    async def _slept(self, request: web.Request) -> web.Response:
        await asyncio.sleep(0.001)
        return web.Response(text="rested")

    async def _gathered(self, request: web.Request) -> web.Response:
        async def part(number: int) -> int:
            await asyncio.sleep(0)
            return number

        return web.json_response(await asyncio.gather(*(part(number) for number in range(PARTS))))

    async def _echo(self, request: web.Request) -> web.Response:
        return web.Response(body=json.dumps(await request.json()), content_type="application/json")

    async def _over(self, request: web.Request) -> web.Response:
        self.over.set()
        return web.Response(text="goodbye")


async def serve_load(connections: int, requests: int) -> None:
    """Serve `connections` clients that each send `requests` requests.

    Raises:
        RuntimeError: The load failed, or not all of it was answered.
    """
    service = Service()
    runner = web.AppRunner(service.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        words = [sys.executable, str(LOAD), str(port), str(connections), str(requests)]
        with subprocess.Popen(words) as load:
            try:
                while not service.over.is_set() and load.poll() is None:
                    try:
                        await asyncio.wait_for(service.over.wait(), 0.1)
                    except TimeoutError:
                        continue
                status = load.wait(30)
            finally:
                load.kill()
    finally:
        await runner.cleanup()
    if status or service.answered != connections * requests + 1:
        raise RuntimeError(f"{service.answered} requests were answered; the load ended with {status}")
