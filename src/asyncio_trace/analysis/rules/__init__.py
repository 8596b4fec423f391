"""Runs every rule that is installed: ours and those of plug-ins, all found under one entry point group."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points

from asyncio_trace.analysis.finding import Finding
from asyncio_trace.analysis.rules import incomplete_trace
from asyncio_trace.model import Trace, wait_rules

GROUP = "asyncio_trace.rules"
"""Entry point group. Each entry is a `Rule`."""

Rule = Callable[[Trace], Iterable[Finding]]

_SEVERITIES = ("error", "warning", "info")


def find_all(trace: Trace) -> list[Finding]:
    """The findings of all rules: what makes the trace itself doubtful first, then the worst, then by time.

    A rule that fails costs its own findings only; a finding of rule `rule-failed` says so.
    """
    findings: list[Finding] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        findings += _run(entry, trace)
    findings += [
        _failed(f"the wait rules {failure.name}", "labels of waits", failure.reason, failure.package, trace)
        for failure in wait_rules.installed().failures
    ]
    return sorted(findings, key=_rank)


def _run(entry: EntryPoint, trace: Trace) -> list[Finding]:
    try:
        rule: Rule = entry.load()
        return list(rule(trace))
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        package = entry.dist.name if entry.dist else entry.value
        return [_failed(f"the rule {entry.name}", "findings", reason, package, trace)]


def _failed(what: str, missing: str, reason: str, package: str, trace: Trace) -> Finding:
    return Finding(
        rule="rule-failed",
        severity="warning",
        task=None,
        start_ns=0,
        end_ns=trace.program.duration_ns,
        at=None,
        message=f"{what} failed, so its {missing} are missing: {reason}",
        advice=f"report it to the authors of {package}",
    )


def _rank(finding: Finding) -> tuple[bool, int, int]:
    severity = _SEVERITIES.index(finding.severity) if finding.severity in _SEVERITIES else len(_SEVERITIES)
    return finding.rule != incomplete_trace.NAME, severity, finding.start_ns
