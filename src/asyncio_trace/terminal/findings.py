"""Findings as a terminal shows them: what is wrong, where, since when, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import Site, Trace
from asyncio_trace.terminal.cells import Line, flow, width_of
from asyncio_trace.terminal.table import wrapped
from asyncio_trace.terminal.wording import Names, Wording, count, plural

_SEVERITY_STYLES = {"error": "blocked", "warning": "ready", "info": "waiting"}


@dataclass(frozen=True, slots=True)
class Findings:
    """Says what was found in a trace, in lines of a width."""

    trace: Trace
    names: Names
    wording: Wording
    width: int

    def listed(self, findings: Sequence[Finding], of_a_rule: int, more_hint: str) -> Iterator[Line]:
        """How many there are, the first few of each rule in full, and how many more there are; `more_hint` says where."""
        yield [(plural(len(findings), "finding"), "title")]
        seen: Counter[str] = Counter()
        for finding in findings:
            seen[finding.rule] += 1
            if seen[finding.rule] <= of_a_rule:
                yield from self.one(finding)
        more: list[Line] = [
            [(f"{count(number - of_a_rule)} more {self.wording.clean(rule)}", "plain")]
            for rule, number in seen.items()
            if number > of_a_rule
        ]
        if more:
            yield from flow([*more, [(more_hint, "faint")]], self.width, self.wording.glyphs.dot)

    def one(self, finding: Finding) -> Iterator[Line]:
        """A finding in full."""
        wording, width = self.wording, self.width
        severity = wording.clean(finding.severity)
        indent = 8 if width >= 40 else 2
        style = _SEVERITY_STYLES.get(finding.severity, "ready")
        first: Line = [(severity.ljust(indent - 1) + " ", style), (f"{wording.clean(finding.rule)}: ", "title")]
        yield from wrapped(finding.message, "plain", width, wording, indent, first)
        about = []
        if finding.at is not None:
            about.append(self._whole_place(finding.at, width - indent))
        if finding.task is not None:
            about.append(f"task {self.names.full_of(finding.task)}")
        if (finding.start_ns, finding.end_ns) != (0, self.trace.program.duration_ns):
            length = finding.end_ns - finding.start_ns
            lasted = f" for {wording.duration(length)}" if length > 0 else ""
            about.append(f"at {wording.duration(finding.start_ns)}{lasted}")
        facts: list[Line] = [[(text, "waiting" if not place and finding.at else "plain")] for place, text in enumerate(about)]
        for line in flow(facts, width - indent, wording.glyphs.dot):
            yield [(" " * indent, ""), *line]
        if finding.advice:
            yield from wrapped(f"advice: {finding.advice}", "faint", width, wording, indent, [(" " * indent, "")])

    def _whole_place(self, site: Site, room: int) -> str:
        """`/srv/app/main.py:12 in fetch`; a path that is too long loses its outer folders."""
        function = f" in {self.wording.clean(site.function.rpartition('<locals>.')[2])}"
        path = self.wording.clean(f"{site.file}:{site.line}")
        parts = path.split("/")
        while len(parts) > 1 and width_of(path + function) > room:
            parts = parts[1:]
            path = "/".join([self.wording.glyphs.ellipsis, *parts])
        return path + function
