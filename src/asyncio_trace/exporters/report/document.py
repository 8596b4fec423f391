"""The report as JSON: every number of it. Places, findings and the program look as they do in the timeline."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from asyncio_trace.analysis.critical_path import CriticalPath, PathTotal, Segment
from asyncio_trace.analysis.report import Report
from asyncio_trace.analysis.totals import Await, Step
from asyncio_trace.exporters.timeline.encode import Encoder

FORMAT = "asyncio-trace/report"
VERSION = 1


def document(report: Report) -> dict[str, Any]:
    """The report as what `json.dumps` takes."""
    encode, sums = Encoder(), report.totals
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": encode.program(report.trace.program),
        "dropped_events": report.trace.dropped_events,
        "block_threshold_ns": report.block_threshold_ns,
        "findings": [encode.finding(finding) for finding in report.findings],
        "critical_path": None if report.path is None else _path(report.path, report, encode),
        "lag": asdict(report.lag),
        "loops_over_time": [asdict(load) for load in report.loads],
        "coroutines": [asdict(total) for total in sums.coroutines],
        "wait_kinds": [asdict(total) for total in report.kinds],
        "waits": [asdict(total) | {"longest_at": encode.site(total.longest_at)} for total in sums.waits],
        "resources": [asdict(total) | {"held_at": encode.site(total.held_at)} for total in report.resources],
        "cancellations": [asdict(total) | {"at": encode.site(total.at)} for total in report.cancellations],
        "callbacks": [asdict(total) for total in sums.callbacks],
        "loops": [asdict(total) for total in sums.loops],
        "longest_steps": [_step(step, report.block_threshold_ns, encode) for step in sums.steps],
        "jobs": [asdict(total) | {"at": encode.site(total.at)} for total in sums.jobs],
    }


def _step(step: Step, block_threshold_ns: int, encode: Encoder) -> dict[str, Any]:
    return {
        **encode.run(step.run),
        "blocking": step.length_ns >= block_threshold_ns,
        "after": _await(step.after, encode),
        "before": _await(step.before, encode),
    }


def _await(end: Await | None, encode: Encoder) -> dict[str, Any] | None:
    return None if end is None else asdict(end) | {"at": encode.site(end.at)}


def _path(path: CriticalPath, report: Report, encode: Encoder) -> dict[str, Any]:
    return {
        "task": path.task,
        "start_ns": path.start_ns,
        "end_ns": path.end_ns,
        "by_place": [_path_total(total, encode) for total in report.path_totals],
        "segments": [_segment(segment, encode) for segment in path.segments],
    }


def _path_total(total: PathTotal, encode: Encoder) -> dict[str, Any]:
    return asdict(total) | {"at": encode.site(total.at)}


def _segment(segment: Segment, encode: Encoder) -> dict[str, Any]:
    return {
        "kind": segment.kind,
        "task": segment.task,
        "start_ns": segment.start_ns,
        "end_ns": segment.end_ns,
        "at": encode.site(segment.at),
        "label": segment.label,
        "in_the_way": [asdict(who) for who in segment.in_the_way],
    }
