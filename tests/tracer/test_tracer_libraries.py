"""Waits inside libraries show as what they are to a person, told from the libraries themselves."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from asyncio_trace.model import library_waits
from asyncio_trace.model.kinds import KINDS
from asyncio_trace.model.tables import Wait
from tracer.tracing import ASYNCIO, traced

PORT = "127.0.0.1", 0


def waits_of(core: str, main: Callable[[], Coroutine[Any, Any, Any]]) -> list[Wait]:
    """The waits of a program."""
    with traced(core) as recording:
        ASYNCIO.run(main)
    waits = list(recording.trace.waits)
    assert {wait.kind for wait in waits} <= set(KINDS)
    return waits


def labels_through(waits: list[Wait], function: str) -> set[str]:
    """The labels of waits whose stack has a function of that name, but for bare yields."""
    return {
        wait.awaited.label
        for wait in waits
        if wait.kind != "yield" and any(site.function.rpartition(".")[2] == function for site in wait.stack)
    }


@contextlib.asynccontextmanager
async def server(serve: Any) -> AsyncIterator[int]:
    """A TCP server on loopback; its port. No connection outlives it."""
    connections: list[Any] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async with await asyncio.start_server(connected, *PORT) as listening:
        yield listening.sockets[0].getsockname()[1]
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def test_aiohttp(core: str) -> None:
    """Client: the pool, connecting, response and body. Server: the next request; a handler's own waits are its own."""
    aiohttp = pytest.importorskip("aiohttp")
    web = pytest.importorskip("aiohttp.web")

    async def handler(request: Any) -> Any:
        await asyncio.sleep(0.002)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.sleep(0.002)
        await response.write_eof(b"last")
        return response

    async def talk(request: Any) -> Any:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            await socket.send_str("answer")
        return socket

    async def fetch(session: Any, url: str) -> None:
        async with session.get(url) as response:
            await response.read()

    async def chat(session: Any, url: str) -> None:
        async with session.ws_connect(url) as socket:
            await socket.send_str("question")
            await socket.receive()

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/", handler)
        app.router.add_get("/talk", talk)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, *PORT)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            await asyncio.gather(fetch(session, url), fetch(session, url))
            await chat(session, f"{url}/talk")
        await runner.cleanup()

    waits = waits_of(core, main)
    assert labels_through(waits, "fetch") == {"connection pool", "connect", "http response", "http body"}
    assert labels_through(waits, "handler") == {"sleep"}
    assert "websocket message" in labels_through(waits, "chat")
    assert "websocket message" in labels_through(waits, "talk")
    assert "http request" in labels_through(waits, "start")


def test_httpx(core: str) -> None:
    """httpx waits for the pool, connects, waits for the response and its body, through httpcore and anyio."""
    httpx = pytest.importorskip("httpx")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(0.002)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
                await asyncio.sleep(0.002)
                writer.write(b"last")

    async def fetch(client: Any, port: int) -> None:
        await client.get(f"http://127.0.0.1:{port}/")

    async def main() -> None:
        async with server(serve) as port:
            client = httpx.AsyncClient(limits=httpx.Limits(max_connections=1), trust_env=False)
            async with client:
                await asyncio.gather(fetch(client, port), fetch(client, port))

    labels = labels_through(waits_of(core, main), "fetch")
    assert labels >= {"connection pool", "connect", "http response", "http body"}
    assert "socket receive" not in labels


def test_anyio(core: str) -> None:
    """anyio's own locks, streams, limits and threads, which are built on futures and events."""
    anyio = pytest.importorskip("anyio")

    async def main() -> None:
        lock, semaphore, limiter = anyio.Lock(), anyio.Semaphore(1), anyio.CapacityLimiter(1)
        send, receive = anyio.create_memory_object_stream(0)

        async def use() -> None:
            for thing in (lock, semaphore, limiter):
                async with thing:
                    await anyio.sleep(0.001)
            await anyio.to_thread.run_sync(int)

        async def sending() -> None:
            await anyio.sleep(0.001)
            await send.send(1)
            await send.send(2)

        async def receiving() -> None:
            await receive.receive()
            await anyio.sleep(0.001)
            await receive.receive()

        async with anyio.create_task_group() as group:
            for task in (use, use, sending, receiving):
                group.start_soon(task)
        send.close()
        receive.close()

    waits = waits_of(core, main)
    assert labels_through(waits, "use") == {"lock", "semaphore", "capacity limiter", "worker thread", "sleep"}
    assert "memory stream receive" in labels_through(waits, "receiving")
    assert "memory stream send" in labels_through(waits, "sending")
    assert "task group" in labels_through(waits, "main")


def test_redis(core: str) -> None:
    """redis waits for its pool, connects, and waits for responses; the server here speaks as much of it as that takes."""
    redis = pytest.importorskip("redis.asyncio")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while count := await reader.readline():
            words = []
            for _ in range(int(count[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            await asyncio.sleep(0.001)
            writer.write(b"$1\r\nv\r\n" if words[0] == b"GET" else b"+OK\r\n")

    async def fetch(client: Any) -> None:
        assert await client.get("key") == b"v"

    async def main() -> None:
        async with server(serve) as port:
            pool = redis.BlockingConnectionPool(host="127.0.0.1", port=port, max_connections=1, protocol=2)
            client = redis.Redis(connection_pool=pool)
            await asyncio.gather(fetch(client), fetch(client))
            await client.aclose()
            await pool.disconnect()

    assert labels_through(waits_of(core, main), "fetch") >= {"connection pool", "connect", "redis response"}


def test_websockets(core: str) -> None:
    """websockets connects, shakes hands, and waits for messages."""
    websockets = pytest.importorskip("websockets.asyncio.client")
    serving = pytest.importorskip("websockets.asyncio.server")

    async def answer(connection: Any) -> None:
        async for _ in connection:
            await connection.send("answer")

    async def talk(port: int) -> None:
        async with websockets.connect(f"ws://127.0.0.1:{port}") as connection:
            await connection.send("question")
            await connection.recv()

    async def main() -> None:
        async with serving.serve(answer, *PORT) as listening:
            await talk(listening.sockets[0].getsockname()[1])

    waits = waits_of(core, main)
    assert labels_through(waits, "talk") >= {"connect", "websocket handshake", "websocket message"}
    assert "websocket message" in labels_through(waits, "answer")


def test_asyncpg(core: str) -> None:
    """Waiting for a free connection of a pool is that; connecting to a server that does not answer is connecting."""
    asyncpg = pytest.importorskip("asyncpg")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def connect(port: int) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            await asyncpg.connect(host="127.0.0.1", port=port, user="u", database="d", ssl=False, timeout=0.05)

    async def acquire() -> None:
        pool = asyncpg.pool.Pool.__new__(asyncpg.pool.Pool)
        pool._queue, pool._initialized, pool._closing, pool._closed = asyncio.LifoQueue(), True, False, False
        pool._loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            await pool._acquire(timeout=0.01)

    async def main() -> None:
        await acquire()
        async with server(silent) as port:
            await connect(port)

    waits = waits_of(core, main)
    assert labels_through(waits, "acquire") == {"connection pool"}
    assert labels_through(waits, "connect") == {"connect"}


@pytest.mark.parametrize("library", ["aiohttp", "anyio", "asyncpg", "httpx", "redis", "websockets"])
def test_each_rule_is_for_a_coroutine_that_is_there(library: str) -> None:
    """No rule is misspelt: its function is in the library that is installed."""
    pytest.importorskip(library)
    for rule in vars(library_waits)[library.upper()]:
        if rule.module == "httpcore._async.http2" and importlib.util.find_spec("h2") is None:
            continue
        thing: Any = importlib.import_module(rule.module)
        for part in rule.function.split("."):
            if part == "<locals>":
                break
            thing = getattr(thing, part)
        assert inspect.iscoroutinefunction(thing) or inspect.isasyncgenfunction(thing), rule
