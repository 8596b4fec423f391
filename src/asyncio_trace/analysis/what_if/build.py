"""From the tables of a trace to the graph of what made what happen."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import accumulate

from asyncio_trace.analysis.callback_origins import CallbackOrigins
from asyncio_trace.analysis.critical_path import main_task
from asyncio_trace.analysis.what_if.graph import Action, After, Call, Ending, Graph, Life, Never, Step, Until, Work, Yielded
from asyncio_trace.analysis.what_if.holds import Holds
from asyncio_trace.analysis.what_if.latency import Latencies
from asyncio_trace.model import Job, Run, Task, Trace, Wait, Waker

_BY_CALLBACK = frozenset({"gather", "timeout"})
"""Kinds of wait that a callback of asyncio's ends, so that the task is queued one turn later."""
_QUEUED_NS = 1_000_000
"""A job that waited longer than this found no free thread."""


def graph_of(trace: Trace, *, holds: bool = True) -> Graph | None:
    """The graph of a run; None if the trace has no task.

    Args:
        trace: The run.
        holds: Replay locks and semaphores as such, with what can be told of their holders, and not as who woke whom.
    """
    main = main_task(trace)
    return None if main is None else _Builder(trace, main).graph(holds=holds)


class Spans:
    """When each step of a task was, in the recording."""

    __slots__ = ("_offsets", "_runs", "ends", "starts")

    def __init__(self, task: Task, waits: list[Wait], runs: list[Run]) -> None:
        begin = task.started_ns
        self.starts: list[int] = [] if begin is None else [begin, *(wait.end_ns for wait in waits if wait.end_ns is not None)]
        last = runs[-1].end_ns if runs else begin or 0
        self.ends = [wait.start_ns for wait in waits[: len(self.starts)]]
        if len(self.ends) < len(self.starts):
            self.ends.append(max(last, task.ended_ns or 0, self.starts[-1]))
        self._runs = runs
        self._offsets = [0, *accumulate(run.end_ns - run.start_ns for run in runs)]

    def running_until(self, ns: int) -> int:
        """How long the task had run by an instant."""
        place = bisect_right(self._runs, ns, key=lambda run: run.start_ns) - 1
        if place < 0:
            return 0
        return self._offsets[place] + min(ns, self._runs[place].end_ns) - self._runs[place].start_ns

    def cost(self, step: int) -> int:
        """Running time of a step."""
        return self.running_until(self.ends[step]) - self.running_until(self.starts[step])

    def position(self, ns: int) -> tuple[int, int] | None:
        """The step in which an instant lies, and how long it had run by then; None if there is no such step."""
        step = bisect_right(self.starts, ns) - 1
        if step < 0 or ns > self.ends[step]:
            return None
        return step, self.running_until(ns) - self.running_until(self.starts[step])


class _Builder:
    def __init__(self, trace: Trace, main: int) -> None:
        self._trace = trace
        self._main = main
        self._tasks = {task.id: task for task in trace.tasks}
        waits: defaultdict[int, list[Wait]] = defaultdict(list)
        runs: defaultdict[int, list[Run]] = defaultdict(list)
        self._rows: dict[int, int] = {}
        """By id of a wait, the number of its row."""
        for row, wait in enumerate(trace.waits):
            waits[wait.task].append(wait)
            self._rows[id(wait)] = row
        for run in trace.runs:
            if run.task is not None:
                runs[run.task].append(run)
        for of_task in waits.values():
            of_task.sort(key=lambda wait: wait.start_ns)
        self._waits = waits
        self._spans = {task.id: Spans(task, waits[task.id], runs[task.id]) for task in trace.tasks}
        self._job_of = {job.future: job for job in trace.jobs if job.future is not None}
        self._members: defaultdict[int, list[int]] = defaultdict(list)
        """By row of a wait for several, their ids."""
        for member in trace.members:
            self._members[member.wait].append(member.id)
        self._lives: dict[int, Life] = {}
        self._wakes = 0
        self._calls: dict[int, Call] = {}
        self._loop_calls: defaultdict[int, list[Call]] = defaultdict(list)
        by_io = (wait for of_task in waits.values() for wait in of_task if wait.waker is not None and wait.waker.kind == "io")
        self._latencies = Latencies(trace, ((self._tasks[wait.task].loop, wait) for wait in by_io))
        self._origins = CallbackOrigins(trace)
        self._task_ids = trace.tasks.columns.id

    def graph(self, *, holds: bool) -> Graph:
        for task in self._trace.tasks:
            self._lives[task.id] = self._life(task)
        self._creations()
        graph = Graph(self._main, self._lives, self._jobs(), calls=self._calls, threads=self._threads())
        held = Holds(self._trace, self._waits, self._spans) if holds else None
        for life in self._lives.values():
            for step, wait in zip(life.steps, self._waits[life.id], strict=False):
                if step.ending is None and not (held is not None and held.waited(wait)):
                    step.ending = self._ending(self._tasks[life.id], wait)
        self._overheads()
        for sample in self._trace.witnesses.samples:
            at = self._spans[sample.task].position(sample.ns) if sample.task in self._spans else None
            if at is not None and sample.task is not None:
                self._lives[sample.task].steps[at[0]].seen.append(sample.stack)
        if held is not None:
            held.put_into(graph)
        for life in self._lives.values():
            for step in life.steps:
                step.actions.sort(key=lambda action: action.offset_ns)
        return graph

    def _life(self, task: Task) -> Life:
        spans, waits = self._spans[task.id], self._waits[task.id]
        life = Life(task.id, task.coroutine, task.loop, eager=task.eager)
        for number in range(len(spans.starts)):
            life.steps.append(
                Step(
                    spans.cost(number),
                    before=waits[number - 1] if number else None,
                    after=waits[number] if number < len(waits) else None,
                )
            )
        return life

    def _act(self, task: int | None, ns: int, what: str, number: int) -> bool:
        """Have a task do something at an instant; False if it was not running then."""
        at = self._spans[task].position(ns) if task in self._spans else None
        if at is None or task is None:
            return False
        self._lives[task].steps[at[0]].actions.append(Action(at[1], what, number))
        return True

    def _creations(self) -> None:
        """Tasks come into being where others create them, or at their instant; a run of the loop after the end of the last."""
        last: Task | None = None
        alive = False
        for task in sorted(self._trace.tasks, key=lambda task: task.created_ns):
            if self._act(task.parent, task.created_ns, "create", task.id):
                continue
            life = self._lives[task.id]
            life.begins_ns, life.eager = task.created_ns, False
            if last is not None and last.ended_ns is not None and last.ended_ns <= task.created_ns and not alive:
                life.follows, life.begins_ns = ("end", last.id), task.created_ns - last.ended_ns
            alive = alive or task.ended_ns is None
            if last is None or (task.ended_ns or 0) > (last.ended_ns or 0):
                last = task

    def _jobs(self) -> dict[int, Work]:
        jobs = {}
        for job in self._trace.jobs:
            if job.ended_ns is None or not self._act(job.task, job.submitted_ns, "submit", job.id):
                continue
            started = job.submitted_ns if job.started_ns is None else job.started_ns
            latency = min(started - job.submitted_ns, _QUEUED_NS)
            jobs[job.id] = Work(job.id, job.loop, job.ended_ns - started, latency, job.started_ns is not None)
        return jobs

    def _threads(self) -> int | None:
        """So many jobs ran at once, if there was one that found no free thread; else nobody knows how many there could be."""
        ran = [job for job in self._trace.jobs if job.started_ns is not None]
        if not any((job.started_ns or 0) - job.submitted_ns > _QUEUED_NS for job in ran):
            return None
        changes = [(job.started_ns or 0, 1) for job in ran] + [(job.ended_ns or 0, -1) for job in ran]
        return max(1, max(accumulate(change for _, change in sorted(changes))))

    # -- what waits are for -----------------------------------------------------------------------------------------------

    def _ending(self, task: Task, wait: Wait) -> Ending:
        waker = wait.waker
        if wait.ready_ns is None or waker is None:
            return Never()
        if wait.kind == "yield":
            return Yielded()
        after = After(self._latencies.of(task.loop, wait) if waker.kind == "io" else wait.ready_ns - wait.start_ns)
        by_callback = wait.kind in _BY_CALLBACK or (wait.kind == "task" and wait.awaited.type != "Task")
        hops = 2 if by_callback else 1
        if waker.kind == "thread" or (waker.task == task.id and wait.awaited.id in self._job_of):
            jobs = self._jobs_awaited(task, wait)
            return Until(frozenset(("job", job.id) for job in jobs), 2) if jobs else after
        if waker.kind == "task":
            tokens = self._tasks_awaited(task, wait, waker) if by_callback or wait.kind == "task" else set()
            if not any(token == ("end", waker.task) for token in tokens):
                self._wakes += 1
                if not self._act(waker.task, waker.ns, "fire", self._wakes):
                    return after
                tokens.add(("wake", self._wakes))
            return Until(frozenset(tokens), hops)
        if waker.kind == "callback":
            return self._by_callback(task, waker) or after
        main = self._tasks[self._main]
        if waker.kind == "loop" and task is not main and main.ended_ns is not None and main.ended_ns <= wait.ready_ns:
            return Until(frozenset({("end", self._main)}), 2)
        return after

    def _by_callback(self, task: Task, waker: Waker) -> Ending | None:
        """A wait that a callback ended goes back to the task that queued the callback, if a task did."""
        chain = self._origins.chain(task.loop, waker.ns)
        if not chain or chain[-1].kind != "task" or chain[-1].task_row < 0:
            return None
        self._wakes += 1
        if not self._act(int(self._task_ids[chain[-1].task_row]), chain[-1].ns, "call", self._wakes):
            return None
        self._calls[self._wakes] = Call(len(chain), chain[-1].ns, waker.ns)
        self._loop_calls[task.loop].append(self._calls[self._wakes])
        return Until(frozenset({("wake", self._wakes)}))

    def _jobs_awaited(self, task: Task, wait: Wait) -> list[Job]:
        """The job that a wait is on; of a `gather` of jobs those that had ended when it was over."""
        if wait.awaited.id in self._job_of:
            jobs = [self._job_of[wait.awaited.id]]
        else:
            members = self._members[self._rows[id(wait)]]
            jobs = [self._job_of[member] for member in members if member in self._job_of]
            jobs = [job for job in jobs if (job.ended_ns or 0) <= (wait.ready_ns or 0)]
        return [job for job in jobs if job.ended_ns is not None and job.task in self._spans]

    def _tasks_awaited(self, task: Task, wait: Wait, waker: Waker) -> set[tuple[str, int]]:
        """Ends of tasks that a wait needs: of the one awaited, or of those of several that ended while it waited."""
        ready = wait.ready_ns or 0
        if wait.awaited.type == "Task" and wait.awaited.id is not None:
            awaited = self._tasks.get(wait.awaited.id)
            return (
                {("end", awaited.id)}
                if awaited is not None and awaited.steps and 0 < (awaited.ended_ns or 0) <= ready
                else set()
            )
        last = self._tasks.get(waker.task) if waker.task is not None else None
        members = (self._tasks[member] for member in self._members[self._rows[id(wait)]] if member in self._tasks)
        ended = [member for member in members if wait.start_ns < (member.ended_ns or 0) <= ready]
        if last is not None and last is not task and last.ended_ns is not None and waker.ns >= self._spans[last.id].starts[-1]:
            ended.append(last)
        return {("end", child.id) for child in ended if child.steps}

    # -- what the loop does besides ---------------------------------------------------------------------------------------

    def _overheads(self) -> None:
        """Whatever lies between a step and the step before it, and is neither idle nor waiting, belongs to the step."""
        by_loop: defaultdict[int, list[tuple[int, int, int, Step | Call]]] = defaultdict(list)
        for loop, calls in self._loop_calls.items():
            by_loop[loop] += [(call.fired_ns, call.fired_ns, call.queued_ns, call) for call in calls]
        for life in self._lives.values():
            task, spans = self._tasks[life.id], self._spans[life.id]
            for number, step in enumerate(life.steps[: len(spans.starts)]):
                ready = task.created_ns if not number else step.before.ready_ns if step.before is not None else None
                start = spans.starts[number]
                if number or not life.eager:
                    by_loop[life.loop].append((start, spans.ends[number], start if ready is None else ready, step))
        for queued in by_loop.values():
            free = 0
            for start, end, ready, one in sorted(queued, key=lambda row: row[:3]):
                one.overhead_ns = max(0, start - max(free, ready))
                free = max(free, end)
