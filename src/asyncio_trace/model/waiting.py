"""Who waits for whom: the graph of tasks at an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asyncio_trace.model.codes import NEVER

if TYPE_CHECKING:
    import numpy.typing as npt

    from asyncio_trace.model.trace import Trace


def awaited_pairs(trace: Trace) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of `trace.waits`, each with the id of something that the wait is for: what is awaited, and the members of gathers,
    groups and `wait`.
    """
    waits, members = trace.waits.columns, trace.members.columns
    plain = np.flatnonzero(waits.awaited_id)
    return np.concatenate((plain, members.wait.astype(np.int64))), np.concatenate((waits.awaited_id[plain], members.id))


def wait_for_graph(trace: Trace, ns: int) -> dict[int, frozenset[int]]:
    """The tasks that are suspended at `ns`, each with the tasks that it waits for and that are not done: those that it awaits,
    and the members of a gather, a task group that is being left, or `asyncio.wait`.

    A task that is ready but does not run yet is still suspended. What stands behind `shield` and `as_completed` is not told.
    """
    waits, tasks = trace.waits.columns, trace.tasks.columns
    is_open = (waits.start_ns <= ns) & ((waits.end_ns == NEVER) | (waits.end_ns > ns))
    is_alive = (tasks.created_ns <= ns) & ((tasks.ended_ns == NEVER) | (tasks.ended_ns > ns))
    places, ids = awaited_pairs(trace)
    which = is_open[places] & np.isin(ids, tasks.id[is_alive])
    graph: dict[int, set[int]] = {}
    for task, number in zip(waits.task[places[which]].tolist(), ids[which].tolist(), strict=True):
        graph.setdefault(task, set()).add(number)
    return {task: frozenset(numbers) for task, numbers in graph.items()}
