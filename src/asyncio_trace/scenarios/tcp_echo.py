"""A TCP server and its clients in one loop: readers wait until bytes come in.

In the trace: each connection has a task on either side. While a client thinks, the server's `handle_echo` waits in
`stream.read`, woken by I/O; then the client does, for the echo.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def handle_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send every line back until the client has no more."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def client(port: int, lines: list[str], pauses: list[float]) -> list[str]:
    """Send some lines with pauses for thought, and return what came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    echoes = []
    for line, pause in zip(lines, pauses, strict=True):
        await asyncio.sleep(pause)
        writer.write(f"{line}\n".encode())
        echoes.append((await reader.readline()).decode().strip())
    writer.write_eof()
    await reader.read()  # until the server has closed its side
    writer.close()
    await writer.wait_closed()
    return echoes


async def main(options: Options) -> None:
    """Serve on a free port of the loopback interface and talk to it three times at once."""
    server = await asyncio.start_server(handle_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lines = ["one", "two", "three"]
    async with server, asyncio.TaskGroup() as group:
        clients = []
        for number in range(3):
            pauses = [options.delay(options.random.uniform(0.2, 0.6)) for _ in lines]
            clients.append(group.create_task(client(port, lines, pauses), name=f"client-{number}"))
    for task in clients:
        print(f"{task.get_name()} heard:", *task.result())


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
