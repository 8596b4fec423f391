"""What stands above and below the rows: the program, the legend, what held the loop, what raised, totals by kind of wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath

from asyncio_trace.model import Run, Trace
from asyncio_trace.terminal.cells import Line, fit, flow, width_of
from asyncio_trace.terminal.wording import Names, Wording, count, percent, plural

_LISTED = 5
"""Entries in each list of things that went wrong."""


def warning(trace: Trace) -> list[Line]:
    """Says that the trace lacks something, if it does."""
    lacks = []
    if trace.dropped_events:
        lacks.append(f"{plural(trace.dropped_events, 'event')} dropped")
    if trace.gaps:
        lacks.append("the recording is damaged")
    lacks += [f"the recording {PurePath(path).name} of a child process can't be read" for path in trace.program.unread]
    if trace.cut or not (trace.complete or lacks):
        lacks.append("the recording was cut before its end")
    return [[(f"incomplete trace: {', '.join(lacks)}", "blocked")]] if lacks else []


def program(trace: Trace, wording: Wording) -> str:
    """The command line, without the folder that the program lies in."""
    argv = trace.program.argv
    if not argv:
        return "a program"
    return wording.clean(" ".join([PurePath(argv[0]).name or argv[0], *argv[1:]]))


def header(trace: Trace, names: Names, wording: Wording, width: int, end: int) -> list[Line]:
    """What ran, on what, for how long, and how busy its loops were. `end` is the trace's last instant, in nanoseconds."""
    glyphs = wording.glyphs
    about = trace.program
    title = fit(program(trace, wording), width, glyphs.ellipsis).rstrip()
    what: list[Line] = [[(title, "title")]]
    if about.python:
        what.append([(f"Python {wording.clean(about.python)}", "faint")])
    for type_, number in Counter(_loop_type(loop.type) for loop in about.loops).items():
        what.append([(wording.clean(type_) + (f" {glyphs.times}{number}" if number > 1 else ""), "faint")])
    runs = trace.runs.columns
    lengths = runs.end_ns - runs.start_ns
    ran = int(lengths.sum())
    begin = about.recorded_from_ns
    lived = sum(
        max(0, (end if loop.closed_ns is None else loop.closed_ns) - max(begin, loop.created_ns)) for loop in about.loops
    )
    lived = lived or end - begin
    whole = about.duration_ns or end
    part = f"the last {wording.duration(max(0, whole - begin))} of " if begin else ""
    what.append([(part + wording.duration(whole), "plain")])
    how: list[Line] = [
        [(plural(len(trace.tasks), "task"), "plain")],
        [(plural(len(trace.runs), "run"), "plain")],
        [(f"loop{'s' if len(about.loops) > 1 else ''} busy {percent(ran, lived)}", "plain")],
    ]
    if trace.runs:
        longest = trace.runs[int(lengths.argmax())]
        took = wording.duration(longest.end_ns - longest.start_ns)
        how.append([(f"longest step {took} ({ran_by(longest, names, wording)})", "plain")])
    return flow(what, width, glyphs.dot) + flow(how, width, glyphs.dot)


def _loop_type(qualified: str) -> str:
    """A loop's class, without the module if it is one of asyncio's."""
    return qualified.rpartition(".")[2] if qualified.startswith("asyncio.") else qualified


def ran_by(run: Run, names: Names, wording: Wording) -> str:
    """The task or callback that a run is of."""
    return names.full_of(run.task) if run.task is not None else f"callback {wording.clean(run.callback or '?')}"


def legend(seen: set[str], outcomes: Iterable[str], wording: Wording, width: int) -> list[Line]:
    """What the glyphs mean that occur in the picture."""
    glyphs = wording.glyphs
    entries = (
        ("running", glyphs.running, "running"),
        ("tick", glyphs.ticks[0], "ran briefly"),
        ("ready", glyphs.ready, "ready, loop busy"),
        ("ready_ran", glyphs.ready_ran, "ready, ran briefly"),
        ("waiting", glyphs.waiting, "waiting"),
        ("thread", glyphs.thread, "in a thread"),
        ("blocked", glyphs.blocked, "held the loop"),
        ("longest", glyphs.longest, "much longer than the others"),
    )
    if "blocked" in seen or "blocked_tick" in seen:
        seen = seen | {"blocked", "running" if "blocked" in seen else "tick"}
    styles = {"tick": "running", "ready_ran": "ready", "longest": "blocked"}
    facts: list[Line] = [
        [(glyph, styles.get(state, state)), (f" {meaning}", "faint")] for state, glyph, meaning in entries if state in seen
    ]
    if "heights" in seen:
        facts.append([(f"{glyphs.heights[0]}{glyphs.heights[-1]} few to many at once", "faint")])
    present = set(outcomes)
    facts += [[(mark, outcome), (f" {outcome}", "faint")] for outcome, mark in glyphs.marks.items() if outcome in present]
    return flow(facts, width, "  ")


def blocked(runs: list[Run], threshold_ns: int, names: Names, wording: Wording, width: int) -> list[Line]:
    """The steps over the threshold, longest first."""
    glyphs = wording.glyphs
    if not runs:
        return []
    steps = "1 step" if len(runs) == 1 else f"{count(len(runs))} steps"
    lines: list[Line] = [[(f"{glyphs.blocked} {steps} held the loop for {wording.duration(threshold_ns)} or more", "blocked")]]
    for run in runs[:_LISTED]:
        took, at = wording.duration(run.end_ns - run.start_ns), wording.duration(run.start_ns)
        room = max(8, width - 24)
        who = (
            fit(ran_by(run, names, wording), room, glyphs.ellipsis).rstrip()
            if run.task is None
            else names.within(run.task, room)
        )
        lines.append([(f"  {took:>7}", "blocked"), (f" at {at:<7} ", "faint"), (who, "plain")])
    return lines + _more(len(runs))


def raised(trace: Trace, names: Names, wording: Wording, width: int) -> list[Line]:
    """The tasks that ended with an exception, where no column says which."""
    glyphs = wording.glyphs
    tasks = [task for task in trace.tasks if task.outcome == "raised"]
    if not tasks:
        return []
    lines: list[Line] = [[(f"{glyphs.marks['raised']} {plural(len(tasks), 'task')} raised", "raised")]]
    for task in sorted(tasks, key=lambda task: task.ended_ns or 0)[:_LISTED]:
        what = wording.clean(task.exception or "an exception")
        at = wording.duration(task.ended_ns or 0)
        lines.append([(fit(f"  {what}", max(8, width // 3), glyphs.ellipsis).rstrip(), "raised"), (f" at {at} ", "faint")])
        room = width - sum(width_of(text) for text, _ in lines[-1])
        lines[-1].append((names.within(task.id, max(8, room)), "plain"))
    return lines + _more(len(tasks))


def _more(number: int) -> list[Line]:
    return [[(f"  and {count(number - _LISTED)} more", "faint")]] if number > _LISTED else []


def totals(trace: Trace, names: Names, wording: Wording, width: int, end: int) -> list[Line]:
    """A table of the kinds of wait: how many, how long until the thing came, how long until the task then ran."""
    sums: dict[str, list[int]] = {}
    longest: dict[str, tuple[int, int]] = {}
    wakers: Counter[str] = Counter()
    for wait in trace.waits:
        over = end if wait.end_ns is None else wait.end_ns
        queued = over if wait.ready_ns is None else wait.ready_ns
        kind = wait.kind
        entry = sums.setdefault(kind, [0, 0, 0])
        entry[0] += 1
        entry[1] += queued - wait.start_ns
        entry[2] += over - queued
        if kind not in longest or over - wait.start_ns > longest[kind][0]:
            longest[kind] = (over - wait.start_ns, wait.task)
        if wait.waker is not None:
            wakers[wait.waker.kind] += 1
    if not sums:
        return []
    name = min(14, max(5, *(len(wording.clean(kind)) for kind in sums)))
    lines: list[Line] = [[(f"{'waits':{name}} {'count':>8} {'waiting':>8} {'ready':>8} {'longest':>8}", "faint")]]
    for kind in sorted(sums, key=lambda kind: -sum(sums[kind][1:])):
        number, waiting, ready = sums[kind]
        numbers = [count(number), *map(wording.duration, (waiting, ready, longest[kind][0]))]
        line = [
            (fit(wording.clean(kind), name, wording.glyphs.ellipsis), "plain"),
            ("".join(f" {text:>8}" for text in numbers), "plain"),
        ]
        if width >= name + 60:
            line.append((f"  {names.within(longest[kind][1], width - name - 38)}", "faint"))
        lines.append(line)
    facts: list[Line] = [[(f"{kind} {count(number)}", "plain")] for kind, number in wakers.most_common()]
    if facts:
        facts[0].insert(0, (f"{'woken by':{name}} ", "faint"))
        lines += flow(facts, width, wording.glyphs.dot, name + 1)
    return lines
