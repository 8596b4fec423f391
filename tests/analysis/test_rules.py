"""Rules are found by entry point, and a failing one costs nothing but its own findings."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import NoReturn

import pytest

from asyncio_trace.analysis import rules
from asyncio_trace.analysis.finding import Finding
from asyncio_trace.model import Program, Trace


def failing(trace: Trace) -> NoReturn:
    """A plug-in's rule that does not work."""
    raise ValueError("no\nluck")


def late(trace: Trace) -> Iterable[Finding]:
    """A plug-in's rule that finds two things, the worse one last."""
    yield Finding("spin", "info", 1, 5, 6, None, "spins", "wait for something")
    yield Finding("deadlock", "error", 2, 9, 9, None, "waits on itself", "don't")


def test_built_in_rules_register_like_plug_ins() -> None:
    """An incomplete trace is reported through the entry point group."""
    trace = Trace(Program(duration_ns=7), dropped_events=2, complete=False, cut=True)
    findings = rules.find_all(trace)
    assert [finding.rule for finding in findings] == ["incomplete-trace", "incomplete-trace"]
    assert {finding.severity for finding in findings} == {"error"}
    assert (findings[0].start_ns, findings[0].end_ns) == (0, 7)


def test_complete_trace_has_no_such_finding() -> None:
    """A whole trace without dropped events is not reported."""
    assert "incomplete-trace" not in {finding.rule for finding in rules.find_all(Trace(Program()))}


def test_failing_rule_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that raise, or can't be loaded, become findings of their own; the other rules' findings stay, worst first."""
    found = [
        EntryPoint("broken", f"{__name__}:failing", rules.GROUP),
        EntryPoint("gone", "no_such_module:find", rules.GROUP),
        EntryPoint("late", f"{__name__}:late", rules.GROUP),
        EntryPoint("incomplete-trace", "asyncio_trace.analysis.rules.incomplete_trace:find", rules.GROUP),
    ]
    monkeypatch.setattr(rules, "entry_points", lambda group: found)
    findings = rules.find_all(Trace(Program(), complete=False))
    assert [finding.rule for finding in findings] == ["incomplete-trace", "deadlock", "rule-failed", "rule-failed", "spin"]
    assert findings[2].message == "the rule broken failed, so its findings are missing: ValueError: no luck"
    assert all("\n" not in finding.message for finding in findings)
