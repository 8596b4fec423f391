"""What a wait is on, told from the frames that await and from the thing awaited.

asyncio's own frames at the inner end of the stack say it: a wait inside `Queue.get` is on a queue whatever future carries it.
The innermost frame that means something decides, except for the few that are built from other primitives and matter more.
"""

from __future__ import annotations

from collections.abc import Iterator

from asyncio_trace.model.tables import Site

KINDS = (
    "task", "gather", "future", "sleep", "timeout", "lock", "semaphore", "event", "condition", "barrier", "queue.get",
    "queue.put", "stream.read", "stream.write", "socket", "process", "executor", "yield", "other",
)  # fmt: skip
"""Every kind of wait, as in the contract."""

HOUSEKEEPING = frozenset(
    f"{loop}.{method}" for loop in ("BaseEventLoop", "Loop") for method in ("shutdown_asyncgens", "shutdown_default_executor")
)
"""Coroutines that `asyncio.run` makes tasks of when the program is over. They are the loop's work, not the program's: they show
as runs of a callback of that name, and not as tasks.
"""

_OUTER: dict[tuple[str, str], tuple[str, str]] = {
    ("asyncio.locks", "Barrier.wait"): ("barrier", "Barrier.wait"),
    ("asyncio.queues", "Queue.join"): ("event", "Queue.join"),
    ("asyncio.tasks", "as_completed.<locals>._wait_for_one"): ("task", "as_completed"),
    ("asyncio.tasks", "_AsCompletedIterator._wait_for_one"): ("task", "as_completed"),
    ("asyncio.tasks", "wait"): ("task", "wait"),
    ("asyncio.subprocess", "Process.communicate"): ("process", "Process.communicate"),
    ("asyncio.subprocess", "Process.wait"): ("process", "Process.wait"),
    ("asyncio.subprocess", "create_subprocess_exec"): ("process", "create_subprocess_exec"),
    ("asyncio.subprocess", "create_subprocess_shell"): ("process", "create_subprocess_shell"),
    ("asyncio.threads", "to_thread"): ("executor", "to_thread"),
    ("asyncio.taskgroups", "TaskGroup.__aexit__"): ("task", "TaskGroup"),
    ("asyncio.streams", "StreamWriter.drain"): ("stream.write", "StreamWriter.drain"),
    ("asyncio.streams", "StreamWriter.wait_closed"): ("stream.write", "StreamWriter.wait_closed"),
    ("asyncio.streams", "open_connection"): ("socket", "open_connection"),
    ("asyncio.streams", "open_unix_connection"): ("socket", "open_unix_connection"),
    ("asyncio.streams", "StreamReader.read"): ("stream.read", "StreamReader.read"),
    ("asyncio.streams", "StreamReader.readline"): ("stream.read", "StreamReader.readline"),
    ("asyncio.streams", "StreamReader.readuntil"): ("stream.read", "StreamReader.readuntil"),
    ("asyncio.streams", "StreamReader.readexactly"): ("stream.read", "StreamReader.readexactly"),
}
"""Decides wherever it stands in asyncio's part of the stack; the outermost such frame wins."""

_INNER: dict[tuple[str, str], tuple[str, str]] = {
    ("asyncio.tasks", "sleep"): ("sleep", "sleep"),
    ("asyncio.tasks", "wait_for"): ("timeout", "wait_for"),
    ("asyncio.tasks", "_wait"): ("task", "wait"),
    ("asyncio.locks", "Lock.acquire"): ("lock", "Lock.acquire"),
    ("asyncio.locks", "Semaphore.acquire"): ("semaphore", "Semaphore.acquire"),
    ("asyncio.locks", "Event.wait"): ("event", "Event.wait"),
    ("asyncio.locks", "Condition.wait"): ("condition", "Condition.wait"),
    ("asyncio.queues", "Queue.get"): ("queue.get", "Queue.get"),
    ("asyncio.queues", "Queue.put"): ("queue.put", "Queue.put"),
    ("asyncio.streams", "StreamReader._wait_for_data"): ("stream.read", "StreamReader"),
    ("asyncio.base_events", "BaseEventLoop.shutdown_default_executor"): ("executor", "shutdown_default_executor"),
    ("asyncio.base_events", "Server.wait_closed"): ("other", "Server.wait_closed"),
    ("asyncio.base_events", "Server.serve_forever"): ("other", "Server.serve_forever"),
}

_LOOP_MODULES = ("asyncio.base_events", "asyncio.selector_events", "asyncio.unix_events", "asyncio.proactor_events")
_LOOP_METHODS = (
    "sock_", "_sock_", "create_connection", "create_server", "_create_connection", "_ensure_resolved", "getaddrinfo",
    "start_tls", "create_datagram", "connect_accepted", "_accept_connection", "sendfile", "_sendfile",
)  # fmt: skip


def is_asyncio(site: Site) -> bool:
    """Whether a frame is asyncio's own."""
    return site.module == "asyncio" or site.module.startswith("asyncio.")


def is_plumbing(site: Site) -> bool:
    """Whether a frame is asyncio's, or anyio's: what programs are built on."""
    return is_asyncio(site) or site.module == "anyio" or site.module.startswith("anyio.")


def _own_frames(stack: tuple[Site, ...]) -> Iterator[Site]:
    """asyncio's frames at the inner end of a stack, innermost first."""
    for site in reversed(stack):
        if not is_asyncio(site):
            return
        yield site


def own_place(stack: tuple[Site, ...]) -> Site | None:
    """The program's own innermost frame of an await stack, or the innermost of all if asyncio's are the only ones."""
    return next((site for site in reversed(stack) if not is_asyncio(site)), stack[-1] if stack else None)


def of_stack(stack: tuple[Site, ...]) -> tuple[str, str] | None:
    """Kind and label that the stack alone tells; None if it tells nothing."""
    inner: tuple[str, str] | None = None
    outer: tuple[str, str] | None = None
    for site in _own_frames(stack):
        key = (site.module, site.function)
        outer = _OUTER.get(key, outer)
        inner = inner or _INNER.get(key)
        if inner is None and site.module in _LOOP_MODULES:
            method = site.function.rpartition(".")[2]
            if method.startswith(_LOOP_METHODS):
                inner = ("socket", method)
            elif "subprocess" in method:
                inner = ("process", method)
    return outer or inner


def of_type(type_name: str, *, is_task: bool, is_job: bool) -> tuple[str, str]:
    """Kind and label of a wait on a bare thing, from its class."""
    if is_task:
        return "task", ""
    if is_job:
        return "executor", "run_in_executor"
    if type_name == "_GatheringFuture":
        return "gather", "gather"
    return ("future", type_name) if type_name.endswith("Future") else ("other", type_name)
