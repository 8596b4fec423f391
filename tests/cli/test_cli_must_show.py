"""What the tutorial's programs must show, from the command line to the JSON timeline."""

from __future__ import annotations

from collections import Counter

from cli.conftest import Traced
from cli.timeline import tasks


def test_gather_shows_main_and_its_ten_children(gather: Traced) -> None:
    """Eleven tasks: `main`, which nobody made, and ten workers that it made."""
    (main,) = tasks(gather.timeline, "main")
    workers = tasks(gather.timeline, "worker")
    assert len(gather.timeline["tasks"]) == 11
    assert main["parent"] is None
    assert [worker["parent"] for worker in workers] == [main["id"]] * 10
    assert {task["outcome"] for task in gather.timeline["tasks"]} == {"returned"}


def test_gather_shows_ten_sleeps_that_timers_end_and_one_gather(gather: Traced) -> None:
    """Each worker sleeps once until a timer wakes it; `main` waits once, for the gather, until the last worker ends it."""
    waits = gather.timeline["waits"]
    (main,) = tasks(gather.timeline, "main")
    workers = {task["id"] for task in tasks(gather.timeline, "worker")}
    assert Counter((wait["kind"], wait["waker"]["kind"]) for wait in waits) == {("sleep", "timer"): 10, ("gather", "task"): 1}
    assert {wait["task"] for wait in waits if wait["kind"] == "sleep"} == workers
    (whole,) = (wait for wait in waits if wait["kind"] == "gather")
    assert whole["task"] == main["id"]
    assert whole["waker"]["task"] in workers
    last = max(tasks(gather.timeline, "worker"), key=lambda task: int(task["ended_ns"]))
    assert whole["waker"]["task"] == last["id"]


def test_gather_takes_a_little_over_its_longest_sleep(gather: Traced) -> None:
    """Tracing does not stretch the program: the tasks last as long as the longest of them, five units of 20 ms at most."""
    (main,) = tasks(gather.timeline, "main")
    longest = max(task["ended_ns"] - task["created_ns"] for task in tasks(gather.timeline, "worker"))
    assert 0 <= main["ended_ns"] - main["created_ns"] - longest < 50_000_000


def test_gather_is_drawn_on_stderr(gather: Traced) -> None:
    """The drawing names all tasks and the output; the program's words alone are on stdout."""
    assert gather.ended.status == 0
    assert gather.ended.stdout.count("is done after") == len(gather.ended.stdout.splitlines()) == 10
    assert "11 tasks" in gather.ended.stderr
    assert gather.ended.stderr.count("worker · Task-") >= 10
    assert gather.ended.said[-1] == "wrote t.json"


def test_futures_shows_the_future_that_nobody_awaits(futures: Traced) -> None:
    """The future that `main` made is there, resolved by the task `resolve` at the line of its `set_result`."""
    (main,) = tasks(futures.timeline, "main")
    (resolver,) = tasks(futures.timeline, "resolve")
    (future,) = (row for row in futures.timeline["futures"] if row["created_by"] == main["id"])
    assert all(wait["awaited"]["id"] != future["id"] for wait in futures.timeline["waits"])
    assert future["outcome"] == "returned"
    waker = future["resolved_by"]
    assert (waker["kind"], waker["task"]) == ("task", resolver["id"])
    with open(waker["at"]["file"], encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert waker["at"]["function"] == "resolve"
    assert "future.set_result(" in lines[waker["at"]["line"] - 1]
    assert future["created_at"]["function"] == "main"
    assert "asyncio.Future()" in lines[future["created_at"]["line"] - 1]
