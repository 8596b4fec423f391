"""The chain of stretches that made a task, or the whole run, take as long as it did.

Walks back from the end: what the task itself ran, then how long it was ready but not running, then what it waited on; and
there it goes on in whoever made that resolve, at that instant. What is not on this path may take longer without anybody
noticing; what is on it delays the end. The walk does not come back to a task that waited: whoever woke it was the later one,
also where it was at work before that wait began. (Program activity graphs: Yang and Miller, "Critical path analysis for the
execution of parallel and distributed programs", ICDCS 1988.)
"""

from __future__ import annotations

from asyncio_trace.analysis.path_tables import PathTables
from asyncio_trace.analysis.path_walk import KINDS, CriticalPath, InTheWay, PathTotal, Segment, Walk
from asyncio_trace.model import Site, Trace

__all__ = ["KINDS", "CriticalPath", "InTheWay", "PathTotal", "Segment", "by_place", "critical_path", "main_task"]


def critical_path(trace: Trace, task: int | None = None) -> CriticalPath | None:
    """The path to the end of a task, or of the run: that of the parentless task that lived longest.

    Returns:
        None if the trace has no such task.

    Raises:
        UsageError: The path has more than a million stretches.
    """
    tables = PathTables(trace)
    row = tables.main_row() if task is None else tables.row_of(task)
    if row is None:
        return None
    walk = Walk(tables, row)
    walk.go()
    return CriticalPath(tables.id(row), walk.floor, walk.end, walk.segments[::-1])


def main_task(trace: Trace) -> int | None:
    """Id of the parentless task that lived longest; None if there is no task."""
    tables = PathTables(trace)
    row = tables.main_row()
    return None if row is None else tables.id(row)


def by_place(trace: Trace, path: CriticalPath) -> list[PathTotal]:
    """The path's segments summed up by what they are and where; what took longest comes first."""
    coroutines = {segment.task: "" for segment in path.segments}
    columns = trace.tasks.columns
    for number, coroutine in zip(columns.id.tolist(), columns.coroutine.tolist(), strict=True):
        if number in coroutines:
            coroutines[number] = trace.strings[coroutine]
    sums: dict[tuple[str, str, str, Site | None], list[int]] = {}
    for segment in path.segments:
        entry = sums.setdefault((segment.kind, coroutines[segment.task], segment.label, segment.at), [0, 0])
        entry[0] += 1
        entry[1] += segment.length_ns
    return sorted((PathTotal(*key, *entry) for key, entry in sums.items()), key=lambda total: -total.ns)
