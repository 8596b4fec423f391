"""The programs that the benchmarks measure: plain asyncio that knows nothing of the tracer, each heavy on one thing.

`python benchmarks/workloads.py NAME [SCALE]` runs one, so that a profiler or `asyncio-trace run` can be put around it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable


async def switch(tasks: int = 100, rounds: int = 2_000) -> None:
    """Nothing but bare yields: `tasks` tasks that each `sleep(0)` `rounds` times."""

    async def yielding() -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)

    await asyncio.gather(*(yielding() for _ in range(tasks)))


async def pingpong(rounds: int = 60_000) -> None:
    """Two tasks that hand a number to and fro over two queues of one place."""
    there: asyncio.Queue[int] = asyncio.Queue(1)
    back: asyncio.Queue[int] = asyncio.Queue(1)

    async def answering() -> None:
        for _ in range(rounds):
            await back.put(await there.get() + 1)

    async def asking() -> None:
        number = 0
        for _ in range(rounds):
            await there.put(number)
            number = await back.get()

    await asyncio.gather(asking(), answering())


async def futs(futures: int = 80_000) -> None:
    """One task that awaits one future after another, each resolved by a callback."""
    loop = asyncio.get_running_loop()
    for _ in range(futures):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future


async def spawn(rounds: int = 80, width: int = 1_000) -> None:
    """Tasks that do nothing, `width` to a `gather`."""

    async def nothing() -> None:
        return None

    for _ in range(rounds):
        await asyncio.gather(*(nothing() for _ in range(width)))


async def tree(depth: int = 6, width: int = 6) -> int:
    """A tree of tasks: each gathers `width` children, `depth` levels down to leaves that yield once."""
    if depth == 0:
        await asyncio.sleep(0)
        return 1
    return sum(await asyncio.gather(*(tree(depth - 1, width) for _ in range(width))))


async def echo(clients: int = 10, lines: int = 800) -> None:
    """TCP clients over streams on loopback, each sending `lines` lines and reading each back."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(lines):
            sent = b"line %d\n" % number
            writer.write(sent)
            await writer.drain()
            if await reader.readline() != sent:
                raise RuntimeError("the echo is not what was sent")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(talk(port) for _ in range(clients)))


async def http(connections: int = 32, requests: int = 256) -> None:
    """An aiohttp service: keep-alive connections that send `requests` requests each, from another process."""
    from service import serve_load

    await serve_load(connections, requests)


async def mixed(scale: float = 1.0) -> None:
    """Some of each, one after the other; at scale 1 a trace of it holds a little over 200,000 records."""
    await switch(100, _sized(1_000, scale))
    await pingpong(_sized(12_000, scale))
    await futs(_sized(11_000, scale))
    await spawn(10, _sized(500, scale))
    await tree(4 if scale >= 1 else 2, 6)
    await echo(10, _sized(200, scale))


WORKLOADS: dict[str, Callable[[float], Awaitable[object]]] = {
    "switch": lambda scale: switch(rounds=_sized(2_000, scale)),
    "pingpong": lambda scale: pingpong(_sized(60_000, scale)),
    "futs": lambda scale: futs(_sized(80_000, scale)),
    "spawn": lambda scale: spawn(_sized(80, scale)),
    "tree": lambda scale: tree(6 if scale >= 1 else 3 if scale >= 0.05 else 2),
    "echo": lambda scale: echo(lines=_sized(800, scale)),
    "http": lambda scale: http(32 if scale >= 1 else 4, _sized(256, scale)),
    "mixed": mixed,
}
"""Name to the workload at a scale; 1.0 is the size in which figures are given."""

COMPARED = tuple(name for name in WORKLOADS if name != "mixed")
"""Those that figures are given for."""


def missing(name: str) -> str | None:
    """What a workload needs and is not installed, in one line; None if it can run."""
    if name == "http" and importlib.util.find_spec("aiohttp") is None:
        return "http is left out: aiohttp is not installed; pip install -e '.[bench]' does it"
    return None


def _sized(number: int, scale: float) -> int:
    return max(1, round(number * scale))


async def _run(name: str, scale: float) -> None:
    await WORKLOADS[name](scale)


if __name__ == "__main__":
    if (lacking := missing(sys.argv[1])) is not None:
        sys.exit(lacking)
    asyncio.run(_run(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0))
