"""The sums behind a report."""

from __future__ import annotations

from report_traces import MS, Made, shop

from asyncio_trace.analysis.report import by_kind
from asyncio_trace.analysis.totals import last_instant, longest_steps, totals
from asyncio_trace.model import Run, Site, Trace


def test_tasks_of_a_coroutine_are_summed_up() -> None:
    """Each coroutine has one row with its tasks' times, steps, outcomes and longest step; what ran most comes first."""
    handle, main = totals(shop()).coroutines
    assert (handle.coroutine, handle.tasks, handle.steps, handle.outcomes) == ("main.<locals>.handle", 3, 6, {"returned": 3})
    assert (handle.running_ns, handle.ready_ns, handle.waiting_ns) == (124 * MS, 30 * MS, 60 * MS)
    assert handle.lifetime_ns == handle.running_ns + handle.ready_ns + handle.waiting_ns
    assert handle.longest_step_ns == 120 * MS
    assert (main.coroutine, main.longest_step_ns) == ("main", 5 * MS)


def test_pending_tasks_and_waits_last_until_the_end() -> None:
    """What has not ended is counted up to the trace's last instant."""
    made = Made(100 * MS)
    task = made.task("forever", 10 * MS, None, waiting=90 * MS)
    made.wait(task, "event", (10 * MS, None, None))
    sums = totals(made.trace)
    assert sums.coroutines[0].lifetime_ns == 90 * MS
    assert (sums.waits[0].waiting_ns, sums.waits[0].ready_ns, sums.waits[0].longest_ns) == (90 * MS, 0, 90 * MS)


def test_waits_name_resource_and_program_line() -> None:
    """Waits on one lock are one row with its id, and the longest points at the program's own line, not at asyncio's."""
    task, lock = totals(shop()).waits
    assert (lock.kind, lock.label, lock.id, lock.count) == ("lock", "Lock.acquire", 12, 3)
    assert (lock.waiting_ns, lock.ready_ns, lock.longest_ns) == (60 * MS, 30 * MS, 30 * MS)
    assert lock.longest_at == Site("main", "/srv/shop.py", 41)
    assert (task.kind, task.id) == ("task", None)


def test_kinds_sum_up_the_waits() -> None:
    """Waits on different things of one kind are one row, and no time is lost."""
    made = Made()
    task = made.task("main", 0, 100 * MS)
    for number, which in enumerate((1, 2, 1)):
        start = 10 * number * MS
        made.wait(task, "lock", (start, start + which * MS, start + 5 * MS), id_=which, type_="Lock")
    made.wait(task, "sleep", (50 * MS, 60 * MS, 60 * MS))
    lock, sleep = by_kind(totals(made.trace).waits)
    assert (lock.kind, lock.count, lock.waiting_ns, lock.ready_ns, lock.longest_ns) == ("lock", 3, 4 * MS, 11 * MS, 5 * MS)
    assert (sleep.kind, sleep.count, sleep.waiting_ns) == ("sleep", 1, 10 * MS)


def test_awaited_tasks_go_by_their_coroutine() -> None:
    """A task that is waited on is labelled by its coroutine, after what asyncio calls the wait, since its name means little."""
    made = Made()
    main, child = made.task("main", 0, MS), made.task("fetch", 0, MS)
    for label in ("Task-2", "wait Task-2", "odd"):
        made.wait(main, "task", (0, MS, MS), label, child.id, type_="Task")
    assert {total.label: total.count for total in totals(made.trace).waits} == {"fetch": 2, "wait fetch": 1}


def test_many_resources_of_a_kind_become_one_row() -> None:
    """Two locks are told apart; a hundred, such as one for each request, are summed up."""
    for number, rows in ((2, 2), (100, 1)):
        made = Made()
        task = made.task("main", 0, MS)
        for lock in range(number):
            made.wait(task, "lock", (lock, lock + 5, lock + 5), "Lock.acquire", 500 + lock)
        waits = totals(made.trace).waits
        assert len(waits) == rows
        assert sum(total.count for total in waits) == number


def test_loops_are_split_into_ran_idle_and_rest() -> None:
    """A loop's runs and its time in the selector are summed up; where the trace tells no idle time, None says so."""
    loop = totals(shop()).loops[0]
    assert (loop.lifetime_ns, loop.running_ns, loop.idle_ns, loop.runs) == (1_000 * MS, 135 * MS, 300 * MS, 6)
    assert totals(Made().trace).loops[0].idle_ns is None


def test_callbacks_and_jobs_are_summed_up() -> None:
    """Callbacks go by name with their run time, jobs by function with the times before and in a thread."""
    sums = totals(shop())
    assert [(row.callback, row.count, row.running_ns) for row in sums.callbacks] == [("Timeout._on_timeout", 1, MS)]
    assert [(row.function, row.queued_ns, row.ran_ns, row.threads) for row in sums.jobs] == [("render", 10 * MS, 50 * MS, 1)]


def test_job_that_no_thread_took_was_only_queued() -> None:
    """A job that never started has queued until the end and has run for no time."""
    made = Made(100 * MS)
    made.job("late", 40 * MS, None, None)
    job = totals(made.trace).jobs[0]
    assert (job.queued_ns, job.ran_ns, job.threads, job.outcomes) == (60 * MS, 0, 0, {"pending": 1})


def test_steps_stand_between_their_awaits() -> None:
    """A long step tells the wait before it and the wait after it; a task's first and last step have one of them."""
    made = Made()
    task = made.task("main", 0, 100 * MS)
    made.run(task, 0, 10 * MS)
    made.wait(task, "sleep", (10 * MS, 20 * MS, 20 * MS), line=5)
    made.run(task, 20 * MS, 50 * MS)
    made.wait(task, "lock", (50 * MS, 60 * MS, 60 * MS), line=6)
    made.run(task, 60 * MS, 65 * MS)
    longest, first, last = longest_steps(made.trace)
    assert longest.after is not None
    assert longest.before is not None
    assert (longest.after.kind, longest.after.at) == ("sleep", Site("main", "/srv/shop.py", 5))
    assert (longest.before.kind, longest.before.at) == ("lock", Site("main", "/srv/shop.py", 6))
    assert (first.after, first.before and first.before.kind) == (None, "sleep")
    assert (last.after and last.after.kind, last.before) == ("lock", None)


def test_callback_has_no_awaits_around_it() -> None:
    """A long callback stands among the steps, without awaits."""
    step = longest_steps(Trace(Made().trace.program, runs=[Run(None, "hook", 1, 0, MS)]))[0]
    assert (step.run.callback, step.after, step.before) == ("hook", None, None)


def test_last_instant_covers_every_row() -> None:
    """A cut recording, which has no duration, ends with its last event."""
    made = Made(0)
    made.job("render", 5, 6, 70)
    assert last_instant(made.trace) == 70
