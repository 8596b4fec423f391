"""What a loop that keeps its queue to itself gets in place of callbacks looks and fails as the callbacks do."""

from __future__ import annotations

import asyncio
import functools
import gc
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tracer.tracing import CORES, HAS_UVLOOP, Traced, traced

pytestmark = pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed")


class Called:
    """Something that can be called, with a `repr` and a `str` of its own."""

    def __call__(self) -> None:
        """Do nothing."""

    def __repr__(self) -> str:
        return "<called>"

    def __str__(self) -> str:
        return "called!"

    def fails(self) -> None:
        """Fail."""
        raise ValueError("as it should")


def fails(*args: object) -> None:
    """Fail."""
    raise KeyError(*args)


def without_address(text: str) -> str:
    """A `repr` up to its address."""
    return text.split(" at 0x", 1)[0]


async def looks() -> list[Any]:
    """What a program sees of its handles, of what it is refused, and of what fails."""
    loop = asyncio.get_running_loop()
    seen: list[Any] = []

    def complain(_: Any, context: dict[str, Any]) -> None:
        error = traceback.format_exception(context["exception"])
        seen.append((without_address(context["message"]), repr(context["handle"]), error))

    loop.set_exception_handler(complain)
    callbacks: list[Callable[..., Any]] = [Called().fails, fails, functools.partial(fails, 1), Called(), print, [].append]
    for callback in callbacks:
        for handle in (loop.call_soon(callback), loop.call_later(5, callback), loop.call_at(loop.time() + 5, callback)):
            seen.append(without_address(repr(handle)))
            handle.cancel()
            seen.append((repr(handle), handle.cancelled()))
    loop.call_soon(fails, 1)
    loop.call_soon(Called().fails)
    append: Any = [].append
    loop.call_soon(append)
    loop.call_soon_threadsafe(fails)
    while len(seen) < len(callbacks) * 6 + 4:
        await asyncio.sleep(0)
    loop.call_later(0.001, fails)
    while len(seen) < len(callbacks) * 6 + 5:
        await asyncio.sleep(0)
    return seen


async def places() -> list[Any]:
    """Where a loop in debug mode says that handles were made."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    seen = []
    handles: list[Any] = [loop.call_soon(fails), loop.call_later(5, fails)]
    for handle in handles:
        seen.append((repr(handle), [(frame.name, frame.lineno) for frame in handle._source_traceback or ()][-1]))
        handle.cancel()
    return seen


async def refusals() -> list[Any]:
    """What a program is told that calls the loop's methods wrongly."""
    loop: Any = asyncio.get_running_loop()
    wrong: list[Callable[[], Any]] = [
        lambda: loop.call_soon(),
        lambda: loop.call_soon(fails, bogus=1),
        lambda: loop.call_soon_threadsafe(),
        lambda: loop.call_later("soon", fails),
        lambda: loop.call_later(1),
        lambda: loop.call_at(None, fails),
        lambda: loop.create_future(1),
        lambda: loop.create_task(),
        lambda: loop.get_debug(1),
    ]
    seen = []
    for call in wrong:
        with pytest.raises(Exception) as info:  # noqa: PT011 - which one, is what is compared
            call()
        seen.append((info.type, str(info.value), len(traceback.extract_tb(info.value.__traceback__))))
    return seen


def run_on_uvloop(main: Callable[[], Any]) -> Any:
    """Run a main coroutine."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def test_handles_look_and_fail_as_without_us(tracing: Callable[[], AbstractContextManager[Traced]]) -> None:
    """`repr`, messages and tracebacks."""
    plain = run_on_uvloop(looks)
    with tracing():
        ours = run_on_uvloop(looks)
    assert ours == plain


needs_native = pytest.mark.skipif("native" not in CORES, reason="no native core")


@needs_native
def test_debug_mode_tells_where_a_handle_was_made() -> None:
    """No frame of ours is between, with the native core."""
    plain = run_on_uvloop(places)
    with traced("native"):
        ours = run_on_uvloop(places)
    assert ours == plain


@needs_native
def test_what_the_loop_refuses_it_refuses_in_its_own_words() -> None:
    """Calls with wrong arguments, with the native core."""
    plain = run_on_uvloop(refusals)
    with traced("native"):
        ours = run_on_uvloop(refusals)
    assert ours == plain


@pytest.fixture
def no_collections() -> Iterator[None]:
    """The collector comes only when it is called."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
def test_what_a_cancelled_handle_held_is_freed_at_once(tracing: Callable[[], AbstractContextManager[Traced]]) -> None:
    """Neither the callable nor anything of ours keeps it."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        gone = []
        for queue in (loop.call_soon, functools.partial(loop.call_later, 100)):
            called = Called()
            reference = weakref.ref(called)
            handle: Any = queue(called.fails)
            del called
            handle.cancel()
            gone.append(reference() is None)
        return gone

    with tracing():
        assert run_on_uvloop(main) == [True, True]


@pytest.mark.usefixtures("no_collections")
def test_as_many_things_are_alive_after_many_steps_as_before(
    tracing: Callable[[], AbstractContextManager[Traced]],
) -> None:
    """Callables that are used again are counted rightly."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        counts = []
        for _ in range(3):
            for _ in range(500):
                await asyncio.sleep(0)
                loop.call_soon(print).cancel()
                loop.call_later(5, print).cancel()
                await loop.create_task(asyncio.sleep(0), name="t")
            gc.collect()
            counts.append(len(gc.get_objects()))
        return counts

    with tracing():
        _, before, after = run_on_uvloop(main)
    assert abs(after - before) < 50
