"""A program that is told while it runs has the rows of the finished trace, and what is over is let go."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncio_trace.events import records as r
from asyncio_trace.model import Wait, load
from asyncio_trace.model.live import LiveTasks
from asyncio_trace.model.tables import Job
from asyncio_trace.model.things import REMEMBERED
from asyncio_trace.model.trees import MOST_ROWS, TREE_ROWS, Node
from asyncio_trace.recording.follow import Follower
from asyncio_trace.recording.format import Segment
from asyncio_trace.recording.tables import Tables
from tracer.generated import Program, World, programs
from tracer.tracing import CORES, LOOPS, LoopKind, traced

HOUR = 3_600_000_000_000
S = 1_000_000_000

pytestmark = [
    # a group that has failed takes no more tasks, and before 3.13 leaves their coroutines unawaited
    pytest.mark.filterwarnings("ignore:coroutine 'World.body' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*World.body:pytest.PytestUnraisableExceptionWarning"),
]


def all_nodes(live: LiveTasks) -> list[Node]:
    """All that is over."""
    return [node for tree in live.trees.take() for node in tree]


def told(path: str, long_lived_ns: int, step: int) -> tuple[LiveTasks, list[Node]]:
    """A recording told live to its end, a little at a time."""
    live = LiveTasks(0, HOUR, long_lived_ns)
    nodes = []
    with Follower(path) as follower:
        before = -1
        while follower.at != before:
            before = follower.at
            live.add_all(follower.records(ended=True, limit_bytes=step), lambda: follower.tables)
            nodes += all_nodes(live)
    live.close()
    return live, nodes + all_nodes(live)


def check_same(path: str, long_lived_ns: int, step: int) -> None:
    """What is told live is what the whole trace has, tasks, waits and jobs, each once."""
    trace = load(path)
    live, nodes = told(path, long_lived_ns, step)
    by_id = {node.task.id: node.task for node in nodes}
    assert len(by_id) == len(nodes)
    assert [by_id[task.id] for task in trace.tasks] == list(trace.tasks)
    assert len(by_id) == len(trace.tasks)
    waits = sorted((wait for node in nodes for wait in node.waits), key=_order)
    assert waits == sorted(trace.waits, key=_order)
    jobs = [job for node in nodes for job in node.jobs] + live.things.jobs
    assert sorted(jobs, key=_job) == sorted(trace.jobs, key=_job)
    meters = live.meters
    assert meters.outcomes == Counter(task.outcome for task in trace.tasks)
    assert sum(meter.tasks for meter in meters.loops.values()) == meters.outcomes["pending"]
    assert meters.futures <= len(trace.futures)
    running = sum(run.end_ns - run.start_ns for run in trace.runs)
    assert sum(meter.running_ns for meter in meters.loops.values()) == running
    assert live.now == trace.program.duration_ns
    assert [loop.id for loop in live.loops.values()] == [loop.id for loop in trace.program.loops]


def _order(wait: Wait) -> tuple[int, int]:
    return wait.start_ns, wait.task


def _job(job: Job) -> int:
    return job.id


@pytest.mark.parametrize("kind", [loop for loop in LOOPS if loop.uses_asyncio_loop], ids=lambda kind: kind.name)
@pytest.mark.parametrize("core", CORES)
@settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(program=programs(), long_lived_ns=st.sampled_from([0, 1_000_000, HOUR]), step=st.sampled_from([1, 1 << 18]))
def test_the_rows_are_those_of_the_whole(core: str, kind: LoopKind, program: Program, long_lived_ns: int, step: int) -> None:
    """Whatever a program does, however much is read at once, and however soon trees are taken apart: each row comes once."""
    with traced(core) as recording:
        world = World(unit=0.0002)
        with suppress(asyncio.CancelledError):
            kind.run(lambda: world.main(program))
        world.tasks.clear()
        world.futures.clear()
        gc.collect()
        path = recording.path
        recording.session.end()
        check_same(str(path), long_lived_ns, step)


class Story:
    """Records made by hand, with one string for the name of each coroutine."""

    def __init__(self, long_lived_ns: int = 30 * S) -> None:
        self.tables = Tables()
        self.tables.strings[1] = "work"
        self.live = LiveTasks(0, HOUR, long_lived_ns)
        self.live.add_all([Segment(0, 0, 0)], lambda: self.tables)

    def tell(self, *records: r.Record | Segment) -> list[set[int]]:
        """Tell records; the ids of the tasks in each tree that is over."""
        self.live.add_all(records, lambda: self.tables)
        return [{node.task.id for node in tree} for tree in self.live.trees.take()]


def created(task: int, ns: int, parent: int = 0) -> r.Record:
    """A task begins."""
    return r.TaskCreated(task, ns, 1, parent, 1, 0, 0)


def done(task: int, ns: int) -> r.Record:
    """A task ends."""
    return r.TaskDone(task, ns, r.Outcome.RETURNED, 0)


def test_a_tree_is_over_when_the_last_of_it_ends() -> None:
    """A task and what it set off come together, when the last of them has ended."""
    story = Story()
    assert story.tell(created(1, 0), created(2, 10, 1), created(3, 20, 2), done(2, 30), done(1, 40)) == []
    assert story.tell(created(9, 45), done(9, 46)) == [{9}]
    assert story.tell(done(3, 50)) == [{1, 2, 3}]


def test_a_task_that_lives_long_is_on_its_own() -> None:
    """After a while a main task is no request: what it created and is over is let go, and what it creates are trees."""
    story = Story()
    story.tell(created(1, 0), created(2, S, 1), created(3, 2 * S, 1), done(2, 3 * S))
    assert story.tell(created(4, 29 * S, 1)) == []
    assert story.tell(created(50, 31 * S)) == [{2}]
    assert story.tell(created(5, 32 * S, 1), created(6, 33 * S, 5), done(5, 34 * S), done(6, 35 * S)) == [{5, 6}]
    assert story.tell(done(3, 36 * S)) == [{3}]
    assert story.tell(done(1, 40 * S)) == [{1}]


def test_what_outlives_its_creator_for_long_is_on_its_own() -> None:
    """A request whose background task goes on is let go after a while, without the background task and what that created."""
    story = Story()
    story.tell(created(1, 0), created(2, S, 1), created(3, 2 * S, 2), created(4, 2 * S, 1), done(1, 3 * S), done(4, 4 * S))
    assert story.tell(created(50, 31 * S)) == [{1, 4}]
    assert story.tell(done(3, 32 * S)) == [{3}]
    assert story.tell(done(2, 70 * S)) == [{2}]


def test_a_tree_is_bounded() -> None:
    """Of a tree with very many tasks those that are over beyond the bound are counted on their creator, and not held."""
    story = Story()
    story.tell(created(1, 0))
    for number in range(2, TREE_ROWS + 502):
        story.tell(created(number, number, 1), done(number, number + 5))
    story.live.add_all([done(1, HOUR // 1000)], lambda: story.tables)
    (tree,) = story.live.trees.take()
    (root,) = [node for node in tree if node.task.id == 1]
    assert len(tree) == 1 + TREE_ROWS
    assert root.left_out.tasks == {"work": 500}
    assert root.left_out.tasks_ns == 5 * 500


def test_waits_of_one_task_are_bounded() -> None:
    """Of a worker's waits without end the longest are held, and the others counted with their time."""
    story = Story()
    story.tell(created(1, 0))
    at = 0
    for number in range(1, 2 * MOST_ROWS + 1):
        story.tell(r.Step(1, 1, at, at + 1, r.StepEnd.WAITING, 0, 0, at, r.WakerKind.TIMER, 0, 0, 0, 0))
        at += 1 + number
    story.live.close()
    ((node,),) = story.live.trees.take()
    # The last one is still open: it ends with the trace.
    assert [wait.end_ns - wait.start_ns for wait in node.waits if wait.end_ns] == list(range(MOST_ROWS, 2 * MOST_ROWS))
    assert (node.left_out.counts["wait"], node.left_out.ns["wait"]) == (MOST_ROWS, sum(range(MOST_ROWS)))


def test_nothing_gathers_over_many_requests() -> None:
    """After requests without end, each with a future, a lock and a job of its own, what is remembered is bounded."""
    story = Story()
    number = 0
    for _ in range(REMEMBERED + 1000):
        task, future, lock, job, other = range(number + 1, number + 6)
        at = 10 * number
        story.tell(
            created(task, at),
            r.FutureCreated(future, at + 1, 1, task, 0, 1),
            r.ResourceSeen(lock, 1),
            r.JobSubmitted(job, at + 2, 1, task, future, 1, 0),
            r.FutureCreated(other, at + 3, 1, task, 0, 1),
            done(task, at + 9),
        )
        number += 5
    live = story.live
    held = {**vars(live), **vars(live.things)}
    sizes = {name: len(value) for name, value in held.items() if isinstance(value, dict) and "takers" not in name}
    assert max(sizes.values()) <= REMEMBERED
    assert len(live.trees._due) < REMEMBERED + 1001
    assert sizes["_nodes"] == sizes["_open"] == 0


def test_a_task_told_again_is_known() -> None:
    """What a new segment tells of tasks that are known changes nothing; one that is news is taken in."""
    story = Story()
    story.tell(created(1, 5))
    alive = r.TaskAlive(1, 5, 1, 0, 1, 0, 0, 0, r.TaskState.WAITING, 6, 0, 0, 0, 0)
    story.tell(alive, replace_task(alive, 2))
    assert story.live.meters.loop(1).tasks == 2
    assert story.tell(done(1, 9), done(2, 10)) == [{1}, {2}]


def replace_task(record: r.TaskAlive, task: int) -> r.Record:
    """The same of another task."""
    return record._replace(task=task)


def test_tasks_whose_end_was_dropped_are_let_go() -> None:
    """After dropped events a task that a segment does not tell of has ended: it is let go when the next begins; no other."""
    story = Story()

    def segment(number: int, ns: int, *alive: int) -> list[set[int]]:
        tasks = [r.TaskAlive(task, 5, 1, 0, 1, 0, 0, 0, r.TaskState.WAITING, 6, 0, 0, 0, 0) for task in alive]
        told: list[r.Record] = [r.LoopAlive(1, ns, 1, 1, 0), *tasks] if alive else []
        return story.tell(Segment(number, ns, ns), *told)

    story.tell(created(1, 5), created(2, 5), created(3, 6, 1))
    assert segment(1, 100, 1, 2, 3) == segment(2, 200, 1) == []  # nothing was dropped: what is not told is not asked for
    assert story.tell(r.Dropped(7)) == []
    assert segment(3, 300) == segment(4, 400, 1) == []  # the third told nothing
    story.tell(created(4, 450))
    assert segment(5, 500, 1, 4) == [{2}]
    assert story.live.meters.loop(1).tasks == 2
    assert story.live.meters.outcomes == {"pending": 2}
    assert story.tell(done(1, 600), done(4, 601)) == [{1, 3}, {4}]
    assert segment(6, 700) == []


def test_lag_is_measured() -> None:
    """The meter counts each run by how long it was ready, and sums up running and idle time."""
    story = Story()
    story.tell(created(1, 0))
    for ready, start, end in ((10, 20, 1_000_000), (1_000_000, 2_200_000, 2_300_000)):
        story.tell(r.Step(1, 1, start, end, r.StepEnd.WAITING, 0, 0, ready, r.WakerKind.TIMER, 0, 0, 0, 0))
    story.tell(r.Idle(1, 2_300_000, 2_400_000), r.CallbackRun(1, 1, 2_400_000, 2_400_005, 0, 0, 0))
    meter = story.live.meters.loop(1)
    assert [number for number in meter.lags if number] == [1, 1]
    assert (meter.runs, meter.lag_ns, meter.least_lag_ns, meter.most_lag_ns) == (2, 10 + 1_200_000, 10, 1_200_000)
    assert (meter.running_ns, meter.idle_ns) == (1_000_000 - 20 + 100_000 + 5, 100_000)


def test_a_blocking_step_says_where_it_stood() -> None:
    """The stack that was taken first while a run blocked belongs to that run, of a task or a callback, and no other."""
    story = Story()
    story.live.meters.block_threshold_ns = 100
    story.tables.sites[1] = ("crunch", "crunch.py", 7, "crunch")
    story.tables.stacks[1] = (1,)

    def step(start: int, end: int) -> r.Record:
        return r.Step(1, 1, start, end, r.StepEnd.WAITING, 0, 0, start, r.WakerKind.TIMER, 0, 0, 0, 0)

    story.tell(
        created(1, 0),
        r.Blocked(1, 150, 1, 10, 1, 0),
        r.Blocked(1, 250, 1, 10, 0, 0),
        step(10, 300),
        step(400, 600),
        r.Blocked(1, 850, 0, 790, 1, 5),
        r.CallbackRun(1, 1, 700, 900, 0, 0, 0),
    )
    story.live.close()
    ((node,),) = story.live.trees.take()
    first, second = (node.around[1, start].sample for start in (10, 400))
    assert first is not None
    assert (first.ns, [site.function for site in first.stack]) == (150, ["crunch"])
    assert second is None
    called = story.live.around[1, 700].sample
    assert called is not None
    assert (called.ns, called.late_ns) == (850, 5)


def test_a_quick_job_is_still_woken_by_its_thread() -> None:
    """A job that is over before its task waits for it, its future resolved on that task's stack: the thread ended the wait."""
    story = Story()
    story.tables.strings.update({2: "worker_0", 3: "Future"})
    task, job, future = 1, 2, 3
    story.tell(
        created(task, 0),
        r.ThreadSeen(1, 2, 77),
        r.JobRan(job, 3, 4, 1, r.Outcome.RETURNED),
        r.FutureCreated(future, 5, 1, task, 0, 3),
        r.FutureResolved(future, 6, r.Outcome.RETURNED, r.WakerKind.TASK, task, 0),
        r.JobSubmitted(job, 2, 1, task, future, 0, 0),
        r.Step(task, 1, 1, 10, r.StepEnd.WAITING, future, 0, 0, r.WakerKind.LOOP, 0, 0, 0, 0),
        r.Step(task, 1, 12, 13, r.StepEnd.DONE, 0, 0, 6, r.WakerKind.TASK, task, 0, 0, 0),
    )
    story.live.add_all([done(task, 13)], lambda: story.tables)
    ((node,),) = story.live.trees.take()
    (wait,) = node.waits
    assert (wait.kind, wait.awaited.type) == ("executor", "Future")
    assert wait.waker is not None
    assert (wait.waker.kind, wait.waker.task, wait.waker.label) == ("thread", None, "worker_0")
