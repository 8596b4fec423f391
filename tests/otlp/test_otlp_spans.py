"""How a trace maps to spans: names, parents, kinds, status, events, links."""

from __future__ import annotations

import random

import pytest

from asyncio_trace.exporters.otlp.describe import STACK_FRAMES, program_name, stack_text
from asyncio_trace.exporters.otlp.span import MAX_EVENTS, MAX_LINKS, Event, Link, Span
from asyncio_trace.exporters.otlp.spans import build_spans
from asyncio_trace.model import Awaited, Future, Program, Site, Trace, Wait, Waker
from asyncio_trace.model.kinds import is_asyncio, own_place
from asyncio_trace.model.witnesses import Sample
from otlp.traces import MAIN, MS, SLEEP, STARTED, WORK, eventful_trace, gather_trace, program, sleep, task


def named(spans: list[Span], name: str) -> Span:
    """The only span of that name."""
    (span,) = [span for span in spans if span.name == name]
    return span


def parent_of(span: Span, spans: list[Span]) -> Span:
    """The span that it is a child of."""
    (parent,) = [other for other in spans if other.span_id == span.parent_id]
    return parent


def test_gather_is_one_trace_of_tasks_under_main() -> None:
    """A gather of ten is one trace: the root, main under it, ten tasks under main, and a span for each wait."""
    spans = build_spans(gather_trace())
    root, main = spans[0], named(spans, "main")
    assert len(spans) == 1 + 11 + 11
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert (root.name, root.parent_id, root.links) == ("asyncio: gather", None, [])
    assert main.parent_id == root.span_id
    assert sum(span.name == "work" and span.parent_id == main.span_id for span in spans) == 10
    assert sum(span.name == "await sleep" and parent_of(span, spans).name == "work" for span in spans) == 10


def test_root_carries_totals() -> None:
    """The root's attributes say what ran: Python, loop class, tasks, waits, and how complete the recording is."""
    trace = gather_trace()
    trace.dropped_events = 3
    attributes = build_spans(trace)[0].attributes
    assert attributes["asyncio.python"] == "3.11.7"
    assert attributes["asyncio.loops.types"] == ["_UnixSelectorEventLoop"]
    assert attributes["asyncio.tasks.total"] == attributes["asyncio.tasks.returned"] == 11
    assert attributes["asyncio.waits.total"] == 11
    assert attributes["asyncio.dropped_events"] == 3
    assert attributes["asyncio.complete"] is True


def test_no_argument_of_the_program_is_sent() -> None:
    """The program's arguments may be secrets: none of them is anywhere in the spans."""
    trace = gather_trace()
    trace.program.argv = ["gather", "--password", "hunter2"]
    assert "hunter2" not in repr(build_spans(trace))


def test_wait_says_what_it_waited_for_and_who_woke_it() -> None:
    """A wait has its kind, its two parts, the program's own innermost line, the whole stack, and a link to its waker's task."""
    spans = build_spans(gather_trace())
    wait = named(spans, "await gather")
    (link,) = wait.links
    target = next(span for span in spans if span.span_id == link.span_id)
    assert target.attributes["asyncio.task.id"] == wait.attributes["asyncio.wake.task"] == 11
    assert wait.attributes["asyncio.wake.kind"] == "task"
    assert wait.attributes["asyncio.wait.kind"] == "gather"
    assert wait.attributes["asyncio.wait.ready_ns"] == 900
    assert [event.name for event in wait.events] == ["woken", "ready"]
    asleep = next(span for span in spans if span.name == "await sleep")
    assert (asleep.attributes["code.function.name"], asleep.attributes["code.line.number"]) == (WORK.function, WORK.line)
    assert SLEEP.file in str(asleep.attributes["code.stacktrace"])
    assert asleep.links == []


def test_wait_for_a_task_goes_by_its_coroutine() -> None:
    """A span is never called `await Task-4`: the awaited task's coroutine names it, its own name is an attribute."""
    wait = named(build_spans(eventful_trace()), "await background")
    assert wait.attributes["asyncio.awaited.label"] == "Task-4"


def test_short_waits_are_counted() -> None:
    """A wait below the threshold gets no span but is counted on its task, and with threshold 0 it gets one."""
    trace = eventful_trace()
    failed = named(build_spans(trace), "fail")
    assert (failed.attributes["asyncio.waits.short"], failed.attributes["asyncio.waits.short_ns"]) == (1, 9)
    assert len(build_spans(trace, wait_threshold_ns=0)) == len(build_spans(trace)) + 1


def test_times_are_absolute_and_whole_microseconds() -> None:
    """Spans carry Unix time, floored to the microsecond."""
    main = named(build_spans(gather_trace()), "main")
    assert main.start_unix_ns == (STARTED + 1_001) // 1000 * 1000


def test_status_is_error_only_for_what_left_the_task() -> None:
    """Only a task that raised has status ERROR, with `error.type` and an `exception` event; a cancelled one has not."""
    spans = build_spans(eventful_trace())
    failed, victim = named(spans, "fail"), named(spans, "victim")
    assert [span.name for span in spans if span.error is not None] == ["fail"]
    assert failed.attributes["error.type"] == "ValueError"
    assert [(event.name, event.attributes) for event in failed.events] == [("exception", {"exception.type": "ValueError"})]
    assert victim.attributes["asyncio.task.outcome"] == "cancelled"
    (event,) = victim.events
    assert event.name == "cancel requested"
    assert (event.attributes["asyncio.cancel.coroutine"], event.attributes["code.line.number"]) == ("main", MAIN.line)


def test_fire_and_forget_goes_through_a_producer() -> None:
    """A task that outlives its creator is CONSUMER under a short PRODUCER, which lies inside the creator."""
    spans = build_spans(eventful_trace())
    task_span, main = named(spans, "background"), named(spans, "main")
    producer = parent_of(task_span, spans)
    assert (task_span.kind, producer.kind, producer.parent_id) == ("consumer", "producer", main.span_id)
    assert main.start_unix_ns <= producer.start_unix_ns < producer.end_unix_ns <= main.end_unix_ns


def test_pending_task_ends_with_the_trace() -> None:
    """A task that never ended lasts to the trace's end, with outcome pending, and so does its wait."""
    spans = build_spans(eventful_trace())
    stuck = named(spans, "stuck")
    wait = next(span for span in spans if span.parent_id == stuck.span_id)
    assert stuck.attributes["asyncio.task.outcome"] == "pending"
    assert stuck.end_unix_ns == wait.end_unix_ns == spans[0].end_unix_ns
    assert wait.attributes["asyncio.wait.pending"] is True


def test_blocking_steps_say_where_to_look() -> None:
    """A long step becomes a span under its task, with the awaits before and after it; a callback's goes under the root."""
    spans = build_spans(eventful_trace())
    step, callback = (span for span in spans if span.name == "blocking step")
    assert parent_of(step, spans).name == "main"
    assert step.attributes["asyncio.step.ns"] == 160 * MS
    assert step.attributes["asyncio.step.after"] == step.attributes["asyncio.step.before"] == "work (/srv/gather.py:5)"
    assert parent_of(callback, spans) is spans[0]
    assert callback.attributes["asyncio.callback"] == "app.on_timer"


def test_blocking_steps_say_where_they_stood() -> None:
    """A step that the tracer looked at while it blocked has the line and the stack of that moment, also that of a callback."""
    trace = eventful_trace()
    culprit = Site("crunch", "/srv/crunch.py", 7, "crunch")
    trace.witnesses.samples = [
        Sample(1, 1, 50 * MS, 49 * MS, (MAIN,), 0),  # of a step that is no span
        Sample(1, 1, 200 * MS, 100 * MS, (MAIN, culprit), 0),
        Sample(1, 1, 250 * MS, 100 * MS, (MAIN,), 0),
        Sample(1, None, 620 * MS, 610 * MS, (culprit,), 3 * MS),
    ]
    step, callback = (span for span in build_spans(trace) if span.name == "blocking step")
    assert (step.attributes["code.function.name"], step.attributes["code.line.number"]) == ("crunch", 7)
    assert str(step.attributes["code.stacktrace"]).splitlines()[0] == 'File "/srv/gather.py", line 12, in main'
    assert "asyncio.step.late_ns" not in step.attributes
    assert [event.name for event in step.events] == ["seen"]
    assert (callback.attributes["code.function.name"], callback.attributes["asyncio.step.late_ns"]) == ("crunch", 3 * MS)


def test_the_tracers_threshold_is_the_default() -> None:
    """What blocks is what the tracer was told to take for it, unless the exporter is told otherwise."""
    trace = eventful_trace()
    trace.program.block_threshold_ns = 170 * MS
    assert sum(span.name == "blocking step" for span in build_spans(trace)) == 1
    assert sum(span.name == "blocking step" for span in build_spans(trace, block_threshold_ns=100 * MS)) == 2


def test_futures_of_the_program_are_events() -> None:
    """A future that the program made is an event on its creator's span and on its resolver's; asyncio's own are not."""
    spans = build_spans(eventful_trace())
    created = [event for event in named(spans, "main").events if event.name == "future created"]
    resolved = [event for event in named(spans, "background").events if event.name == "future resolved"]
    assert [event.attributes["asyncio.future.id"] for event in created] == [50]
    assert [event.attributes["asyncio.future.id"] for event in resolved] == [50]
    assert resolved[0].attributes["code.line.number"] == WORK.line
    assert [event.attributes["asyncio.future.id"] for event in spans[0].events] == [52]


def test_futures_inside_a_sleep_are_no_events() -> None:
    """The future in a `sleep` is asyncio's own, even if its site is the program's line; one that is awaited as such is not."""
    trace = gather_trace(1)
    trace.futures = [Future(number, "Future", 1, 3_000, 2, WORK) for number in (70, 71)]
    for number, kind in ((70, "sleep"), (71, "future")):
        trace.waits.append(Wait(2, 3_000, 4_000, 5_000, kind, Awaited("Future", number, kind), (WORK,), None))
    events = [event for span in build_spans(trace) for event in span.events if event.name == "future created"]
    assert [event.attributes["asyncio.future.id"] for event in events] == [71]


def test_jobs_have_their_thread() -> None:
    """An executor job is a child of the task that handed it over; one that outlives it goes under the root and says so."""
    spans = build_spans(eventful_trace())
    job, late = named(spans, "job read"), named(spans, "job slow")
    assert parent_of(job, spans).name == "main"
    assert (job.attributes["thread.id"], job.attributes["thread.name"]) == (777, "pool_0")
    assert job.attributes["asyncio.job.queued_ns"] == MS
    assert parent_of(late, spans) is spans[0]
    assert late.attributes["asyncio.job.outlived_task"] is True
    assert [link.span_id for link in late.links] == [named(spans, "fail").span_id]


def test_tasks_go_under_the_programs_own_span() -> None:
    """A task made inside the program's own span is that span's child, in its trace, with all that it creates."""
    trace = gather_trace(3)
    own = (0xABC, 0xDEF, 1)
    trace.tasks[1].parent_span = own
    trace.tasks.append(task(9, 2, 3_000, 4_000, coroutine="grandchild"))
    spans = build_spans(trace)
    adopted = next(span for span in spans if span.attributes.get("asyncio.task.id") == 2)
    grandchild = named(spans, "grandchild")
    assert (adopted.trace_id, adopted.parent_id, adopted.parent_is_remote) == (0xABC, 0xDEF, True)
    assert (grandchild.trace_id, grandchild.parent_id) == (0xABC, adopted.span_id)
    assert {span.trace_id for span in spans if span.name == "main"} == {spans[0].trace_id}


def test_a_span_inherited_from_the_creator_does_not_flatten_the_tree() -> None:
    """When main runs inside the program's span, its children inherit that span but stay under main."""
    trace = gather_trace(3)
    for row in trace.tasks:
        row.parent_span = (0xABC, 0xDEF, 1)
    spans = build_spans(trace)
    main = named(spans, "main")
    assert main.parent_id == 0xDEF
    assert {span.parent_id for span in spans if span.name == "work"} == {main.span_id}


def test_a_span_that_is_not_recorded_is_no_parent() -> None:
    """A parent span without the sampled flag never reaches a collector, so it would leave an orphan: the creator is taken."""
    trace = gather_trace(3)
    trace.tasks[1].parent_span = (0xABC, 0xDEF, 0)
    assert len({span.trace_id for span in build_spans(trace)}) == 1


def test_job_in_the_programs_own_trace_is_clipped() -> None:
    """Where no root of ours is at hand, a job that outlives its task is cut at the task's end, and the rest is an attribute."""
    trace = eventful_trace()
    trace.tasks[1].parent_span = (0xABC, 0xDEF, 1)
    spans = build_spans(trace)
    late = named(spans, "job slow")
    assert parent_of(late, spans).name == "fail"
    assert late.end_unix_ns == named(spans, "fail").end_unix_ns
    assert late.attributes["asyncio.job.clipped_ns"] == 580 * MS


def test_no_link_to_the_parent() -> None:
    """A task that wakes itself is its wait's parent already; a link would make Jaeger change the parent reference."""
    trace = gather_trace(1)
    woke_itself = Wait(2, 5_000, MS, 2 * MS, "future", Awaited("Future", None, ""), (), Waker("task", 2, MS, None))
    trace.waits = [woke_itself, *trace.waits[1:]]
    wait = named(build_spans(trace), "await Future")
    assert wait.links == []
    assert wait.attributes["asyncio.wake.task"] == 2


def test_damaged_rows_still_make_spans() -> None:
    """Creators in a circle, unknown tasks and ends before starts give spans all the same."""
    trace = Trace(program(0))
    trace.tasks = [task(1, 2, 50, 40), task(2, 1, 60, 70), task(3, 77, 10, None)]
    trace.waits = [sleep(99, 0, 10 * MS), sleep(1, 30 * MS, 5)]
    trace.futures = [Future(5, "Future", 1, 3, 88, MAIN)]
    spans = build_spans(trace, wait_threshold_ns=0)
    assert sum("asyncio.task.id" in span.attributes for span in spans if span.kind != "producer") == 3
    assert all(span.start_unix_ns <= span.end_unix_ns for span in spans)


def test_events_beyond_the_limit_are_counted() -> None:
    """A span keeps 128 events in order of time, the vital ones among them, and counts the rest."""
    span = Span("x", 1, 2, None, 0, 1000)
    span.events = [Event("future created", time) for time in range(200)] + [Event("exception", 1000, vital=True)]
    span.links = [Link(1, number) for number in range(200)]
    span.omitted_events = 4
    span.limit()
    assert len(span.events) == MAX_EVENTS
    assert len(span.links) == MAX_LINKS
    assert span.events[-1].name == "exception"
    assert span.attributes == {"asyncio.events.omitted": 201 - MAX_EVENTS + 4, "asyncio.links.omitted": 200 - MAX_LINKS}


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["gather", "--seed", "7"], "gather"),
        (["/srv/app.py"], "app.py"),
        (["/srv/pkg/__main__.py"], "pkg"),
        (["-c", "secret()"], "python -c"),
        (["-m", "asyncio_trace.scenarios.gather", "--seed", "7"], "gather"),
        (["-m", "shop.server"], "shop.server"),
        (["__main__.py"], "python"),
        ([], "python"),
    ],
)
def test_program_name(argv: list[str], name: str) -> None:
    """A program goes by its scenario's, script's or package's name."""
    assert program_name(Program(argv=argv)) == name


def test_packages_that_only_sound_like_asyncio_are_the_programs() -> None:
    """`asyncio_mqtt` is no part of asyncio, `asyncio.tasks` is."""
    assert not is_asyncio(Site("f", "f.py", 1, "asyncio_mqtt"))
    assert is_asyncio(Site("f", "f.py", 1, "asyncio.tasks"))
    assert own_place((SLEEP,)) == SLEEP
    assert own_place(()) is None


def test_deep_stacks_are_cut_in_the_middle() -> None:
    """A stack of a thousand frames keeps its two ends and says how much is missing."""
    lines = stack_text(tuple(Site(f"f{number}", "f.py", number) for number in range(1000))).splitlines()
    assert len(lines) == STACK_FRAMES + 1
    assert (lines[0], lines[-1]) == ('File "f.py", line 0, in f0', 'File "f.py", line 999, in f999')
    assert f"{1000 - STACK_FRAMES} more" in lines[STACK_FRAMES // 2]


def test_ids_come_from_the_given_source() -> None:
    """The same source of randomness gives the same ids, and the default one never does."""
    trace = gather_trace(2)
    assert build_spans(trace, rng=random.Random(1)) == build_spans(trace, rng=random.Random(1))
    assert build_spans(trace)[0].trace_id != build_spans(trace)[0].trace_id
