"""The kind of a wait is told by asyncio's own frames at the inner end of its stack, else by the class of what is awaited."""

from __future__ import annotations

import importlib
import sys

import pytest

from asyncio_trace.model import kinds
from asyncio_trace.model.kinds import KINDS, of_stack, of_type
from asyncio_trace.model.tables import Site

PROGRAM = Site("main", "/program.py", 3, "__main__")


def asyncio_site(module: str, function: str) -> Site:
    """A frame of asyncio's."""
    return Site(function, f"/lib/{module}.py", 1, module)


@pytest.mark.parametrize(("frame", "kind"), [*kinds._OUTER.items(), *kinds._INNER.items()], ids=str)
def test_each_known_frame_gives_a_kind_of_the_contract(frame: tuple[str, str], kind: tuple[str, str]) -> None:
    """A stack that ends in that frame is of that kind, and the kind is one that the contract names."""
    assert of_stack((PROGRAM, asyncio_site(*frame))) == kind
    assert kind[0] in KINDS


@pytest.mark.parametrize("frame", [*kinds._OUTER, *kinds._INNER], ids=str)
def test_each_known_frame_is_a_function_of_asyncio(frame: tuple[str, str]) -> None:
    """No name in the tables is misspelt: each is there, unless this version of Python has it elsewhere."""
    module, function = frame
    thing: object = importlib.import_module(module)
    for part in function.split("."):
        if part == "<locals>" or (part == "_AsCompletedIterator" and sys.version_info < (3, 13)):
            return
        thing = getattr(thing, part)
    assert callable(thing)


def test_frames_beyond_the_programs_own_do_not_count() -> None:
    """A sleep inside a program's coroutine that a lock's frame awaits is a sleep."""
    lock = asyncio_site("asyncio.locks", "Lock.acquire")
    sleep = asyncio_site("asyncio.tasks", "sleep")
    assert of_stack((lock, PROGRAM, sleep)) == ("sleep", "sleep")
    assert of_stack((sleep, PROGRAM)) is None
    assert of_stack(()) is None


def test_the_primitive_that_a_person_called_decides() -> None:
    """A barrier waits on a condition, and a process on a future; the outer one is what the program waits on."""
    condition = asyncio_site("asyncio.locks", "Condition.wait")
    barrier = asyncio_site("asyncio.locks", "Barrier.wait")
    assert of_stack((PROGRAM, barrier, condition)) == ("barrier", "Barrier.wait")
    assert of_stack((PROGRAM, condition)) == ("condition", "Condition.wait")


@pytest.mark.parametrize("method", ["sock_recv", "sock_accept", "create_connection", "getaddrinfo"])
def test_a_loops_socket_methods_are_sockets(method: str) -> None:
    """Waits in the loop's own socket methods are of kind socket."""
    site = asyncio_site("asyncio.selector_events", f"BaseSelectorEventLoop.{method}")
    assert of_stack((PROGRAM, site)) == ("socket", method)


@pytest.mark.parametrize(
    ("type_name", "is_task", "is_job", "kind"),
    [
        ("Task", True, False, "task"),
        ("Future", False, True, "executor"),
        ("_GatheringFuture", False, False, "gather"),
        ("Future", False, False, "future"),
        ("OwnFuture", False, False, "future"),
        ("Thing", False, False, "other"),
        ("", False, False, "other"),
    ],
)
def test_a_bare_thing_tells_by_its_class(type_name: str, is_task: bool, is_job: bool, kind: str) -> None:
    """Without a frame of asyncio's, the class of the awaited thing decides."""
    assert of_type(type_name, is_task=is_task, is_job=is_job)[0] == kind
    assert kind in KINDS
