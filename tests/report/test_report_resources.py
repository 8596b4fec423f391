"""Where the time went by lock, semaphore and queue."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from report_traces import MS, Made, on_paper

from asyncio_trace.analysis.report import report
from asyncio_trace.analysis.resource_totals import by_resource
from asyncio_trace.model import Hold, Level, Resource, Site, Trace
from asyncio_trace.terminal.report import draw_report
from asyncio_trace.terminal.report_markdown import markdown

END = 100 * MS
FIRST, SECOND = Site("write", "/srv/shop.py", 41), Site("read", "/srv/shop.py", 52)


def made() -> Trace:
    """A lock that is held at two lines and waited for twice, a queue that fills and empties, and an event nobody used."""
    made = Made(END)
    tasks = [made.task("work", 0, END) for _ in range(3)]
    made.wait(tasks[1], "lock", (0, 30 * MS, 30 * MS), id_=8, type_="Lock")
    made.wait(tasks[2], "lock", (10 * MS, None, None), id_=8, type_="Lock")
    trace = made.trace
    trace.resources = [
        Resource(9, "Queue", "queue", 0, 0),
        Resource(8, "Lock", "lock", 0, 1),
        Resource(7, "Event", "event", 0, 0),
    ]
    trace.holds = [
        Hold(8, tasks[0].id, 0, 20 * MS, FIRST),
        Hold(8, tasks[1].id, 20 * MS, 45 * MS, SECOND),
        Hold(8, tasks[0].id, 45 * MS, 60 * MS, FIRST),
        Hold(8, None, 80 * MS, None, None),
    ]
    trace.levels = [Level(9, 20 * MS, 4, None), Level(9, 60 * MS, 0, None)]
    return trace


def test_resources_have_waits_holds_and_levels() -> None:
    """Waits and holds are summed up, pending ones until the end; the line is that which held longest in all, not at once."""
    lock, queue = by_resource(made(), END)
    assert (lock.id, lock.type, lock.waits, lock.waiting_ns) == (8, "Lock", 2, 120 * MS)
    assert (lock.holds, lock.held_ns, lock.longest_hold_ns, lock.longest_holder) == (4, 80 * MS, 25 * MS, 2)
    assert lock.held_at == FIRST
    assert (lock.most, lock.mean) == (None, None)
    assert (queue.id, queue.waits, queue.holds, queue.most, queue.mean) == (9, 0, 0, 4, 2.0)


def test_resources_are_reported() -> None:
    """The report and its Markdown have a row for each, with what it does not have left empty."""
    whole = report(made())
    drawing = on_paper(lambda console: draw_report(whole, console), 120)
    [lock] = [" ".join(line.split()) for line in drawing.splitlines() if line.startswith("Lock #8")]
    assert lock == "Lock #8 2 120 ms 4 80.0 ms 25.0 ms shop.py:41 work · Task-2"
    [row] = [line for line in markdown(whole) if "Lock #8" in line]
    assert row == "| `Lock #8` | `write shop.py:41` | 2 | 120 ms | 4 | 80.0 ms | 25.0 ms |  |"


def test_trace_without_resources_has_no_rows() -> None:
    """Nothing is reported where nothing was waited for or held."""
    assert by_resource(Made().trace, END) == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            Hold, st.integers(1, 5), st.none() | st.integers(1, 3), st.integers(0, 50), st.none() | st.integers(50, 99),
            st.sampled_from([None, FIRST, SECOND]),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_holds_are_all_counted(holds: list[Hold]) -> None:
    """Each hold of a resource that the trace knows is in its sums, and the longest is the longest."""
    trace = made()
    trace.resources = [replace(row, id=number) for number, row in enumerate(trace.resources, 1)]
    trace.holds = holds
    for total in by_resource(trace, END):
        lengths = [(END if hold.to_ns is None else hold.to_ns) - hold.from_ns for hold in holds if hold.resource == total.id]
        assert (total.holds, total.held_ns, total.longest_hold_ns) == (len(lengths), sum(lengths), max(lengths, default=0))
