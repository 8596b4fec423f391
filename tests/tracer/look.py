"""Finds things in a trace by what a person would call them."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from typing import Any

from asyncio_trace.model import Future, Site, Task, Trace, Wait


def task_named(trace: Trace, name: str) -> Task:
    """The one task of that name."""
    (task,) = [task for task in trace.tasks if task.name == name]
    return task


def waits_of(trace: Trace, name: str) -> list[Wait]:
    """The waits of the task of that name, in order."""
    number = task_named(trace, name).id
    return [wait for wait in trace.waits if wait.task == number]


def wait_of(trace: Trace, name: str) -> Wait:
    """The first wait of the task of that name."""
    return waits_of(trace, name)[0]


def future_made_in(trace: Trace, function: str) -> Future:
    """The one future that a function made."""
    (future,) = [future for future in trace.futures if future.created_at and future.created_at.function.endswith(function)]
    return future


def line_of(site: Site | None) -> str:
    """The text of the line of code at a site."""
    assert site is not None
    return linecache.getline(site.file, site.line).strip()


def name_of(function: Callable[..., Any]) -> str:
    """The qualified name of a function."""
    return function.__qualname__


def this_line() -> int:
    """Number of the line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno
