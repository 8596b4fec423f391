"""A recording that begins late, or is damaged in the middle, says what it knows and no more."""

from __future__ import annotations

from asyncio_trace.analysis.rules import incomplete_trace
from asyncio_trace.events import records as r
from asyncio_trace.model import Trace
from asyncio_trace.recording.format import Segment
from model.building import built as built_of

LOOP, WAITER, SLEEPER, RUNNER, QUEUED = 1, 2, 3, 4, 5
WAITING, YIELDED, DONE = r.StepEnd.WAITING, r.StepEnd.YIELDED, r.StepEnd.DONE


def built(*stream: r.Record | Segment) -> Trace:
    """The trace of these records."""
    strings = [(1, "Loop"), (2, "worker"), (3, "Bob"), (4, "Lock"), (5, "MainThread")]
    return built_of({"strings": strings}, stream, {"started_unix_ns": 10})


def step(task: int, start: int, end: int, how: int = WAITING, awaited: int = 0, ready: int = 0) -> r.Step:
    """A step that a timer made ready."""
    return r.Step(task, LOOP, start, end, how, awaited, 0, ready or start, r.WakerKind.TIMER, 0, 0, 0, 0)


def alive(task: int, created: int, state: int, since: int, name: int = 3, awaited: int = 0, made: int = 0) -> r.TaskAlive:
    """A task that is alive where a segment begins."""
    return r.TaskAlive(task, created, LOOP, 0, 2, 0, 0, name, state, since, awaited, 0, made, since if made else 0)


def created(task: int, ns: int) -> r.TaskCreated:
    """A new task."""
    return r.TaskCreated(task, ns, LOOP, 0, 2, 0, 0)


def test_a_task_alive_where_a_part_begins_shows_what_is_known() -> None:
    """Loop, name, the wait it is in with its true start; its times count from the begin of what it did when the part begins."""
    trace = built(
        Segment(7, 1000, 1010),
        r.ThreadSeen(1, 5, 77),
        r.LoopAlive(LOOP, 1000, 1, 1, 3),
        r.ResourceSeen(90, 4),
        alive(WAITER, 100, r.TaskState.WAITING, 600, awaited=90),
        alive(SLEEPER, 150, r.TaskState.WAITING, 900, awaited=91, made=91),
        alive(RUNNER, 200, r.TaskState.RUNNING, 950),
        alive(QUEUED, 300, r.TaskState.QUEUED, 980),
        step(RUNNER, 950, 1100, DONE),
        r.TaskDone(RUNNER, 1100, r.Outcome.RETURNED, 0),
        step(QUEUED, 1100, 1150, DONE, ready=980),
        r.TaskDone(QUEUED, 1150, r.Outcome.RETURNED, 0),
        step(WAITER, 1200, 1300, DONE, ready=1180),
        r.TaskDone(WAITER, 1300, r.Outcome.RETURNED, 0),
        step(SLEEPER, 1350, 1360, DONE, ready=1310),
        r.TaskDone(SLEEPER, 1360, r.Outcome.RETURNED, 0),
        r.Ended(1400),
    )
    assert trace.complete
    assert (trace.program.recorded_from_ns, trace.program.duration_ns, trace.program.started_unix_ns) == (1000, 1400, 10)
    (loop,) = trace.program.loops
    assert (loop.type, loop.created_ns, loop.thread, loop.thread_name) == ("Loop", 3, 77, "MainThread")
    tasks = {task.id: task for task in trace.tasks}
    assert {task.name for task in trace.tasks} == {"Bob"}
    assert {task.coroutine for task in trace.tasks} == {"worker"}
    times = {number: (task.created_ns, task.waiting_ns, task.ready_ns, task.running_ns) for number, task in tasks.items()}
    assert times == {
        WAITER: (100, 580, 20, 100),
        SLEEPER: (150, 410, 40, 10),
        RUNNER: (200, 0, 0, 150),
        QUEUED: (300, 0, 120, 50),
    }
    assert [(wait.task, wait.start_ns, wait.ready_ns, wait.awaited.type) for wait in trace.waits] == [
        (WAITER, 600, 1180, "Lock"),
        (SLEEPER, 900, 1310, "Future"),
    ]
    (slept,) = trace.futures
    assert (slept.id, slept.resolved_ns, slept.outcome) == (91, 1310, "returned")


def test_a_part_is_said_to_be_one() -> None:
    """The finding tells which stretch is missing; a part that is complete in itself is no cut recording."""
    trace = built(Segment(7, 1000, 1010), alive(WAITER, 100, r.TaskState.WAITING, 600), r.Ended(1400))
    (finding,) = incomplete_trace.find(trace)
    assert (finding.start_ns, finding.end_ns, finding.severity) == (0, 1000, "info")
    assert "last part of a trace" in finding.message


def whole() -> list[r.Record]:
    """Two tasks; one of them in the middle of things at 100."""
    return [
        r.LoopStarted(LOOP, 1, 1, 0),
        created(WAITER, 2),
        r.NumberedName(WAITER, 12),
        step(WAITER, 4, 6, awaited=90),
        created(SLEEPER, 7),
        step(SLEEPER, 8, 10),
        step(SLEEPER, 90, 95, YIELDED, ready=80),
    ]


def rest() -> list[r.Record]:
    """How they end."""
    return [
        r.YieldedStep(SLEEPER, LOOP, 110, 120, 0),
        r.Step(SLEEPER, LOOP, 130, 140, DONE, 0, 0, 0, r.WakerKind.TASK, SLEEPER, 0, 0, 0),
        r.TaskDone(SLEEPER, 140, r.Outcome.RETURNED, 0),
        step(WAITER, 150, 160, DONE, ready=145),
        r.TaskDone(WAITER, 160, r.Outcome.RETURNED, 0),
        r.Ended(170),
    ]


def test_in_a_whole_recording_a_snapshot_changes_nothing() -> None:
    """What is told again at the begin of a later segment is known."""
    snapshot: list[r.Record] = [
        r.LoopAlive(LOOP, 100, 1, 0, 1),
        alive(WAITER, 2, r.TaskState.WAITING, 6, name=0, awaited=90),
        alive(SLEEPER, 7, r.TaskState.QUEUED, 95, name=0),
    ]
    plain = built(*whole(), *rest())
    assert built(Segment(0, 0, 10), *whole(), Segment(1, 100, 110), *snapshot, *rest()) == plain
    assert plain.complete
    assert {task.id: task.name for task in plain.tasks} == {WAITER: "Task-12", SLEEPER: ""}


def test_behind_a_gap_a_wait_goes_on_only_if_it_is_the_same() -> None:
    """A task that still waits where it waited loses nothing; of the other nothing is known for the length of the gap."""
    trace = built(
        Segment(0, 0, 10),
        *whole(),
        Segment(3, 105, 115, lost_bytes=50),
        alive(WAITER, 2, r.TaskState.WAITING, 6, name=0, awaited=90),
        alive(SLEEPER, 7, r.TaskState.QUEUED, 102, name=0),
        *rest()[1:],
    )
    assert not trace.complete
    assert (trace.gaps, trace.cut) == (1, False)
    tasks = {task.id: task for task in trace.tasks}
    waiter, sleeper = tasks[WAITER], tasks[SLEEPER]
    assert (waiter.waiting_ns, waiter.ready_ns, waiter.running_ns) == (139, 2 + 5, 12)
    assert (sleeper.waiting_ns, sleeper.running_ns) == (70, 2 + 5 + 10)
    # nothing is known from 95 to 102; ready were 7 to 8, 80 to 90, 102 to 130
    assert sleeper.ready_ns == 1 + 10 + 28
    unended = [(wait.task, wait.start_ns) for wait in trace.waits if wait.end_ns is None]
    assert unended == [(SLEEPER, 95)]
    (finding,) = incomplete_trace.find(trace)
    assert "damaged in one place" in finding.message


def test_behind_a_gap_tasks_go_on_without_a_snapshot() -> None:
    """A step tells that a task lives; the wait that it ends began at an unknown time and is not made up."""
    trace = built(Segment(0, 0, 10), *whole(), Segment(2, 105, 115), *rest())
    assert {(wait.task, wait.start_ns, wait.end_ns) for wait in trace.waits} == {
        (WAITER, 6, None), (SLEEPER, 10, 90), (SLEEPER, 95, None), (SLEEPER, 120, 130),
    }  # fmt: skip
    for task in trace.tasks:
        assert task.ended_ns is not None
        assert task.running_ns + task.ready_ns + task.waiting_ns < task.ended_ns - task.created_ns


def test_a_task_of_which_nothing_is_heard_behind_a_gap_has_times_until_then() -> None:
    """It may have ended: it looks pending, and its times stop where the gap begins."""
    trace = built(Segment(0, 0, 10), *whole(), Segment(1, 5000, 5010, lost_bytes=1), r.Ended(9000))
    tasks = {task.id: task for task in trace.tasks}
    assert [task.outcome for task in trace.tasks] == ["pending", "pending"]
    assert tasks[WAITER].waiting_ns == 95 - 6
    assert tasks[WAITER].running_ns + tasks[WAITER].ready_ns + tasks[WAITER].waiting_ns == 95 - 2


def test_a_task_born_in_a_gap_is_met_behind_it() -> None:
    """Its creation is known all the same."""
    trace = built(
        Segment(0, 0, 10), *whole(), Segment(2, 105, 115), alive(QUEUED, 98, r.TaskState.QUEUED, 104),
        step(QUEUED, 110, 115, DONE, ready=104), r.TaskDone(QUEUED, 115, r.Outcome.RETURNED, 0), r.Ended(120),
    )  # fmt: skip
    born = next(task for task in trace.tasks if task.id == QUEUED)
    assert (born.created_ns, born.ready_ns, born.running_ns, born.waiting_ns) == (98, 6, 5, 0)


def test_a_wake_up_that_was_followed_by_a_step_is_over() -> None:
    """`Woken` counts for a step that never ran, and for no later wait."""
    woken = r.Woken(WAITER, 20, r.WakerKind.TIMER, 0, 0)
    trace = built(created(WAITER, 2), step(WAITER, 4, 6), woken, step(WAITER, 30, 40, ready=20), r.Ended(100))
    assert [(wait.start_ns, wait.ready_ns) for wait in trace.waits] == [(6, 20), (40, None)]
    trace = built(created(WAITER, 2), step(WAITER, 4, 6), woken, r.Ended(100))
    assert [(wait.start_ns, wait.ready_ns) for wait in trace.waits] == [(6, 20)]


def test_what_no_version_says_makes_a_trace_all_the_same() -> None:
    """Outcomes, wakers and ends of steps that no version has are left out."""
    trace = built(
        created(WAITER, 2), created(WAITER, 5), r.Step(WAITER, LOOP, 4, 6, 99, 0, 0, 0, 99, -5, 99, 0, 0),
        r.TaskDone(WAITER, 6, 200, 99), r.FutureCreated(9, 1, LOOP, 0, 0, 0), r.FutureResolved(9, 3, -1, 50, 0, 0),
        r.JobSubmitted(10, 1, LOOP, 0, 9, 0, 0), r.JobRan(10, 1, 2, 0, 77),
    )  # fmt: skip
    assert [task.outcome for task in trace.tasks] == ["pending"]
    assert [job.outcome for job in trace.jobs] == ["pending"]
