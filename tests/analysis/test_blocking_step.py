"""Rule `blocking-step`, on traces that are made by hand."""

from __future__ import annotations

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.rules import blocking_step
from asyncio_trace.model import Awaited, Loop, Program, Run, Sample, Site, Task, Trace, Wait, Waker, Witnesses

MS = 1_000_000
MAIN = Site("main", "/srv/app.py", 10, "app")
CULPRIT = Site("load", "/srv/app.py", 20, "app")
INSIDE = Site("recv", "/usr/lib/python3.13/socket.py", 700, "socket")
LOADING = Site("_find_and_load", "<frozen importlib._bootstrap>", 1022, "importlib._bootstrap")


def trace_of(runs: list[Run], samples: list[Sample], waits: list[Wait] | None = None, *, cut: bool = False) -> Trace:
    """Two tasks on one loop."""
    end = max((run.end_ns for run in runs), default=0)
    return Trace(
        Program(loops=[Loop(9, "asyncio", 1, "MainThread", 0)], duration_ns=max([end, *(sample.ns for sample in samples)])),
        [Task(1, "first", "main", None, 9, 0, created_at=MAIN), Task(2, "second", "other", None, 9, 0)],
        runs,
        waits or [],
        cut=cut,
        witnesses=Witnesses(samples),
    )


def run(start: int, end: int, task: int | None = 1) -> Run:
    """A run, in milliseconds."""
    return Run(task, None if task else "app.callback", 9, start * MS, end * MS)


def sample(at: int, *stack: Site, task: int | None = 1, since: int = 0, late: int = 0) -> Sample:
    """A sample, in milliseconds."""
    return Sample(9, task, at * MS, since * MS, stack, late * MS)


def found(trace: Trace) -> list[Finding]:
    """What the rule finds."""
    return list(blocking_step.find(trace))


def test_the_line_is_the_programs_own_where_most_of_the_time_went() -> None:
    """A line in the standard library is somebody's whom the program called: it is told beside the program's."""
    stacks = [(MAIN,), (MAIN, CULPRIT, INSIDE), (MAIN, CULPRIT, INSIDE)]
    (finding,) = found(trace_of([run(0, 300)], [sample(50 + 100 * at, *stack) for at, stack in enumerate(stacks)]))
    assert (finding.at, finding.task, finding.start_ns, finding.end_ns) == (CULPRIT, 1, 0, 300 * MS)
    assert "recv (socket.py:700)" in finding.message
    assert "called from main (app.py:10)" in finding.message
    assert "asyncio library" in finding.advice


def test_runs_below_the_threshold_are_none_of_its_business() -> None:
    """The threshold is the trace's own, and decides alone."""
    trace = trace_of([run(0, 99)], [sample(50, MAIN)])
    assert found(trace) == []
    trace.program.block_threshold_ns = 50 * MS
    assert [finding.at for finding in found(trace)] == [MAIN]


def test_one_line_is_one_finding() -> None:
    """However often it blocks; the worst is what the finding is about."""
    (finding,) = found(trace_of([run(0, 120), run(200, 350), run(400, 510)], [sample(at, MAIN) for at in (60, 260, 450)]))
    assert (finding.start_ns, finding.end_ns) == (200 * MS, 350 * MS)
    assert "3 times, for 380 ms in all, 150 ms at most" in finding.message


def test_a_run_that_nobody_saw_must_be_much_longer() -> None:
    """The whole process may have stood still; a long one is told with the line that came after."""
    wait = Wait(1, 400 * MS, 500 * MS, 500 * MS, "sleep", Awaited("", None, "sleep"), (CULPRIT,), Waker("timer", None, 0, None))
    assert found(trace_of([run(0, 250)], [])) == []
    (finding,) = found(trace_of([run(0, 400)], [], [wait]))
    assert finding.at == CULPRIT
    assert "not seen" in finding.message


def test_imports_count_only_if_somebody_had_to_wait() -> None:
    """What is loaded before anything else is there to do holds nobody up."""
    samples = [sample(50, MAIN, LOADING)]
    assert found(trace_of([run(0, 200)], samples)) == []
    late = Wait(2, 0, 100 * MS, 200 * MS, "sleep", Awaited("", None, "sleep"), (), Waker("timer", None, 100 * MS, None))
    (finding,) = found(trace_of([run(0, 200)], samples, [late]))
    assert "1 task had to wait" in finding.message


def test_a_sample_that_came_late_says_so() -> None:
    """The line may be one after the culprit."""
    (finding,) = found(trace_of([run(0, 300)], [sample(299, MAIN, late=250)]))
    assert "kept the GIL" in finding.message


def test_a_program_that_was_killed_while_it_blocked() -> None:
    """There is no record of the run, but of where it stood."""
    samples = [sample(at, MAIN, CULPRIT, since=100) for at in (150, 300)]
    (finding,) = found(trace_of([run(0, 90)], samples, cut=True))
    assert (finding.at, finding.task, finding.start_ns, finding.end_ns) == (CULPRIT, 1, 100 * MS, 300 * MS)
    assert found(trace_of([run(0, 90)], samples)) == []


def test_a_callback_is_named() -> None:
    """A run that is no task's goes by its callback."""
    (finding,) = found(trace_of([run(0, 200, None)], [sample(50, CULPRIT, task=None)]))
    assert (finding.task, finding.at) == (None, CULPRIT)
    assert finding.message.startswith("callback app.callback kept the loop")
