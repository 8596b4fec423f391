"""What holds for any trace: children inside parents, ids unique, limits kept, totals conserved."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from asyncio_trace.exporters.otlp import layout
from asyncio_trace.exporters.otlp.span import Span
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Awaited, Future, Job, Run, Trace, Wait, Waker
from otlp.traces import MAIN, MS, WORK, gather_trace, program, sleep, task

TIMES = st.integers(0, 5_000)
OWN_SPANS = st.sampled_from([None, None, None, (7, 8, 1), (7, 9, 1), (70, 8, 1), (7, 8, 0)])


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Traces with any shape of creators, of times in any order and near the rounding's edges."""
    trace = Trace(program(draw(TIMES)))
    trace.program.started_unix_ns += draw(st.integers(0, 1999))
    count = draw(st.integers(0, 12))
    ids = st.one_of(st.none(), st.integers(1, count + 1))
    for number in range(1, count + 1):
        row = task(
            number, draw(ids), draw(TIMES), draw(st.one_of(st.none(), TIMES)), draw(st.sampled_from(["returned", "raised"]))
        )
        row.coroutine = draw(st.sampled_from(["a", "b", "c"]))
        row.parent_span = draw(OWN_SPANS)
        trace.tasks.append(row)
    for _ in range(draw(st.integers(0, 12))):
        start, end, owner, by = draw(TIMES), draw(st.one_of(st.none(), TIMES)), draw(st.integers(1, count + 1)), draw(ids)
        waker = draw(st.sampled_from([None, Waker("task" if by else "timer", by, draw(TIMES), WORK)]))
        trace.waits.append(Wait(owner, start, draw(st.one_of(st.none(), TIMES)), end, "x", Awaited("", by, ""), (MAIN,), waker))
        trace.runs.append(Run(draw(ids), "call", 1, start, draw(TIMES)))
        trace.jobs.append(Job(1, 1, draw(ids), None, "job", None, start, draw(st.one_of(st.none(), TIMES)), end))
        trace.futures.append(Future(1, "Future", 1, start, by, MAIN, end, waker))
    return trace


def totals(spans: list[Span], what: str) -> tuple[int, int]:
    """Number and nanoseconds folded away, summed over all spans."""
    number = sum(int(str(span.attributes.get(f"asyncio.{what}.folded", 0))) for span in spans)
    return number, sum(int(str(span.attributes.get(f"asyncio.{what}.folded_ns", 0))) for span in spans)


@given(traces(), st.integers(1, 40))
def test_any_trace_nests(trace: Trace, max_spans: int) -> None:
    """Each span lies inside its parent, a CONSUMER begins in or after its PRODUCER, no parent of ours is missing, no root has a
    link.
    """
    with patch.object(layout, "LONG_LIVED_NS", 2_000):
        spans = build_spans(trace, wait_threshold_ns=0, block_threshold_ns=0, max_spans=max_spans)
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    assert 0 not in by_id
    assert spans[0].parent_id is None
    roots = [span for span in spans if span.parent_id is None]
    assert [span.links for span in roots] == [[]] * len(roots)
    assert len({span.trace_id for span in roots}) == len(roots)
    for span in spans[1:]:
        assert span.start_unix_ns <= span.end_unix_ns
        assert span.start_unix_ns % 1000 == span.end_unix_ns % 1000 == 0
        assert all(span.start_unix_ns <= event.unix_ns <= span.end_unix_ns for event in span.events)
        if span.parent_id is None:
            assert span.attributes["asyncio.program.trace_id"] == f"{spans[0].trace_id:032x}" != f"{span.trace_id:032x}"
            continue
        if span.parent_is_remote:
            assert (span.trace_id, span.parent_id, 1) in {row.parent_span for row in trace.tasks}
            continue
        parent = by_id[span.parent_id]
        assert span.trace_id == parent.trace_id
        assert parent.start_unix_ns <= span.start_unix_ns
        if span.kind == "consumer":
            assert parent.kind == "producer"
        else:
            assert span.end_unix_ns <= parent.end_unix_ns
        assert all(link.span_id in by_id and link.span_id != span.parent_id for link in span.links)
    assert max(Counter(span.trace_id for span in spans).values()) <= max_spans


@given(traces(), st.integers(1, 40))
def test_folding_conserves_totals(trace: Trace, max_spans: int) -> None:
    """What is drawn and what is counted make up all there is, in number and in nanoseconds."""
    with patch.object(layout, "LONG_LIVED_NS", 2_000):
        spans = build_spans(trace, wait_threshold_ns=0, block_threshold_ns=0, max_spans=max_spans)
    everything = build_spans(trace, wait_threshold_ns=0, block_threshold_ns=0, max_spans=10_000)
    assert totals(everything, "tasks") == totals(everything, "waits") == (0, 0)

    def of(spans: list[Span], key: str) -> list[Span]:
        return [span for span in spans if key in span.attributes and span.kind != "producer"]

    for what, key in (
        ("tasks", "asyncio.task.id"),
        ("waits", "asyncio.wait.kind"),
        ("jobs", "asyncio.job.id"),
        ("steps", "asyncio.step.ns"),
    ):
        assert len(of(spans, key)) + totals(spans, what)[0] == len(of(everything, key))
    kept = sum(span.end_unix_ns - span.start_unix_ns for span in of(spans, "asyncio.task.id"))
    whole = sum(span.end_unix_ns - span.start_unix_ns for span in of(everything, "asyncio.task.id"))
    assert kept + totals(spans, "tasks")[1] == whole
    if any(totals(spans, what)[0] for what in ("tasks", "waits", "jobs", "steps")):
        assert "not drawn" in str(spans[0].attributes["asyncio.program.folded"])


def test_waits_are_folded_before_tasks() -> None:
    """With 1,500 tasks of one wait each, all tasks stay, and of the waits the longest that fit."""
    trace = gather_trace(1500)
    spans = build_spans(trace)
    waits = [span for span in spans if "asyncio.wait.kind" in span.attributes]
    assert len(spans) == 2000
    assert sum("asyncio.task.id" in span.attributes for span in spans) == 1501
    assert totals(spans, "waits")[0] == 1501 - len(waits) == 1501 - 498
    shortest = min(span.end_unix_ns - span.start_unix_ns for span in waits)
    assert shortest >= 2 * MS * (1500 - 498)
    assert spans[0].attributes["asyncio.program.waits.folded"] == 1003


def test_tasks_are_folded_by_coroutine() -> None:
    """With 11,000 tasks the shortest leaves are counted on their creator by coroutine, and the total is on the root."""
    trace = gather_trace(11_000)
    for row in trace.tasks[1:101]:
        row.coroutine = "short"
    spans = build_spans(trace)
    main = next(span for span in spans if span.name == "main")
    assert len(spans) == 2000
    assert main.attributes["asyncio.tasks.folded"] == 11_001 - 1999
    assert main.attributes["asyncio.tasks.folded_coroutines"] == ["work x 8902", "short x 100"]
    assert totals(spans, "waits")[0] == 11_001
    assert spans[0].attributes["asyncio.program.tasks.folded"] == 11_001 - 1999


def test_many_coroutines_are_summed_up() -> None:
    """An account names twenty coroutines and sums up the others, so that it stays short."""
    trace = Trace(program(MS))
    trace.tasks = [task(number, 99, 0, 1000 + number, coroutine=f"c{number}") for number in range(1, 51)]
    trace.tasks.append(task(99, None, 0, MS, coroutine="main"))
    names = build_spans(trace, max_spans=12)[1].attributes["asyncio.tasks.folded_coroutines"]
    assert isinstance(names, list)
    assert len(names) == 21
    assert names[-1] == "others x 20"


def test_events_of_folded_tasks_are_counted() -> None:
    """A future made in a task that is not drawn is counted on the nearest span that is."""
    trace = gather_trace(3)
    trace.futures = [Future(5, "Future", 1, 3_000, 2, MAIN)]
    spans = build_spans(trace, max_spans=3)
    main = next(span for span in spans if span.name == "main")
    assert main.attributes["asyncio.events.omitted"] == 1


def test_blocking_steps_outlast_waits() -> None:
    """When room is short, a blocking step is kept rather than a longer wait: it is the rarer and the more telling."""
    trace = gather_trace(1)
    trace.waits = [sleep(2, 3_000, 2 * MS)]
    trace.runs = [Run(1, None, 1, 5_000, MS)]
    names = [span.name for span in build_spans(trace, block_threshold_ns=1000, max_spans=4)]
    assert names == ["asyncio: gather", "main", "work", "blocking step"]


def requests_trace(requests: int, children: int) -> Trace:
    """A server's main task, and requests that no task created, each with children."""
    trace = Trace(program(40_000 * MS))
    trace.tasks.append(task(1, None, 0, 40_000 * MS, coroutine="serve"))
    for number in range(requests):
        first = 2 + number * (children + 1)
        trace.tasks.append(task(first, None, number * MS, (number + 9) * MS, coroutine="request"))
        for child in range(first + 1, first + children + 1):
            trace.tasks.append(task(child, first, (number + 1) * MS, (number + 8) * MS))
            trace.waits.append(sleep(child, (number + 2) * MS, (number + 7) * MS))
    return trace


def test_a_long_program_is_a_trace_for_each_request() -> None:
    """With more spans than one trace takes, each task that no task created is the root of its own, and nothing is folded."""
    spans = build_spans(requests_trace(100, 15))
    by_trace = Counter(span.trace_id for span in spans)
    roots = [span for span in spans if span.parent_id is None]
    assert [span.name for span in roots] == ["asyncio: gather", "serve"] + ["request"] * 100
    assert sorted(by_trace.values()) == [1, 1] + [31] * 100
    assert spans[0].attributes["asyncio.program.traces"] == 101
    assert {span.attributes.get("asyncio.program.trace_id") for span in roots[1:]} == {f"{roots[0].trace_id:032x}"}
    assert "asyncio.program.folded" not in spans[0].attributes


def test_each_trace_of_a_long_program_is_bounded() -> None:
    """A request of its own 3,000 children is cut to 2,000 spans, the others on its root; the small one beside it is whole."""
    trace = requests_trace(1, 3000)
    trace.tasks.append(task(9000, None, MS, 2 * MS, coroutine="small"))
    spans = build_spans(trace)
    large = next(span for span in spans if span.name == "request")
    assert Counter(span.trace_id for span in spans)[large.trace_id] == 2000
    assert large.attributes["asyncio.tasks.folded"] == 3001 - 2000
    assert spans[0].attributes["asyncio.program.waits.folded"] == 3000
    assert next(span for span in spans if span.name == "small").parent_id is None


def test_what_a_long_lived_task_creates_is_a_trace() -> None:
    """A main task that lives for half a minute is no request: what it creates are the requests, and they say by whom."""
    trace = requests_trace(100, 15)
    for row in trace.tasks:
        if row.coroutine == "request":
            row.parent = 1
    spans = build_spans(trace)
    requests = [span for span in spans if span.name == "request"]
    assert {(span.parent_id, span.attributes["asyncio.task.creator"]) for span in requests} == {(None, 1)}
    assert len({span.trace_id for span in requests}) == 100
    trace.tasks[0].ended_ns = 29_000 * MS
    assert {span.parent_id for span in build_spans(trace) if span.name == "request"} != {None}


def test_waits_in_one_trace_link_to_their_waker_in_another() -> None:
    """Where a task of one request ends a wait of another's, the link leads into the other trace."""
    trace = requests_trace(100, 15)
    trace.waits = [replace(trace.waits[0], waker=Waker("task", 18, 3 * MS, WORK)), *trace.waits[1:]]
    spans = build_spans(trace)
    wait = next(span for span in spans if span.attributes.get("asyncio.wake.task") == 18)
    waker = next(span for span in spans if span.attributes.get("asyncio.task.id") == 18)
    assert [(link.trace_id, link.span_id) for link in wait.links] == [(waker.trace_id, waker.span_id)]
    assert waker.trace_id != wait.trace_id
