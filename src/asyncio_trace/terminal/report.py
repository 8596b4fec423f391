"""The report: what is wrong, then where the time went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from rich.console import Console

from asyncio_trace.analysis.report import Report
from asyncio_trace.analysis.rules import incomplete_trace
from asyncio_trace.analysis.totals import Await, LoopTotal, Step, Totals
from asyncio_trace.model import Trace
from asyncio_trace.terminal import cancellations, path, resources, summary
from asyncio_trace.terminal.cells import Line, Picture, Span
from asyncio_trace.terminal.findings import Findings
from asyncio_trace.terminal.glyphs import ASCII, UNICODE
from asyncio_trace.terminal.load import loop_lines
from asyncio_trace.terminal.naming import coroutine_names, place, waited_on
from asyncio_trace.terminal.table import Column, table
from asyncio_trace.terminal.wording import Names, Wording, count, percent, plural

_ROWS = 10
_OF_A_RULE = 5
"""Findings of one rule that are listed in full."""
_AT_ONCE = 200
_WIDE = 120


def draw_report(report: Report, console: Console, *, everything: bool = False) -> None:
    """Write the report, as wide as `console`.

    Args:
        report: What to write.
        console: Where to; its encoding decides between Unicode and ASCII glyphs.
        everything: List all rows and findings, not just the first few.
    """
    wording = Wording(ASCII if console.options.ascii_only else UNICODE, console.encoding)
    drawing = _Drawing(report, Names(report.trace, wording), wording, console.width, everything)
    lines = drawing.lines()
    while some := list(islice(lines, _AT_ONCE)):
        console.print(Picture(some, wording.glyphs.ellipsis), soft_wrap=True)


@dataclass(slots=True)
class _Drawing:
    report: Report
    names: Names
    wording: Wording
    width: int
    everything: bool

    @property
    def trace(self) -> Trace:
        """What it is about."""
        return self.report.trace

    @property
    def totals(self) -> Totals:
        """Its sums."""
        return self.report.totals

    @property
    def lived(self) -> int:
        """How long the loops lived together, in nanoseconds."""
        return sum(loop.lifetime_ns for loop in self.totals.loops) or self.totals.end_ns

    def lines(self) -> Iterator[Line]:
        """From top to bottom."""
        findings = self.report.findings
        told = Findings(self.trace, self.names, self.wording, self.width)
        doubts = [finding for finding in findings if finding.rule == incomplete_trace.NAME]
        for doubt in doubts:
            yield from told.one(doubt)
        yield from [[]] * bool(doubts)
        yield from summary.header(self.trace, self.names, self.wording, self.width, self.totals.end_ns)
        yield []
        found = [finding for finding in findings if finding.rule != incomplete_trace.NAME]
        if found:
            yield from told.listed(found, len(found) if self.everything else _OF_A_RULE, "`--all` lists them")
        else:
            yield [(self.wording.glyphs.marks["returned"], "returned"), (" no findings", "plain")]
        for title, section in (
            self._path(),
            ("coroutines, by time running", self._coroutines()),
            ("kinds of wait, by time in all", self._kinds()),
            ("waits, by time in all", self._waits()),
            ("locks, semaphores and queues, by time waited for", self._resources()),
            ("cancellations, by who asked for them", self._cancellations()),
            ("callbacks, by time running", self._callbacks()),
            ("loops", self._loops()),
            *self._loads(),
            (f"longest steps, {self._over_threshold()}", self._steps()),
            ("executor jobs, by time in all", self._jobs()),
        ):
            if section:
                yield from [[], [(title, "title")], *section]

    def _path(self) -> tuple[str, list[Line]]:
        report, names, wording = self.report, self.names, self.wording
        if report.path is None:
            return "", []
        lines = path.sums(report.path, report.path_totals, names, wording, self.width, everything=self.everything)
        if report.path_asked:
            stretches = path.segments(report.path, names, wording, self.width, everything=self.everything)
            lines += [[], [("its stretches, in the order of time", "title")], *stretches]
        return path.heading(report.path, names, wording), lines

    def _table(self, columns: Sequence[Column], rows: Sequence[Sequence[Span]], noun: str) -> list[Line]:
        if not rows:
            return []
        shown = rows if self.everything else rows[:_ROWS]
        lines = table(columns, shown, self.width, self.wording.glyphs.ellipsis)
        if len(rows) > len(shown):
            lines.append([(f"and {plural(len(rows) - len(shown), noun)} more; `--all` lists them", "faint")])
        return lines

    def _coroutines(self) -> list[Line]:
        columns = (
            Column("coroutine", 22), Column("tasks"), Column("steps", rank=3), Column("running"), Column("busy", rank=4),
            Column("ready"), Column("waiting"), Column("longest step", rank=1), Column("mean life", rank=5),
            Column("ended", 11, rank=2),
        )  # fmt: skip
        duration = self.wording.duration
        called = coroutine_names([total.coroutine for total in self.totals.coroutines], self.names, self.wording)
        rows = [
            (
                (called[total.coroutine], "plain"),
                (count(total.tasks), "plain"),
                (count(total.steps), "faint"),
                (duration(total.running_ns), "plain"),
                (percent(total.running_ns, self.lived), "faint"),
                (duration(total.ready_ns), "plain"),
                (duration(total.waiting_ns), "plain"),
                self._length(total.longest_step_ns),
                (duration(total.lifetime_ns // total.tasks), "faint"),
                (self._outcomes(total.outcomes), "faint"),
            )
            for total in self.totals.coroutines
        ]
        return self._table(columns, rows, "coroutine")

    def _kinds(self) -> list[Line]:
        """Only where they say more than the waits themselves."""
        kinds, duration = self.report.kinds, self.wording.duration
        if len(kinds) == len(self.totals.waits):
            return []
        columns = (Column("kind", 10), Column("count"), Column("waiting"), Column("ready"), Column("longest", rank=1))
        rows = [
            (
                (self.wording.clean(kind.kind), "plain"),
                (count(kind.count), "plain"),
                (duration(kind.waiting_ns), "plain"),
                (duration(kind.ready_ns), "plain"),
                (duration(kind.longest_ns), "plain"),
            )
            for kind in kinds
        ]
        return self._table(columns, rows, "kind")

    def _waits(self) -> list[Line]:
        columns = (
            Column("waited on", 20), Column("count"), Column("waiting"), Column("ready"), Column("longest", rank=1),
            Column("longest at", 16, rank=2), Column("of task", 14, rank=3), Column("since", rank=4),
        )  # fmt: skip
        duration = self.wording.duration
        rows = [
            (
                (waited_on(total.kind, total.label, self.wording, total.id), "plain"),
                (count(total.count), "plain"),
                (duration(total.waiting_ns), "plain"),
                (duration(total.ready_ns), "plain"),
                (duration(total.longest_ns), "plain"),
                (place(total.longest_at, self.wording, function=self.width >= _WIDE), "faint"),
                (self.names.full_of(total.longest_task) if total.longest_task is not None else "", "faint"),
                (duration(total.longest_start_ns), "faint"),
            )
            for total in self.totals.waits
        ]
        return self._table(columns, rows, "row")

    def _resources(self) -> list[Line]:
        rows = [resources.row(total, self.names, self.wording) for total in self.report.resources]
        return self._table(resources.COLUMNS, rows, "resource")

    def _cancellations(self) -> list[Line]:
        rows = [
            cancellations.row(total, self.names, self.wording, self._outcomes(total.outcomes))
            for total in self.report.cancellations
        ]
        return self._table(cancellations.COLUMNS, rows, "origin")

    def _callbacks(self) -> list[Line]:
        columns = (
            Column("callback", 12), Column("count"), Column("running"), Column("busy", rank=2), Column("longest", rank=1)
        )  # fmt: skip
        rows = [
            (
                (self.names.coroutine(total.callback), "plain"),
                (count(total.count), "plain"),
                (self.wording.duration(total.running_ns), "plain"),
                (percent(total.running_ns, self.lived), "faint"),
                self._length(total.longest_ns),
            )
            for total in self.totals.callbacks
        ]
        return self._table(columns, rows, "callback")

    def _loops(self) -> list[Line]:
        columns = (
            Column("loop", 12), Column("lived"), Column("ran"), Column("busy"), Column("idle", rank=2),
            Column("neither", rank=3), Column("runs", rank=1), Column("thread", 8, rank=4),
        )  # fmt: skip
        return self._table(columns, [self._loop(loop) for loop in self.totals.loops], "loop")

    def _loop(self, loop: LoopTotal) -> tuple[Span, ...]:
        duration = self.wording.duration
        neither = None if loop.idle_ns is None else loop.lifetime_ns - loop.running_ns - loop.idle_ns
        type_ = loop.type.rpartition(".")[2] if loop.type.startswith("asyncio.") else loop.type
        return (
            (self.wording.clean(type_ or "?") + (f" #{loop.id}" if len(self.totals.loops) > 1 else ""), "plain"),
            (duration(loop.lifetime_ns), "plain"),
            (duration(loop.running_ns), "plain"),
            (percent(loop.running_ns, loop.lifetime_ns), "plain"),
            ("" if loop.idle_ns is None else duration(loop.idle_ns), "plain"),
            ("" if neither is None else duration(neither), "faint"),
            (count(loop.runs), "plain"),
            (self.wording.clean(loop.thread_name), "faint"),
        )

    def _loads(self) -> Iterator[tuple[str, list[Line]]]:
        for load in self.report.loads:
            length = self.wording.duration((load.to_ns - load.from_ns) // max(1, len(load.busy)))
            which = f" #{load.loop}" if len(self.report.loads) > 1 else ""
            yield f"loop{which} over time, in stretches of {length}", loop_lines(load, self.wording, self.width)

    def _over_threshold(self) -> str:
        runs = self.trace.runs.columns
        long = int(((runs.end_ns - runs.start_ns) >= self.report.block_threshold_ns).sum())
        threshold = self.wording.duration(self.report.block_threshold_ns)
        return f"{count(long) if long else 'none'} of them {threshold} or more" + (
            f" ({self.wording.glyphs.blocked})" * (long > 0)
        )

    def _steps(self) -> list[Line]:
        columns = (
            Column("took"), Column("", 1), Column("at"), Column("task", 10), Column("after", 11, rank=1),
            Column("before", 11, rank=1),
        )  # fmt: skip
        rows = []
        for step in self.totals.steps:
            length = self._length(step.length_ns)
            rows.append(
                (
                    length,
                    (self.wording.glyphs.blocked if length[1] == "blocked" else "", "blocked"),
                    (self.wording.duration(step.run.start_ns), "faint"),
                    (self._ran_by(step), "plain"),
                    (self._await(step, step.after, "its start"), "plain"),
                    (self._await(step, step.before, "its end"), "plain"),
                )
            )
        return self._table(columns, rows, "step")

    def _ran_by(self, step: Step) -> str:
        run = step.run
        return self.names.full_of(run.task) if run.task is not None else f"callback {self.names.coroutine(run.callback or '')}"

    def _await(self, step: Step, end: Await | None, otherwise: str) -> str:
        if end is None:
            return "" if step.run.task is None else otherwise
        at = place(end.at, self.wording, function=self.width >= _WIDE)
        return f"{at} {waited_on(end.kind, end.label, self.wording)}".strip()

    def _jobs(self) -> list[Line]:
        columns = (
            Column("function", 12), Column("count"), Column("queued"), Column("ran"), Column("longest", rank=1),
            Column("threads", rank=3), Column("ended", 10, rank=4), Column("handed over at", 12, rank=2),
        )  # fmt: skip
        duration = self.wording.duration
        rows = [
            (
                (self.names.coroutine(total.function), "plain"),
                (count(total.count), "plain"),
                (duration(total.queued_ns), "plain"),
                (duration(total.ran_ns), "plain"),
                (duration(total.longest_ns), "plain"),
                (count(total.threads), "faint"),
                (self._outcomes(total.outcomes), "faint"),
                (place(total.at, self.wording, function=self.width >= _WIDE), "faint"),
            )
            for total in self.totals.jobs
        ]
        return self._table(columns, rows, "function")

    def _length(self, ns: int) -> Span:
        """How long a run took, marked by its style if that is over the threshold."""
        return self.wording.duration(ns), "blocked" if ns >= self.report.block_threshold_ns else "plain"

    def _outcomes(self, outcomes: dict[str, int]) -> str:
        """`2 raised, 30 returned`; nothing where all returned."""
        if set(outcomes) == {"returned"}:
            return ""
        ordered = sorted(outcomes, key=lambda outcome: outcomes[outcome])
        return self.wording.clean(", ".join(f"{count(outcomes[outcome])} {outcome}" for outcome in ordered))
