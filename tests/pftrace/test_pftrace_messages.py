"""What a `.pftrace` holds, decoded with Perfetto's own message classes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from asyncio_trace.exporters.perfetto.exporter import PerfettoExporter
from asyncio_trace.model import Trace, load
from viewer.needed import require
from viewer.pages import MS, contended, recorded


class Slice(NamedTuple):
    """A slice with its texts."""

    start: int
    end: int | None
    name: str
    said: dict[str, str]
    flows: tuple[int, ...]
    ended_flows: tuple[int, ...]


class Decoded:
    """Tracks and slices of a file."""

    def __init__(self, path: Path) -> None:
        try:
            from perfetto.protos.perfetto.trace import perfetto_trace_pb2  # type: ignore[import-untyped]
        except ImportError:
            require(None, "no message classes: pip install perfetto")
            raise
        messages: Any = perfetto_trace_pb2
        trace = messages.Trace()
        assert trace.ParseFromString(path.read_bytes()) == path.stat().st_size
        self.tracks: dict[int, Any] = {}
        self.slices: dict[int, list[Slice]] = defaultdict(list)
        self.clocks: dict[int, int] = {}
        texts: dict[int, str] = {}
        opened: dict[int, tuple[int, Any]] = {}
        for packet in trace.packet:
            assert packet.trusted_packet_sequence_id == 1
            self.clocks |= {clock.clock_id: clock.timestamp for clock in packet.clock_snapshot.clocks}
            if packet.HasField("track_descriptor"):
                assert packet.track_descriptor.uuid not in self.tracks
                self.tracks[packet.track_descriptor.uuid] = packet.track_descriptor
            data = packet.interned_data
            for entry in (*data.event_names, *data.debug_annotation_names):
                texts[entry.iid] = entry.name
            for value in data.debug_annotation_string_values:
                texts[value.iid] = value.str.decode()
            if packet.HasField("track_event"):
                event = packet.track_event
                if event.type == 1:
                    assert event.track_uuid not in opened, "a slice begins within another"
                    opened[event.track_uuid] = packet.timestamp, event
                else:
                    start, first = opened.pop(event.track_uuid)
                    self._add(start, packet.timestamp, first, texts)
        for start, event in opened.values():
            self._add(start, None, event, texts)

    def _add(self, start: int, end: int | None, event: Any, texts: dict[int, str]) -> None:
        said = {texts[note.name_iid]: texts[note.string_value_iid] for note in event.debug_annotations}
        made = Slice(start, end, texts[event.name_iid], said, tuple(event.flow_ids), tuple(event.terminating_flow_ids))
        self.slices[event.track_uuid].append(made)

    def of(self, name: str) -> list[Slice]:
        """Slices of the track of a name."""
        (track,) = [uuid for uuid, track in self.tracks.items() if track.name == name]
        return self.slices[track]


def exported(trace: Trace, folder: Path) -> Decoded:
    """A trace, written and decoded."""
    path = folder / "trace.pftrace"
    PerfettoExporter().export(trace, str(path))
    return Decoded(path)


@pytest.mark.parametrize("scenario", ["gather", "lock", "executor", "cancel", "eager", "exception", "deadlock", "queue"])
def test_every_task_run_and_wake_is_there(scenario: str, tmp_path: Path) -> None:
    """Each task is a track below its creator's; its slices are its states, to the nanosecond; each flow binds two slices."""
    trace = load(recorded(scenario, tmp_path))
    decoded = exported(trace, tmp_path)
    names = {task.id: f"{task.coroutine} · {task.name}" for task in trace.tasks}
    by_name = {track.name: track for track in decoded.tracks.values()}
    for task in trace.tasks:
        track = by_name[names[task.id]]
        parent = decoded.tracks[track.parent_uuid]
        assert parent.name == names[task.parent] if task.parent is not None else parent.HasField("process")
        slices = decoded.slices[track.uuid]
        runs = [run for run in trace.runs if run.task == task.id]
        assert [(one.start, one.end) for one in slices if one.name == "running"] == [(run.start_ns, run.end_ns) for run in runs]
        waiting = sum((one.end or 0) - one.start for one in slices if one.name.startswith("waiting: "))
        if task.ended_ns is not None:
            assert waiting == task.waiting_ns
    flows: dict[int, list[tuple[str, Slice]]] = defaultdict(list)
    for slices in decoded.slices.values():
        for one in slices:
            for flow in one.flows:
                flows[flow].append(("from", one))
            for flow in one.ended_flows:
                flows[flow].append(("to", one))
    for ends in flows.values():
        (_, source), (_, target) = sorted(ends, key=lambda end: end[0])
        assert {end[0] for end in ends} == {"from", "to"}
        assert source.name == "running"
        assert source.start <= target.start
    woken = [wait for wait in trace.waits if wait.waker is not None and wait.waker.task is not None]
    assert len(flows) == len(woken)


def test_slices_say_what_is_waited_on_where_and_what_ended_it(tmp_path: Path) -> None:
    """A wait's slice has its label as its name, and place, stack and waker as arguments; one that never ended has no end."""
    decoded = exported(contended(), tmp_path)
    first = decoded.of("writer · writer-0")
    assert [(one.start, one.end, one.name) for one in first] == [
        (2 * MS, 11 * MS, "ready"),
        (11 * MS, 11 * MS + MS // 2, "running"),
        (11 * MS + MS // 2, 100 * MS, "waiting: Lock.acquire"),
        (100 * MS, 102 * MS, "ready"),
        (102 * MS, 200 * MS, "running"),
    ]
    assert first[2].said["at"] == "writer (/srv/app.py:14)"
    assert first[2].said["stack"].endswith("locks.py:113)")
    assert first[2].said["woken by"] == "timer call_later"
    last = decoded.of("writer · writer-1")[-1]
    assert (last.name, last.end) == ("waiting: Lock.acquire", None)


def test_callbacks_and_jobs_are_on_the_tracks_of_their_threads(tmp_path: Path) -> None:
    """The loop's thread shows callbacks, each executor thread its jobs; the process has the program's name and id."""
    trace = load(recorded("executor", tmp_path))
    decoded = exported(trace, tmp_path)
    threads = {track.thread.tid: uuid for uuid, track in decoded.tracks.items() if track.HasField("thread")}
    for job in trace.jobs:
        slices = decoded.slices[threads[job.thread or 0]]
        assert (job.started_ns, job.ended_ns, job.function) in [(one.start, one.end, one.name) for one in slices]
    callbacks = [(run.start_ns, run.end_ns, run.callback) for run in trace.runs if run.task is None]
    assert [(one.start, one.end, one.name) for one in decoded.slices[threads[trace.program.loops[0].thread]]] == callbacks
    (process,) = [track.process for track in decoded.tracks.values() if track.HasField("process")]
    assert (process.pid, list(process.cmdline)) == (trace.program.pid, trace.program.argv)


def test_the_wall_clock_is_told(tmp_path: Path) -> None:
    """Instant 0 has the time of the program's begin."""
    trace = contended()
    trace.program.started_unix_ns = 1_700_000_000_123_456_789
    assert exported(trace, tmp_path).clocks == {6: 0, 1: 1_700_000_000_123_456_789}


def test_any_name_is_written(tmp_path: Path) -> None:
    """Lone surrogates, empty names and long ones do not stop the export; tasks of one name have tracks of their own."""
    decoded = exported(contended(("\udcff", "", "same", "same", "x" * 10_000)), tmp_path)
    names = [track.name for track in decoded.tracks.values()]
    assert names.count("writer · same") == 2
    assert "writer · ?" in names


def test_an_empty_trace_is_written(tmp_path: Path) -> None:
    """A program that did nothing is a process without slices."""
    trace = contended()
    trace.tasks = []
    trace.runs = []
    trace.waits = []
    assert dict(exported(trace, tmp_path).slices) == {}
