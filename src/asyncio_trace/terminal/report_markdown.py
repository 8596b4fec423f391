"""The report in Markdown, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.report import Report
from asyncio_trace.model import Site
from asyncio_trace.terminal import cancellations, summary
from asyncio_trace.terminal.glyphs import UNICODE
from asyncio_trace.terminal.load import lag_in_words, sparkline
from asyncio_trace.terminal.markdown import code, escaped, table
from asyncio_trace.terminal.naming import coroutine_names, place, waited_on
from asyncio_trace.terminal.path import heading, said
from asyncio_trace.terminal.wording import Names, Wording, count, percent, plural

_ROWS = 10


def markdown(report: Report, *, everything: bool = False) -> Iterator[str]:
    """The lines of the document.

    Args:
        report: What it says.
        everything: List all rows, not just the first few.
    """
    yield from _Document(report, everything).lines()


class _Document:
    def __init__(self, report: Report, everything: bool) -> None:
        self.report = report
        self.everything = everything
        self.wording = Wording(UNICODE)
        self.names = Names(report.trace, self.wording)

    def lines(self) -> Iterator[str]:
        """From top to bottom."""
        report, wording = self.report, self.wording
        about = report.trace.program
        yield f"## {escaped(summary.program(report.trace, wording))}"
        facts = [
            wording.duration(report.totals.end_ns - about.recorded_from_ns),
            plural(len(report.trace.tasks), "task"),
            plural(len(report.trace.runs), "run"),
            f"lag {lag_in_words(report.lag, wording)}",
        ]
        yield from ["", f"{', '.join(facts)}{f'; Python {escaped(wording.clean(about.python))}' if about.python else ''}", ""]
        yield from self._findings(report.findings)
        yield from self._path()
        yield from self._coroutines()
        yield from self._kinds()
        yield from self._waits()
        yield from self._resources()
        yield from self._cancellations()
        yield from self._steps()
        yield from self._jobs()
        yield from self._loads()

    def _findings(self, findings: Sequence[Finding]) -> Iterator[str]:
        if not findings:
            yield "No findings."
            return
        yield from [f"### {plural(len(findings), 'finding')}", ""]
        shown = findings if self.everything else findings[: 2 * _ROWS]
        for finding in shown:
            where = f" at {code(self._whole(finding.at))}" if finding.at is not None else ""
            rule, message = code(self.wording.clean(finding.rule)), escaped(self.wording.clean(finding.message))
            yield f"- **{escaped(self.wording.clean(finding.severity))}** {rule}: {message}{where}"
            if finding.advice:
                yield f"  {escaped(self.wording.clean(finding.advice))}"
        if len(findings) > len(shown):
            yield f"- and {count(len(findings) - len(shown))} more"

    def _whole(self, site: Site) -> str:
        return self.wording.clean(f"{site.file}:{site.line}")

    def _table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> Iterator[str]:
        if rows:
            shown = rows if self.everything else rows[:_ROWS]
            yield from ["", f"### {title}", "", *table(head, shown, texts=texts)]
            if len(rows) > len(shown):
                yield from ["", f"and {count(len(rows) - len(shown))} more"]

    def _path(self) -> Iterator[str]:
        report, duration = self.report, self.wording.duration
        if report.path is None:
            return
        whole = report.path.end_ns - report.path.start_ns
        rows = [
            (
                escaped(said(total.kind, total.label, self.wording)),
                code(self.names.coroutine(total.coroutine)) if total.coroutine else "",
                code(place(total.at, self.wording, function=False)),
                duration(total.ns),
                percent(total.ns, whole),
                count(total.count),
            )
            for total in report.path_totals
        ]
        title = heading(report.path, self.names, self.wording)
        yield from self._table(escaped(title[:1].upper() + title[1:]), ("what", "of", "at", "time", "share", "times"), rows, 3)

    def _coroutines(self) -> Iterator[str]:
        duration, sums = self.wording.duration, self.report.totals
        called = coroutine_names([total.coroutine for total in sums.coroutines], self.names, self.wording)
        rows = [
            (
                code(called[total.coroutine]), count(total.tasks), duration(total.running_ns), duration(total.ready_ns),
                duration(total.waiting_ns), duration(total.longest_step_ns),
            )
            for total in sums.coroutines
        ]  # fmt: skip
        yield from self._table("Coroutines", ("coroutine", "tasks", "running", "ready", "waiting", "longest step"), rows)

    def _kinds(self) -> Iterator[str]:
        duration = self.wording.duration
        rows = [
            (
                escaped(self.wording.clean(kind.kind)), count(kind.count), duration(kind.waiting_ns), duration(kind.ready_ns),
                duration(kind.longest_ns),
            )
            for kind in self.report.kinds
        ]  # fmt: skip
        yield from self._table("Kinds of wait", ("kind", "count", "waiting", "ready", "longest"), rows)

    def _waits(self) -> Iterator[str]:
        duration = self.wording.duration
        rows = [
            (
                code(waited_on(total.kind, total.label, self.wording, total.id)),
                code(place(total.longest_at, self.wording, function=True)),
                count(total.count), duration(total.waiting_ns), duration(total.ready_ns), duration(total.longest_ns),
            )
            for total in self.report.totals.waits
        ]  # fmt: skip
        yield from self._table("Waits", ("waited on", "longest at", "count", "waiting", "ready", "longest"), rows, 2)

    def _resources(self) -> Iterator[str]:
        duration = self.wording.duration
        rows = [
            (
                code(self.wording.clean(f"{total.type} #{total.id}")),
                code(place(total.held_at, self.wording, function=True)),
                count(total.waits), duration(total.waiting_ns), count(total.holds), duration(total.held_ns),
                duration(total.longest_hold_ns), "" if total.most is None else count(total.most),
            )
            for total in self.report.resources
        ]  # fmt: skip
        head = ("resource", "held at", "waits", "waiting", "holds", "held", "longest hold", "most")
        yield from self._table("Locks, semaphores and queues", head, rows, 2)

    def _cancellations(self) -> Iterator[str]:
        rows = [
            (
                code(self.names.coroutine(total.coroutine)),
                code(cancellations.asked_by(total, self.names, self.wording)),
                code(place(total.at, self.wording, function=True)),
                code(cancellations.came_through(total, self.names)),
                count(total.tasks),
                ", ".join(f"{count(number)} {outcome}" for outcome, number in total.outcomes.items()),
            )
            for total in self.report.cancellations
        ]
        yield from self._table("Cancellations", ("cancelled", "asked by", "at", "came through", "tasks", "ended"), rows, 4)

    def _steps(self) -> Iterator[str]:
        rows = []
        for step in self.report.totals.steps:
            run = step.run
            who = self.names.full_of(run.task) if run.task is not None else f"callback {run.callback or '?'}"
            ends = [place(end.at, self.wording, function=True) if end is not None else "" for end in (step.after, step.before)]
            long = step.length_ns >= self.report.block_threshold_ns
            length = self.wording.duration(step.length_ns)
            rows.append((code(self.wording.clean(who)), *map(code, ends), f"**{length}**" if long else length))
        yield from self._table("Longest steps", ("step of", "after", "before", "took"), rows, 3)

    def _jobs(self) -> Iterator[str]:
        duration = self.wording.duration
        rows = [
            (
                code(self.names.coroutine(total.function)), count(total.count), duration(total.queued_ns),
                duration(total.ran_ns), duration(total.longest_ns),
            )
            for total in self.report.totals.jobs
        ]  # fmt: skip
        yield from self._table("Executor jobs", ("function", "count", "queued", "ran", "longest"), rows)

    def _loads(self) -> Iterator[str]:
        for load in self.report.loads:
            length = self.wording.duration((load.to_ns - load.from_ns) // max(1, len(load.busy)))
            yield from ["", f"### Loop #{load.loop} over time, {len(load.busy)} stretches of {length}", "", "```text"]
            heights = UNICODE.heights
            for name, values, most in (
                ("busy ", load.busy, 1.0),
                ("lag  ", load.lag_ns, max(load.lag_ns, default=0)),
                ("ready", load.most_ready, max(load.most_ready, default=0)),
            ):
                yield f"{name} {sparkline(values, most, len(values), heights)}".rstrip()
            yield "```"
