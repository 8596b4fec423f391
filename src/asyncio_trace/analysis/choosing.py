"""Which task a person means: by id, name or coroutine."""

from __future__ import annotations

from collections.abc import Callable

from asyncio_trace.model import Task, Trace


def find_task(trace: Trace, word: str) -> Task | None:
    """The task that goes by `word`: its id, its name, or its coroutine with or without what that is defined in.

    Of several tasks of one name or coroutine it is the one that lived longest. None if there is none.
    """
    number = word.removeprefix("#")
    if number.isdecimal():
        return next((task for task in trace.tasks if task.id == int(number)), None)
    ways: tuple[Callable[[Task], str], ...] = (
        lambda task: task.name,
        lambda task: task.coroutine,
        lambda task: task.coroutine.rpartition("<locals>.")[2],
        lambda task: task.coroutine.rpartition(".")[2],
    )
    for way in ways:
        found = [task for task in trace.tasks if way(task) == word]
        if found:
            end = trace.program.duration_ns
            return max(found, key=lambda task: (end if task.ended_ns is None else task.ended_ns) - task.created_ns)
    return None
