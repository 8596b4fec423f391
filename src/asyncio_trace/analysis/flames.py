"""What tasks waited for and what they ran, as collapsed stacks: `main;fetch;read [stream.read] 1200`, one line a stack.

That is the format of flamegraph.pl (Brendan Gregg's FlameGraph, "stackcollapse"), read by inferno and speedscope too: frames
from the outermost inwards with `;` between them, a blank, and a whole number. The numbers are nanoseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

import numpy as np

from asyncio_trace.model import Site, Trace
from asyncio_trace.model.codes import NEVER
from asyncio_trace.model.columns import Int64
from asyncio_trace.model.kinds import is_asyncio

WAITS, RUNS = "waits", "runs"


def collapsed(trace: Trace, what: str, end_ns: int) -> Iterator[str]:
    """The lines of a flame graph, the widest first.

    Args:
        trace: The trace.
        what: `waits`: where tasks waited, and in a frame `[ready]` how long they were ready there and the loop was busy.
            `runs`: what held the loop, by the await after which each step ran; the code that it then ran is not known.
        end_ns: The trace's last instant, until which what is pending waits.
    """
    sums = _waits(trace, end_ns) if what == WAITS else _runs(trace)
    for stack, ns in sums.most_common():
        if ns > 0:
            yield f"{stack} {ns}"


def _waits(trace: Trace, end_ns: int) -> Counter[str]:
    waits, tasks = trace.waits.columns, trace.tasks.columns
    over = np.where(waits.end_ns == NEVER, end_ns, waits.end_ns)
    ready = np.where(waits.ready_ns == NEVER, over, waits.ready_ns)
    coroutine = _of_tasks(tasks.coroutine, waits.task_row)
    groups, inverse = _groups(coroutine, waits.stack.astype(np.int64), waits.kind.astype(np.int64))
    waiting = _sums(inverse, ready - waits.start_ns, len(groups))
    queued = _sums(inverse, over - ready, len(groups))
    sums: Counter[str] = Counter()
    for (name, stack, kind), waited, late in zip(groups.tolist(), waiting, queued, strict=True):
        frames = _frames(trace, name, stack)
        sums[";".join([*frames, _clean(f"[{trace.wait_kinds[kind]}]")])] += waited
        sums[";".join([*frames, "[ready]"])] += late
    return sums


def _runs(trace: Trace) -> Counter[str]:
    runs, tasks, waits = trace.runs.columns, trace.tasks.columns, trace.waits.columns
    resumed = np.flatnonzero((waits.end_ns != NEVER) & (waits.task_row >= 0))
    row = np.concatenate((waits.task_row[resumed], runs.task_row))
    at = np.concatenate((waits.end_ns[resumed], runs.start_ns))
    is_run = np.concatenate((np.zeros(len(resumed), np.int8), np.ones(len(runs), np.int8)))
    order = np.lexsort((is_run, at, row))
    place = np.maximum.accumulate(np.where(is_run[order] == 0, np.arange(len(order)), -1))
    last = np.where(place < 0, -1, order[place])
    known = (last >= 0) & (row[last] == row[order])
    stack = np.where(known, waits.stack[resumed[np.where(known, last, 0)]] if len(resumed) else 0, 0)
    ours = is_run[order] == 1
    run = order[ours] - len(resumed)
    of_callback = runs.task_row[run] < 0
    name = np.where(of_callback, runs.callback[run], _of_tasks(tasks.coroutine, runs.task_row[run]))
    stacks = np.where(of_callback, -1, stack[ours])
    groups, inverse = _groups(name.astype(np.int64), stacks.astype(np.int64), np.zeros(len(run), np.int64))
    ran = _sums(inverse, (runs.end_ns - runs.start_ns)[run], len(groups))
    sums: Counter[str] = Counter()
    for (name_, stack_, _), ns in zip(groups.tolist(), ran, strict=True):
        if stack_ < 0:
            sums[_clean(f"[callback] {_text(trace, name_) or '?'}")] += ns
        else:
            sums[";".join(_frames(trace, name_, stack_))] += ns
    return sums


def _of_tasks(column: object, rows: object) -> Int64:
    """A column of the tasks, for rows of tasks; -1 for none."""
    values, places = np.asarray(column, np.int64), np.asarray(rows)
    if not len(values):
        return np.full(len(places), -1, np.int64)
    found: Int64 = np.where(places >= 0, values[places], -1)
    return found


def _groups(*columns: Int64) -> tuple[Int64, Int64]:
    """The different rows, and for each row which of them it is."""
    table = np.stack(columns, axis=1)
    order = np.lexsort(columns[::-1])
    ordered = table[order]
    fresh = np.ones(len(table), bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    inverse = np.empty(len(table), np.int64)
    inverse[order] = np.cumsum(fresh) - 1
    return ordered[fresh], inverse


def _sums(groups: Int64, values: Int64, number: int) -> list[int]:
    sums = np.zeros(number, np.int64)
    np.add.at(sums, groups, values)
    result: list[int] = sums.tolist()
    return result


def _text(trace: Trace, number: int) -> str:
    return trace.strings[number] if number >= 0 else ""


def _frames(trace: Trace, coroutine: int, stack: int) -> list[str]:
    """The program's own frames and asyncio's innermost one; the coroutine's name where there is no stack."""
    sites = trace.stacks[stack] if stack >= 0 else ()
    shown = [site for place, site in enumerate(sites) if not is_asyncio(site) or place == len(sites) - 1]
    return [_frame(site) for site in shown] or [_clean(_text(trace, coroutine).rpartition("<locals>.")[2] or "?")]


def _frame(site: Site) -> str:
    return _clean(f"{site.function.rpartition('<locals>.')[2]} ({PurePath(site.file).name or site.file}:{site.line})")


def _clean(frame: str) -> str:
    """A frame without what has a meaning between frames, or would break the line."""
    return "".join(char if char.isprintable() and char != ";" else "?" for char in frame)
