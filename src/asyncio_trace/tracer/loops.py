"""Loops by name, for `--loop` and the entry points `asyncio_trace.loops`: callables that make a new loop."""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from typing import Any


def new_asyncio_loop() -> AbstractEventLoop:
    """A new loop of asyncio's default class."""
    if sys.platform == "win32":
        from asyncio.windows_events import ProactorEventLoop as Default
    else:
        from asyncio.unix_events import SelectorEventLoop as Default
    return Default()


def new_uvloop_loop() -> AbstractEventLoop:
    """A new loop of uvloop's.

    Raises:
        ImportError: uvloop is not installed.
    """
    import uvloop

    loop: AbstractEventLoop = uvloop.new_event_loop()
    return loop


def default_policy_class() -> Any:
    """asyncio's default policy class, without the deprecation warning that its public name gives from 3.14 on; None from
    3.16 on, where there is none.
    """
    if sys.platform == "win32":
        from asyncio import windows_events as module
    else:
        from asyncio import unix_events as module
    names = (
        "_DefaultEventLoopPolicy",
        "DefaultEventLoopPolicy",
        "_UnixDefaultEventLoopPolicy",
        "WindowsProactorEventLoopPolicy",
    )
    return next((vars(module)[name] for name in names if name in vars(module)), None)


def make_default(factory: Callable[[], AbstractEventLoop]) -> None:
    """Make `asyncio.run` and all else that asks asyncio for a new loop get it from `factory`, in this process."""
    policy = default_policy_class()
    if policy is not None:
        policy._loop_factory = staticmethod(factory)
    else:  # 3.16 and later
        events.new_event_loop = factory
