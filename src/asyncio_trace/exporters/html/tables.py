"""The columns of each table of a page. Of times, what is stored is how far they are from where they were to be expected."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import numpy as np

from asyncio_trace.exporters.html.columns import Numbers, Packed, pack, steps, zigzag
from asyncio_trace.exporters.html.interned import Combinations, Names
from asyncio_trace.model import NEVER, WAKER_KINDS, Loop, Trace
from asyncio_trace.model.columns import Ids, TaskRows, Times, WakerColumns

_NUMBERED = re.compile(r"Task-([1-9]\d{0,8})\Z")
_ALIKE = ("sleep", "yield")
"""Kinds of which each wait has a thing of its own, so that its id tells nothing."""


class Tables:
    """Makes the columns of one trace; the names are whole when all of them are made."""

    def __init__(self, trace: Trace, most_rows: int) -> None:
        self._trace = trace
        self.names = Names(trace)
        self.loops: list[Loop] = _loops(trace)
        self._whats = Combinations()
        self._causes = Combinations()
        self._threads = Combinations()
        runs, waits = trace.runs.columns, trace.waits.columns
        order = np.lexsort((runs.start_ns, runs.task_row))
        self._run_order = order[runs.task_row[order] >= 0]
        order = np.lexsort((waits.start_ns, waits.task_row))
        self._wait_order = order[waits.task_row[order] >= 0]
        self._callback_order = np.flatnonzero(runs.task_row < 0)
        self.end = self.whole_end
        """The last instant that the page tells of, in ns."""
        self.left_out = 0
        """Runs and waits that are not in the page."""
        self._cut(most_rows)

    def _cut(self, most_rows: int) -> None:
        """Leave out the last runs and waits, if there are too many."""
        runs, waits = self._trace.runs.columns, self._trace.waits.columns
        rows = len(runs) + len(waits)
        if rows <= most_rows:
            return
        starts = np.concatenate([runs.start_ns, waits.start_ns])
        self.end = max(1, int(np.partition(starts, most_rows)[most_rows]))
        self._run_order = self._run_order[runs.start_ns[self._run_order] < self.end]
        self._wait_order = self._wait_order[waits.start_ns[self._wait_order] < self.end]
        self._callback_order = self._callback_order[runs.start_ns[self._callback_order] < self.end]
        self.left_out = rows - len(self._run_order) - len(self._wait_order) - len(self._callback_order)

    @cached_property
    def whole_end(self) -> int:
        """The last instant that the trace tells of, in ns."""
        trace = self._trace
        tasks, runs, waits, jobs = trace.tasks.columns, trace.runs.columns, trace.waits.columns, trace.jobs.columns
        times = (tasks.created_ns, tasks.ended_ns, runs.end_ns, waits.start_ns, waits.ready_ns, waits.end_ns)
        more = (jobs.submitted_ns, jobs.started_ns, jobs.ended_ns)
        return max(trace.program.duration_ns, *(int(column.max(initial=0)) for column in (*times, *more)))

    def tasks(self) -> list[Packed]:
        """Tasks, in the order of their creation."""
        tasks = self._trace.tasks.columns
        texts, sites = self.names.texts, self.names.sites
        numbers, named = self._task_numbers()
        by = tasks.cancelled_by
        cause, canceller = self._cause(by)
        own = np.arange(len(tasks), dtype=np.int64)
        run_rows = self._trace.runs.columns.task_row[self._run_order]
        wait_rows = self._trace.waits.columns.task_row[self._wait_order]
        return [
            pack("task.id", steps(tasks.id)),
            pack("task.number", steps(numbers)),
            pack("task.name", texts.take(np.where(named, tasks.name, -1))),
            pack("task.coroutine", texts.take(tasks.coroutine) - 1),
            pack("task.parent", np.where(tasks.parent_row < 0, 0, zigzag(own - tasks.parent_row))),
            pack("task.loop", self._loop_numbers(tasks.loop)),
            pack("task.created", steps(tasks.created_ns)),
            pack("task.started", _after(tasks.created_ns, tasks.started_ns)),
            pack("task.ended", _after(tasks.created_ns, tasks.ended_ns)),
            pack("task.outcome", tasks.outcome.astype(np.int64)),
            pack("task.exception", texts.take(tasks.exception)),
            pack("task.site", sites.take(tasks.created_at)),
            pack("task.eager", tasks.eager.astype(np.int64)),
            pack("task.cancel_cause", cause),
            pack("task.cancel_task", canceller),
            pack("task.cancel_ns", np.where(cause > 0, np.maximum(by.ns, 0), 0)),
            pack("task.runs", np.bincount(run_rows, minlength=len(tasks))),
            pack("task.waits", np.bincount(wait_rows, minlength=len(tasks))),
        ]

    def _task_numbers(self) -> tuple[Numbers, Any]:
        """Of tasks that asyncio named the number in `Task-N`, else 0; and which tasks have another name."""
        names = self._trace.tasks.columns.name
        used, inverse = np.unique(names, return_inverse=True)
        found = [_NUMBERED.match(self._trace.strings[number]) if number >= 0 else None for number in used.tolist()]
        numbers = np.array([int(match[1]) if match else 0 for match in found], np.int64)[inverse.reshape(-1)]
        return numbers, numbers == 0

    def runs(self) -> list[Packed]:
        """Steps of tasks, by task. `gap` is since the task's last run, or since its creation."""
        rows, starts, ends = self._run_times
        created = self._trace.tasks.columns.created_ns
        before = np.empty(len(rows), np.int64)
        if len(rows):
            before[0] = created[rows[0]]
            before[1:] = np.where(rows[1:] == rows[:-1], ends[:-1], created[rows[1:]])
        return [
            pack("run.gap", zigzag(starts - before)),
            pack("run.length", ends - starts),
            pack("run.loop", self._loop_numbers(self._trace.runs.columns.loop[self._run_order])),
        ]

    @cached_property
    def _run_times(self) -> tuple[TaskRows, Times, Times]:
        runs, order = self._trace.runs.columns, self._run_order
        return runs.task_row[order], runs.start_ns[order], runs.end_ns[order]

    def waits(self) -> list[Packed]:
        """Waits, by task. `run` is which run came before, told from the last wait's."""
        waits, order = self._trace.waits.columns, self._wait_order
        rows, starts = waits.task_row[order], waits.start_ns[order]
        readies, ends = waits.ready_ns[order], waits.end_ns[order]
        run_rows, run_starts, run_ends = self._run_times
        before = _last_before(run_rows, run_ends, rows, starts)
        ended = run_ends[before] if len(run_ends) else np.zeros(len(rows), np.int64)
        begins = run_starts[np.minimum(before + 1, len(run_starts) - 1)] if len(run_starts) else starts
        has_ready, has_end = readies != NEVER, ends != NEVER
        cause, waker = self._cause(waits.waker)
        cause, waker = cause[order], waker[order]
        kinds = [self._trace.wait_kinds.number(kind) for kind in _ALIKE]
        ids = np.where(np.isin(waits.kind[order], kinds), 0, waits.awaited_id[order])
        delays = np.where(has_end, ends - readies, readies - starts)
        return [
            pack("wait.run", zigzag(np.diff(before, prepend=np.int64(-1)) - 1)),
            pack("wait.start", zigzag(starts - ended)),
            pack("wait.known", has_ready.astype(np.int64) + 2 * has_end.astype(np.int64)),
            pack("wait.end", np.where(has_end, zigzag(ends - begins), 0)),
            pack("wait.ready", np.where(has_ready, delays, 0)),
            pack("wait.what", self._what()[order]),
            pack("wait.awaited", steps(ids)),
            pack("wait.stack", self.names.stacks.take(waits.stack[order]) - 1),
            pack("wait.cause", cause),
            pack("wait.waker", np.where(waker > 0, 1 + zigzag(waker - 1 - rows), 0)),
            pack("wait.cause_ns", np.where((cause > 0) & has_ready, zigzag(readies - waits.waker.ns[order]), 0)),
        ]

    def _what(self) -> Numbers:
        """What each wait is on: kind, type and label, of which the name of an awaited task is taken off."""
        waits = self._trace.waits.columns
        names = self._trace.tasks.columns.name
        labels = waits.awaited_label.astype(np.int64)
        on_task = np.flatnonzero(waits.awaited_task_row >= 0)
        if len(on_task):
            strings, texts = self._trace.strings, self.names.texts
            of_task = names[waits.awaited_task_row[on_task]]
            pairs = labels[on_task] * (len(strings) + 1) + of_task + 1
            _, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
            short = []
            for at in first.tolist():
                label, name = strings[int(labels[on_task[at]])], strings[int(of_task[at])] if of_task[at] >= 0 else ""
                number = self._trace.tasks.columns.id[waits.awaited_task_row[on_task[at]]]
                short.append(texts.number(label.removesuffix(name or f"task {number}").rstrip()) + 1)
            text = np.empty(len(labels), np.int64)
            text[on_task] = np.array(short, np.int64)[inverse.reshape(-1)]
            other = waits.awaited_task_row < 0
            text[other] = texts.take(waits.awaited_label[other])
        else:
            text = self.names.texts.take(waits.awaited_label)
        return self._whats.take(waits.kind, self.names.texts.take(waits.awaited_type), text)

    def _cause(self, waker: WakerColumns) -> tuple[Numbers, Numbers]:
        """The number of each waker's kind, place and label from 1, and the waking task's row from 1; 0 for none."""
        there = waker.kind > 0
        cause = np.zeros(len(waker), np.int64)
        cause[there] = 1 + self._causes.take(
            waker.kind[there], self.names.sites.take(waker.at[there]), self.names.texts.take(waker.label[there])
        )
        return cause, np.where(there, waker.task_row.astype(np.int64) + 1, 0)

    def callbacks(self) -> list[Packed]:
        """Runs that are no task's step."""
        runs = self._trace.runs.columns
        order = self._callback_order
        return [
            pack("callback.loop", self._loop_numbers(runs.loop[order])),
            pack("callback.name", self.names.texts.take(runs.callback[order])),
            pack("callback.start", steps(runs.start_ns[order])),
            pack("callback.length", runs.end_ns[order] - runs.start_ns[order]),
        ]

    def idle(self) -> list[Packed]:
        """Stretches in the selector."""
        idle = self._trace.idle.columns
        before = np.concatenate([np.zeros(1, np.int64), idle.end_ns])[: len(idle)]
        return [
            pack("idle.loop", self._loop_numbers(idle.loop)),
            pack("idle.gap", zigzag(idle.start_ns - before)),
            pack("idle.length", idle.end_ns - idle.start_ns),
        ]

    def jobs(self) -> list[Packed]:
        """Executor jobs."""
        jobs, texts = self._trace.jobs.columns, self.names.texts
        on_thread = (jobs.thread != 0) | (jobs.thread_name >= 0)
        threads = np.zeros(len(jobs), np.int64)
        threads[on_thread] = 1 + self._threads.take(jobs.thread[on_thread], texts.take(jobs.thread_name[on_thread]))
        return [
            pack("job.loop", self._loop_numbers(jobs.loop)),
            pack("job.task", jobs.task_row.astype(np.int64) + 1),
            pack("job.function", texts.take(jobs.function)),
            pack("job.site", self.names.sites.take(jobs.at)),
            pack("job.submitted", steps(jobs.submitted_ns)),
            pack("job.started", _after(jobs.submitted_ns, jobs.started_ns)),
            pack("job.ended", _after(jobs.submitted_ns, jobs.ended_ns)),
            pack("job.thread", threads),
            pack("job.outcome", jobs.outcome.astype(np.int64)),
        ]

    def holds(self) -> list[Packed]:
        """Who held which lock or unit of a semaphore, by resource and start."""
        holds = self._trace.holds.columns
        order = np.lexsort((holds.from_ns, holds.resource))
        since = holds.from_ns[order]
        return [
            pack("hold.resource", steps(holds.resource[order])),
            pack("hold.task", holds.task_row[order].astype(np.int64) + 1),
            pack("hold.from", steps(since)),
            pack("hold.to", _after(since, holds.to_ns[order])),
            pack("hold.site", self.names.sites.take(holds.at[order])),
        ]

    def thread_names(self) -> list[tuple[int, str]]:
        """The system's id and the name of each thread that ran a job."""
        texts = self.names.texts.values
        return [(number, texts[name - 1] if name else "") for number, name in self._threads.all()]

    def what_names(self) -> list[tuple[str, str, str]]:
        """Kind, type and label of what is waited on."""
        texts = self.names.texts.values
        return [
            (self._trace.wait_kinds[kind], texts[type_name - 1] if type_name else "", texts[label - 1] if label else "")
            for kind, type_name, label in self._whats.all()
        ]

    def cause_names(self) -> list[tuple[str, int, str | None]]:
        """Kind, place (from 1, 0 for none) and label of wakers."""
        texts = self.names.texts.values
        return [(WAKER_KINDS[kind], site, texts[label - 1] if label else None) for kind, site, label in self._causes.all()]

    def row_of(self, task: int | None) -> int | None:
        """The row of a task by its id."""
        if task is None:
            return None
        found = np.flatnonzero(self._trace.tasks.columns.id == task)
        return int(found[0]) if len(found) else None

    def _loop_numbers(self, ids: Ids) -> Numbers:
        """Places of loops in `loops`, from 1."""
        known = np.array([loop.id for loop in self.loops], np.int64)
        by_id = np.argsort(known)
        places: Numbers = by_id[np.searchsorted(known, ids, sorter=by_id)].astype(np.int64) + 1
        return places


def _loops(trace: Trace) -> list[Loop]:
    """The loops that the recording tells of, and those of which only a run or a task is known."""
    known = {loop.id for loop in trace.program.loops}
    ids = [table.loop for table in (trace.tasks.columns, trace.runs.columns, trace.idle.columns, trace.jobs.columns)]
    strangers = sorted(set(np.unique(np.concatenate(ids)).tolist()) - known)
    return [*trace.program.loops, *(Loop(number, "", 0, "", trace.program.recorded_from_ns) for number in strangers)]


def _after(since: Times, instants: Times) -> Numbers:
    """1 + how long after `since`; 0 where the instant is not known."""
    return np.where(instants == NEVER, 0, 1 + np.maximum(instants - since, 0))


def _last_before(run_rows: TaskRows, run_ends: Times, rows: TaskRows, starts: Times) -> Numbers:
    """For each wait the last run that ended by its start, among the runs of its task if there is one; 0 where there is none."""
    is_wait = np.concatenate([np.zeros(len(run_rows), np.int64), np.ones(len(rows), np.int64)])
    order = np.lexsort((is_wait, np.concatenate([run_ends, starts]), np.concatenate([run_rows, rows])))
    of_wait = order >= len(run_rows)
    seen = np.cumsum(~of_wait) - 1
    last: Numbers = np.maximum(seen[of_wait], 0).astype(np.int64)
    return last
