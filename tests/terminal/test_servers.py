"""Drawings of what servers do: many short tasks of few kinds, waits on each other's tasks, deep class names."""

from __future__ import annotations

import re

import scenes
from canvas import drawn

from asyncio_trace.model import Task, Trace, Waker

MS, US = scenes.MS, scenes.US
ACCEPT = "BaseSelectorEventLoop._accept_connection2"
HEIGHT = 40


def server(connections: int = 24, raised: bool = False) -> Trace:
    """A server: `main`, asyncio's own tasks that accept, a handler for each connection, a request for each handler."""
    scene = scenes.Scene("-m", "shop.web", duration_ns=1_000 * MS)
    main = scene.task("_run_app", 0)
    scene.run(main, 0, 1 * MS)
    reader = scene.task("reading.<locals>.Reader.read", 1 * MS, main, "background")
    scene.run(reader, 1 * MS, 2 * MS)
    scene.wait(reader, "sleep", 2 * MS, None, None, None)
    for place in range(connections):
        at = (10 + 20 * place) * MS
        accept = scene.task(ACCEPT, at)
        scene.run(accept, at, at + 10 * US)
        scene.wait(accept, "future", at + 10 * US, at + 10 * US, at + 900 * US, Waker("callback", None, at, None, "made"))
        scene.run(accept, at + 900 * US, at + 910 * US)
        scene.end(accept, at + 910 * US)
        handler = scene.task("RequestHandler.start", at + 1 * MS, accept)
        scene.run(handler, at + 1 * MS, at + 1 * MS + 50 * US)
        request = scene.task("RequestHandler._handle_request", at + 1 * MS, handler)
        _request(scene, request, at + 2 * MS, raised and place == 5)
        over = request.ended_ns or 0
        waker = Waker("task", request.id, over, None)
        scene.wait(handler, "task", at + 1 * MS + 50 * US, over, over, waker, "Task", request.id, request.name)
        scene.run(handler, over, over + 10 * US)
        scene.wait(handler, "future", over + 10 * US, 900 * MS, 900 * MS, scenes.IO)
        scene.end(handler, 900 * MS, "cancelled")
    scene.wait(main, "sleep", 1 * MS, None, None, None)
    return scene.done()


def _request(scene: scenes.Scene, request: Task, start: int, raises: bool) -> None:
    scene.run(request, start, start + 100 * US)
    scene.wait(request, "event", start + 100 * US, start + 5 * MS, start + 5 * MS, scenes.TIMER, "Event", 70)
    scene.run(request, start + 5 * MS, start + 6 * MS)
    scene.end(request, start + 6 * MS, "raised" if raises else "returned", "ValueError" if raises else None)


def rows(drawing: str) -> list[str]:
    """The lines from the heading to the first blank."""
    lines = drawing.splitlines()
    heading = next(place for place, line in enumerate(lines) if line.startswith("task "))
    return lines[heading + 1 : lines.index("", heading)]


def test_alike_are_all_folded_on_a_screen() -> None:
    """Three kinds of 24 tasks each are three rows; what is alone keeps its own; all of it fits the screen."""
    drawing = re.sub(r"\x1b\[[\d;]*m", "", drawn(server(), 80, colors="standard", height=HEIGHT))
    assert len(drawing.splitlines()) < HEIGHT
    assert drawing.count("×24") == 3
    assert "Task-" not in "".join(rows(drawing))
    assert "72 tasks folded into 3 rows" in drawing


def test_kept_out_of_a_fold_stands_below_it_with_its_reason() -> None:
    """The one request that raised has a row below its fold, and no other request has one."""
    lines = rows(drawn(server(raised=True), 200, max_rows=20))
    place = next(place for place, line in enumerate(lines) if "_handle_request ×23" in line)
    assert re.search("✗ +ValueError", lines[place + 2])
    assert sum("_handle_request" in line and "×" not in line and "ValueError" not in line for line in lines) == 0


def test_a_task_that_outlasts_the_others_is_marked() -> None:
    """A request that took much longer than its like has a row whose mark the legend explains."""
    scene = scenes.Scene("x.py", duration_ns=1_000 * MS)
    main = scene.task("main", 0)
    for number in range(60):
        task = scene.task("request", number * MS, main)
        scene.run(task, number * MS, number * MS + 1)
        scene.wait(task, "sleep", number * MS + 1, (500 if number == 30 else 10 + number) * MS, None)
        scene.end(task, (500 if number == 30 else 10 + number) * MS)
    drawing = drawn(scene.done(), 80, max_rows=20)
    assert [line for line in rows(drawing) if "↑" in line] == [line for line in rows(drawing) if "Task-32" in line] != []
    assert "↑ much longer than the others" in drawing


def test_many_of_one_raise_and_few_have_rows() -> None:
    """However many tasks of a kind raised, three of them have rows."""
    scene = scenes.Scene("x.py", duration_ns=1_000 * MS)
    for number in range(100):
        task = scene.task("work", number * MS)
        scene.run(task, number * MS, (number + 1) * MS)
        scene.end(task, (number + 1) * MS, "raised", "KeyError" if number == 70 else "ValueError")
    lines = rows(drawn(scene.done(), 200, max_rows=30))
    assert sum(line.startswith("work · ") for line in lines) == 3
    assert any("KeyError" in line for line in lines)


def test_narrow_names_lose_their_class_and_keep_their_method() -> None:
    """At 80 columns the method can be read; the class comes back where there is room."""
    narrow, wide = ("\n".join(rows(drawn(server(), width, max_rows=20))) for width in (80, 200))
    assert "─ _handle_request ×24" in narrow
    assert "─ RequestHandler._handle_request ×24" in wide
    assert "_accept_connection2 ×24" in narrow


def test_a_name_that_was_set_goes_before_the_coroutine() -> None:
    """Where only one of them fits, a task shows the name that the program gave it; `Task-7` is kept beside a cut method."""
    scene = scenes.Scene("x.py", duration_ns=100 * MS)
    for name in ("keeps-the-index-fresh", None, None):
        task = scene.task("Indexer.refresh_from_database", 0, name=name)
        scene.run(task, 0, 1 * MS)
        scene.end(task, 1 * MS)
    named, default, _ = rows(drawn(scene.done(), 80))
    assert named.startswith("keeps-the-index-fresh ")
    assert default.startswith("refresh_from_dat… · Task-2")


def test_waits_on_tasks_name_the_coroutine() -> None:
    """A wait on another task says what that task does; its number is there only if it is one of many and alone."""
    scene = scenes.Scene("x.py", duration_ns=100 * MS)
    main = scene.task("main", 0)
    scene.run(main, 0, 1 * MS)
    workers = [scene.task("worker", 1 * MS, main) for _ in range(2)]
    for place, waiting in enumerate((workers[:1], workers)):
        waiter = scene.task(f"waiter{place}", 1 * MS, main)
        scene.run(waiter, 1 * MS, 2 * MS)
        at = 2
        for task in waiting:
            scene.wait(waiter, "task", at * MS, (at + 9) * MS, (at + 9) * MS, None, "Task", task.id, task.name)
            at += 10
    one, several = rows(drawn(scene.done(), 200))[-2:]
    assert "% task worker · Task-2" in one
    assert re.search(r"% task worker( |$)", several)
    assert "worker ·" not in several


def test_woken_by_has_room_at_80_columns() -> None:
    """With long names of tasks and waits, 80 columns still say who woke a task."""
    drawing = drawn(server(), 80, max_rows=20)
    assert next(line for line in drawing.splitlines() if line.startswith("task ")).endswith(" woken by")
    assert re.search(r"_accept_connection2 ×24.* callback$", drawing, re.MULTILINE)


def test_percentage_is_of_waiting_only() -> None:
    """A row that was queued nearly all the time says so; one that never waited shows its wait without a share."""
    scene = scenes.Scene("x.py", duration_ns=100 * MS)
    queued, running, waiting = (scene.task(name, 0) for name in ("queued", "running", "waiting"))
    for task, start, ready, end in ((queued, 1, 1, 99), (running, 60, 60, 70), (waiting, 1, 51, 61)):
        scene.run(task, 0, start * MS)
        scene.wait(task, "future", start * MS, ready * MS, end * MS, scenes.IO)
        scene.run(task, end * MS, 100 * MS)
        scene.end(task, 100 * MS)
    lines = rows(drawn(scene.done(), 80))
    assert [re.findall(r"(\d+% )?\b(ready|future)", line) for line in lines] == [
        [("98% ", "ready")], [("", "future")], [("50% ", "future")]
    ]  # fmt: skip


def test_objects_go_by_their_ids_where_there_are_several() -> None:
    """The only event has no number; two queues go by their ids, as in findings, for `get` and `put` alike."""
    scene = scenes.Scene("x.py", duration_ns=100 * MS)
    for kind, resource in (("event", 41), ("queue.get", 77), ("queue.put", 90)):
        task = scene.task(f"on_{kind}", 0)
        scene.run(task, 0, 1 * MS)
        scene.wait(task, kind, 1 * MS, None, None, None, "Thing", resource)
    drawing = drawn(scene.done(), 80)
    assert re.search(r"99% event( |$)", drawing, re.MULTILINE)
    assert "queue.get #77" in drawing
    assert "queue.put #90" in drawing
    assert "#41" not in drawing


def test_many_runs_are_drawn_as_few_are() -> None:
    """The bar is the same whether its runs are counted one at a time or, being many, all at once."""
    bars = []
    for parts in (1, 500):
        scene = scenes.Scene("x.py", duration_ns=1_000 * MS)
        task = scene.task("main", 0)
        for at in (0, 130, 370, 990):
            for part in range(parts):
                scene.run(task, at * MS + part * 10 * MS // parts, at * MS + (part + 1) * 10 * MS // parts)
        scene.run(task, 1_000 * MS, 1_000 * MS)
        scene.end(task, 1_000 * MS)
        bars.append(re.search(r"main +(.*)✓", drawn(scene.done(), 80))[1])  # type: ignore[index]
    assert bars[0] == bars[1]
