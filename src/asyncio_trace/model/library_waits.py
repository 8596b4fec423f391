"""What waits inside widely used libraries are called; registered as a plug-in's rules would be, under `asyncio_trace.waits`."""

from __future__ import annotations

from asyncio_trace.model.wait_rules import WaitRule

_CLIENT = "aiohttp.client_reqrep"

AIOHTTP = (
    WaitRule("aiohttp.connector", "BaseConnector._wait_for_available_connection", "connection pool"),
    WaitRule("aiohttp.connector", "BaseConnector.connect", "connect", ("aiohappyeyeballs",)),
    WaitRule(_CLIENT, "ClientResponse.start", "http response"),
    WaitRule(_CLIENT, "ClientResponse.read", "http body"),
    WaitRule("aiohttp.streams", "StreamReader._wait", "http body"),
    WaitRule("aiohttp.client_ws", "ClientWebSocketResponse.receive", "websocket message"),
    WaitRule("aiohttp.client_ws", "ClientWebSocketResponse.close", "websocket close"),
    WaitRule("aiohttp.web_ws", "WebSocketResponse.receive", "websocket message"),
    WaitRule("aiohttp.web_ws", "WebSocketResponse.close", "websocket close"),
    WaitRule("aiohttp.web_protocol", "RequestHandler.start", "http request"),
    WaitRule("aiohttp.base_protocol", "BaseProtocol._drain_helper", "http write"),
)
"""aiohttp, client and server."""

_HTTP11, _HTTP2 = "httpcore._async.http11", "httpcore._async.http2"

HTTPX = (
    WaitRule("httpcore._async.connection_pool", "AsyncPoolRequest.wait_for_connection", "connection pool"),
    WaitRule("httpcore._async.connection", "AsyncHTTPConnection._connect", "connect"),
    WaitRule(_HTTP11, "AsyncHTTP11Connection._send_request_headers", "http request"),
    WaitRule(_HTTP11, "AsyncHTTP11Connection._send_request_body", "http request"),
    WaitRule(_HTTP11, "AsyncHTTP11Connection._receive_response_headers", "http response"),
    WaitRule(_HTTP11, "AsyncHTTP11Connection._receive_response_body", "http body"),
    WaitRule(_HTTP2, "AsyncHTTP2Connection._send_request_headers", "http request"),
    WaitRule(_HTTP2, "AsyncHTTP2Connection._send_request_body", "http request"),
    WaitRule(_HTTP2, "AsyncHTTP2Connection._receive_response", "http response"),
    WaitRule(_HTTP2, "AsyncHTTP2Connection._receive_response_body", "http body"),
)
"""httpx, which is built on httpcore."""

_BACKEND, _MEMORY = "anyio._backends._asyncio", "anyio.streams.memory"

ANYIO = (
    WaitRule(_BACKEND, "Lock.acquire", "lock"),
    WaitRule(_BACKEND, "Semaphore.acquire", "semaphore"),
    WaitRule(_BACKEND, "CapacityLimiter.acquire_on_behalf_of", "capacity limiter"),
    WaitRule("anyio._core._synchronization", "Condition.wait", "condition"),
    WaitRule(_BACKEND, "TaskGroup.__aexit__", "task group"),
    WaitRule(_BACKEND, "AsyncIOBackend.run_sync_in_worker_thread", "worker thread"),
    WaitRule(_BACKEND, "SocketStream.receive", "socket receive"),
    WaitRule(_BACKEND, "SocketStream.send", "socket send"),
    WaitRule(_MEMORY, "MemoryObjectReceiveStream.receive", "memory stream receive"),
    WaitRule(_MEMORY, "MemoryObjectSendStream.send", "memory stream send"),
)
"""anyio, on asyncio."""

ASYNCPG = (
    WaitRule("asyncpg.pool", "Pool._acquire", "connection pool"),
    WaitRule("asyncpg.pool", "Pool._acquire.<locals>._acquire_impl", "connection pool"),
    WaitRule("asyncpg.pool", "PoolConnectionHolder.connect", "connect"),
    WaitRule("asyncpg.connect_utils", "_connect", "connect"),
    WaitRule("asyncpg.connection", "Connection._do_execute", "query"),
    WaitRule("asyncpg.connection", "Connection._prepare", "prepare"),
    WaitRule("asyncpg.connection", "Connection.execute", "query"),
    WaitRule("asyncpg.connection", "Connection._executemany", "query"),
    WaitRule("asyncpg.connection", "Connection.reset", "connection reset"),
    WaitRule("asyncpg.cursor", "BaseCursor._exec", "query"),
)
"""asyncpg."""

_REDIS = "redis.asyncio.connection"

REDIS = (
    WaitRule(_REDIS, "BlockingConnectionPool.get_connection", "connection pool", ("redis",)),
    WaitRule(_REDIS, "AbstractConnection.connect_check_health", "connect"),
    WaitRule(_REDIS, "AbstractConnection.connect", "connect"),
    WaitRule(_REDIS, "AbstractConnection.send_packed_command", "redis request"),
    WaitRule(_REDIS, "AbstractConnection.read_response", "redis response"),
)
"""redis, its asyncio client."""

_WEBSOCKETS = "websockets.asyncio.connection"

WEBSOCKETS = (
    WaitRule("websockets.asyncio.client", "connect.open_tcp_connection", "connect"),
    WaitRule("websockets.asyncio.client", "ClientConnection.handshake", "websocket handshake"),
    WaitRule("websockets.asyncio.server", "ServerConnection.handshake", "websocket handshake"),
    WaitRule("websockets.asyncio.messages", "Assembler.get", "websocket message"),
    WaitRule("websockets.asyncio.messages", "Assembler.get_iter", "websocket message"),
    WaitRule(_WEBSOCKETS, "Connection.send", "websocket send"),
    WaitRule(_WEBSOCKETS, "Connection.close", "websocket close"),
    WaitRule(_WEBSOCKETS, "Connection.keepalive", "websocket keepalive"),
)
"""websockets."""
