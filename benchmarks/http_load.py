"""Load for `service.py`: a process of its own with nothing but bytes on sockets, so that the service never lacks requests.

    python http_load.py PORT CONNECTIONS REQUESTS

Each connection sends the next request when the last is answered.
"""

from __future__ import annotations

import asyncio
import sys

_BODY = b'{"name": "Ada", "numbers": [1, 2, 3, 5, 8], "nested": {"yes": true}}'


def _request(method: bytes, path: bytes, body: bytes = b"") -> bytes:
    head = b"%s %s HTTP/1.1\r\nHost: localhost\r\n" % (method, path)
    if body:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


REQUESTS = (
    _request(b"GET", b"/"),
    _request(b"GET", b"/lock"),
    _request(b"POST", b"/echo", _BODY),
    _request(b"GET", b"/queue"),
    _request(b"GET", b"/"),
    _request(b"GET", b"/gather"),
    _request(b"POST", b"/echo", _BODY),
    _request(b"GET", b"/sleep"),
)
OVER = _request(b"POST", b"/over", b"{}")


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: list[bytes], done: asyncio.Future[None]) -> None:
        self._requests = iter(requests)
        self._done = done
        self._received = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Send the next once the answer is whole."""
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        if len(body) < length:
            return
        self._received = b""
        if b" 200 " in lines[0]:
            self._next()
        else:
            self._end(RuntimeError(f"the service answered {lines[0]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The service has closed it."""
        self._end(exc or RuntimeError("the service closed a connection"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end(None)
            self._transport.close()
        else:
            self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)


async def load(port: int, connections: int, requests: int) -> None:
    """Put the load on the service, then tell it that there will be no more."""
    loop = asyncio.get_running_loop()
    orders = [[REQUESTS[(first + number) % len(REQUESTS)] for number in range(requests)] for first in range(connections)]
    for together in (orders, [[OVER]]):
        ends = [loop.create_future() for _ in together]
        for order, end in zip(together, ends, strict=True):
            await loop.create_connection(lambda order=order, end=end: Client(order, end), "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.gather(*ends)


if __name__ == "__main__":
    asyncio.run(load(*map(int, sys.argv[1:4])))
