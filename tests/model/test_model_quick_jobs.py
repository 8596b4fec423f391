"""Jobs that are over before their task waits for them."""

from __future__ import annotations

from asyncio_trace.events import records as r
from model.building import built


def test_a_quick_job_is_still_woken_by_its_thread() -> None:
    """A task that waits for a job which a thread had already done was woken by that thread, not by itself."""
    task, job, future = 1, 2, 3
    trace = built(
        {"strings": [[1, "worker_0"], [2, "Future"], [3, "main"]]},
        [
            r.LoopStarted(9, 0, 0, 0),
            r.TaskCreated(task, 0, 9, 0, 3, 0, 0),
            r.ThreadSeen(1, 1, 77),
            r.JobRan(job, 3, 4, 1, r.Outcome.RETURNED),
            r.FutureCreated(future, 5, 9, task, 0, 2),
            r.FutureResolved(future, 6, r.Outcome.RETURNED, r.WakerKind.TASK, task, 0),
            r.JobSubmitted(job, 2, 9, task, future, 0, 0),
            r.Step(task, 9, 1, 10, r.StepEnd.WAITING, future, 0, 0, r.WakerKind.LOOP, 0, 0, 0, 0),
            r.Step(task, 9, 12, 13, r.StepEnd.DONE, 0, 0, 6, r.WakerKind.TASK, task, 0, 0, 0),
            r.TaskDone(task, 13, r.Outcome.RETURNED, 0),
            r.Ended(14),
        ],
    )
    (wait,) = trace.waits
    assert wait.kind == "executor"
    assert wait.waker is not None
    assert (wait.waker.kind, wait.waker.task, wait.waker.label) == ("thread", None, "worker_0")


def test_a_bare_yield_is_not_on_a_job_whose_future_is_unknown() -> None:
    """A job whose future the tracer did not meet has none: what waits on nothing does not wait on that job."""
    trace = built(
        {"strings": [[1, "worker_0"], [2, "main"]]},
        [
            r.TaskCreated(1, 0, 9, 0, 2, 0, 0),
            r.ThreadSeen(1, 1, 77),
            r.Step(1, 9, 1, 10, r.StepEnd.YIELDED, 0, 0, 0, r.WakerKind.LOOP, 0, 0, 0, 0),
            r.JobRan(3, 13, 14, 1, r.Outcome.RETURNED),
            r.JobSubmitted(3, 12, 9, 1, 0, 0, 0),
            r.Step(1, 9, 11, 15, r.StepEnd.DONE, 0, 0, 0, r.WakerKind.TASK, 1, 0, 0, 0),
            r.Ended(16),
        ],
    )
    (wait,) = trace.waits
    assert wait.waker is not None
    assert (wait.kind, wait.waker.kind, wait.waker.task) == ("yield", "task", 1)
