"""Runs of one loop never overlap: an eager task's first step, which runs inside its creator's step, splits that step in two."""

from __future__ import annotations

from collections import defaultdict

from asyncio_trace.model.tables import Run


def split_nested(steps: list[tuple[int, int, int, int]], callbacks: list[Run]) -> tuple[list[Run], dict[int, int]]:
    """All runs ordered by start, and each task's running time in ns.

    `steps` are (loop, start, end, task); a step or callback may hold others inside it. What holds another is running before and
    after, and not while, the other runs.
    """
    spans: list[tuple[int, int, int, int | None, str | None]]
    spans = [(loop, start, -end, task, None) for loop, start, end, task in steps]
    spans += [(run.loop, run.start_ns, -run.end_ns, None, run.callback) for run in callbacks]
    spans.sort(key=lambda span: span[:3])
    runs: list[Run] = []
    running: defaultdict[int, int] = defaultdict(int)
    open_spans: list[tuple[int, int, int | None, str | None]] = []
    """(loop, end, task, callback) of the spans that hold the place we are at, innermost last."""
    at = 0

    def emit(until: int) -> None:
        loop, _, task, callback = open_spans[-1]
        if until > at:
            runs.append(Run(task, callback, loop, at, until))
            if task is not None:
                running[task] += until - at

    for loop, start, minus_end, task, callback in spans:
        while open_spans and (open_spans[-1][0] != loop or open_spans[-1][1] <= start):
            end = open_spans[-1][1]
            emit(end)
            at = max(at, end)
            open_spans.pop()
        if open_spans:
            emit(start)
        open_spans.append((loop, -minus_end, task, callback))
        at = start
    while open_spans:
        emit(open_spans[-1][1])
        at = max(at, open_spans[-1][1])
        open_spans.pop()
    runs.sort(key=lambda run: (run.start_ns, run.loop))
    return runs, dict(running)
