"""Who asked for cancellations, as reports tell it."""

from __future__ import annotations

from report_traces import MS, Made, on_paper

from asyncio_trace.analysis.cancellations import by_origin
from asyncio_trace.analysis.report import report
from asyncio_trace.exporters.report.document import document
from asyncio_trace.model import Site, Task, Trace, Waker
from asyncio_trace.terminal.report import draw_report
from asyncio_trace.terminal.report_markdown import markdown

END = 100 * MS
LINE = Site("main", "/srv/app.py", 41)


def cancelled(made: Made, coroutine: str, by: Waker, outcome: str = "cancelled") -> Task:
    """A task whose cancellation was asked for."""
    task = made.task(coroutine, 0, END)
    task.cancelled_by, task.outcome = by, outcome
    return task


def made() -> Trace:
    """Two workers that `main` cancels, one of which goes on; a timer that cancels `request`, which awaits `query`."""
    made = Made(END)
    main = made.task("main", 0, END)
    by_main = Waker("task", main.id, 20 * MS, LINE)
    cancelled(made, "worker", by_main)
    cancelled(made, "worker", by_main, "returned")
    timer = Waker("timer", None, 30 * MS, None, "deadline")
    request, query = (cancelled(made, name, timer) for name in ("request", "query"))
    made.wait(request, "task", (10 * MS, 35 * MS, 35 * MS), id_=query.id, type_="Task")
    return made.trace


def test_cancellations_are_summed_up_by_their_origin() -> None:
    """Tasks of one coroutine that were cancelled at one place, one way, are one row; the most come first."""
    workers, *rest = by_origin(made())
    assert (workers.coroutine, workers.tasks, workers.by, workers.by_name, workers.at) == ("worker", 2, "task", "main", LINE)
    assert (workers.through, workers.first_ns) == ((), 20 * MS)
    assert workers.outcomes == {"cancelled": 1, "returned": 1}
    ways = {total.coroutine: (total.by, total.by_name, total.at, total.through) for total in rest}
    assert ways == {"request": ("timer", "deadline", None, ()), "query": ("timer", "deadline", None, ("request",))}


def test_cancellations_are_reported() -> None:
    """The report, its Markdown and its JSON have a row for each origin."""
    whole = report(made())
    drawing = on_paper(lambda console: draw_report(whole, console), 120)
    rows = [" ".join(line.split()) for line in drawing.partition("cancellations, by who asked")[2].splitlines()[2:5]]
    assert rows[0] == "worker 2 main app.py:41 1 cancelled, 1 returned"
    assert "query 1 timer deadline request 1 cancelled" in rows
    [row] = [line for line in markdown(whole) if line.startswith("| `query` | `timer")]
    assert row == "| `query` | `timer deadline` |  | `request` | 1 | 1 cancelled |"
    [query] = [row for row in document(whole)["cancellations"] if row["coroutine"] == "query"]
    assert (query["by"], query["by_name"], query["at"], query["through"]) == ("timer", "deadline", None, ("request",))


def test_nothing_is_said_where_nothing_was_cancelled() -> None:
    """No section without a cancellation."""
    calm = Made(END)
    calm.task("main", 0, END)
    assert by_origin(calm.trace) == []
    assert "cancellations" not in on_paper(lambda console: draw_report(report(calm.trace), console), 120)
