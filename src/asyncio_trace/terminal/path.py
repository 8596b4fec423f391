"""The critical path in words: what it is made of, and on request each stretch of it."""

from __future__ import annotations

from collections.abc import Sequence

from asyncio_trace.analysis.critical_path import CriticalPath, PathTotal, Segment
from asyncio_trace.terminal.cells import Line, Span
from asyncio_trace.terminal.naming import place
from asyncio_trace.terminal.table import Column, table
from asyncio_trace.terminal.wording import Names, Wording, count, percent, plural

_ROWS = 10
_SEGMENTS = 40
_STYLES = {"running": "running", "ready": "ready", "job": "thread", "job-queued": "ready", "callback": "running"}
_SAID = {
    "running": "runs", "ready": "ready, loop busy", "job": "in a thread", "job-queued": "no thread free", "io": "I/O",
    "callback": "a callback", "loop": "the loop's end", "pending": "never resolved",
}  # fmt: skip


def said(kind: str, label: str, wording: Wording) -> str:
    """A segment's kind in words, with what was waited on: `timer sleep`."""
    return wording.clean(f"{_SAID.get(kind, kind)} {label}".strip())


def heading(path: CriticalPath, names: Names, wording: Wording) -> str:
    """`critical path of main: 5.25 s`."""
    return f"critical path of {names.full_of(path.task)}: {wording.duration(path.end_ns - path.start_ns)}"


def sums(
    path: CriticalPath, totals: Sequence[PathTotal], names: Names, wording: Wording, width: int, *, everything: bool
) -> list[Line]:
    """What the path is made of, most time first."""
    columns = (
        Column("time"), Column("share"), Column("what", 14), Column("of", 8, rank=1), Column("at", 14), Column("times", rank=2),
    )  # fmt: skip
    whole = path.end_ns - path.start_ns
    shown = totals if everything else totals[:_ROWS]
    rows: list[Sequence[Span]] = [
        (
            (wording.duration(total.ns), "plain"),
            (percent(total.ns, whole), "faint"),
            (said(total.kind, total.label, wording), _STYLES.get(total.kind, "waiting")),
            (names.coroutine(total.coroutine) if total.coroutine else "", "plain"),
            (place(total.at, wording, function=False), "plain"),
            (count(total.count), "faint"),
        )
        for total in shown
    ]
    lines = table(columns, rows, width, wording.glyphs.ellipsis) if rows else []
    if len(totals) > len(shown):
        left = sum(total.ns for total in totals[_ROWS:])
        more = f"and {plural(len(totals) - len(shown), 'row')} more of {wording.duration(left)} in all; `--all` lists them"
        lines.append([(more, "faint")])
    return lines


def segments(path: CriticalPath, names: Names, wording: Wording, width: int, *, everything: bool) -> list[Line]:
    """Each stretch in the order of time; the longest ones if there are many."""
    columns = (
        Column("from"), Column("took"), Column("what", 14), Column("task", 10), Column("at", 14),
        Column("in the way", 12, rank=1),
    )  # fmt: skip
    shown = path.segments
    if not everything and len(shown) > _SEGMENTS:
        least = sorted((segment.length_ns for segment in shown), reverse=True)[_SEGMENTS - 1]
        shown = [segment for segment in shown if segment.length_ns >= least][:_SEGMENTS]
    rows: list[Sequence[Span]] = [
        (
            (wording.duration(segment.start_ns), "faint"),
            (wording.duration(segment.length_ns), "plain"),
            (said(segment.kind, segment.label, wording), _STYLES.get(segment.kind, "waiting")),
            (names.full_of(segment.task) if segment.task is not None else "", "plain"),
            (place(segment.at, wording, function=False), "plain"),
            (_in_the_way(segment, names), "faint"),
        )
        for segment in shown
    ]
    lines = table(columns, rows, width, wording.glyphs.ellipsis) if rows else []
    if len(path.segments) > len(shown):
        lines.append([(f"and {plural(len(path.segments) - len(shown), 'shorter one')}; `--all` lists them", "faint")])
    return lines


def _in_the_way(segment: Segment, names: Names) -> str:
    """The task or callback that ran most meanwhile, and how many others did."""
    if not segment.in_the_way:
        return ""
    first = segment.in_the_way[0]
    text = names.full_of(first.task) if first.task is not None else f"callback {names.coroutine(first.callback or '')}"
    more = len(segment.in_the_way) - 1
    return f"{text} and {count(more)} more" if more else text
