"""The model's columns against a builder that goes record by record."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncio_trace.errors import InputError
from asyncio_trace.events.records import HEADERS, Record
from asyncio_trace.model import Trace, load
from asyncio_trace.recording.format import HEADER, MAGIC, PACKED, SEGMENT, TABLES, Segment, frame, segment_payload
from asyncio_trace.recording.packed import Stream, pack_records
from asyncio_trace.recording.tables import Rows, pack_rows
from model.plain_builder import load_plainly
from recording.damage import damaged
from recording.drawn import QUICK

TABLES_OF_ALL = ("tasks", "runs", "waits", "futures", "jobs", "idle", "callbacks", "resources", "holds", "levels", "members")
ROWS: Rows = {
    "strings": [
        (1, "a"), (2, "Task-3"), (3, "BaseEventLoop.shutdown_asyncgens"), (4, "Future"), (5, "_GatheringFuture"), (6, "sleep"),
        (7, "asyncio.tasks"),
    ],
    "sites": [(1, 1, 2, 3, 4), (2, 6, 1, 4, 7), (3, 1, 1, 5, 1)],
    "stacks": [(1, [1, 3]), (2, [1, 2]), (3, [2])],
}  # fmt: skip
IDS = {"awaited", "task", "parent", "future", "made", "creator", "resource", "waker_id", "origin_id"}
FAR = 1 << 58
"""Beyond any time of a trace, and far from where differences wrap."""


def assert_same(trace: Trace, plain: Trace) -> None:
    """Both say the same."""
    for name in TABLES_OF_ALL:
        assert list(getattr(trace, name)) == list(getattr(plain, name)), name
    for name in ("program", "dropped_events", "complete", "cut", "gaps", "lost_bytes", "witnesses"):
        assert getattr(trace, name) == getattr(plain, name), name


def nonsense(chance: random.Random) -> bytes:
    """A recording of records that have little to do with each other: tasks heard of before they are made, and behind gaps,
    times that go back, things named that are not there.
    """
    most = chance.choice([3, 6, 12, 40])

    def value(field: str) -> int:
        if field in IDS:
            return chance.randint(0, most) if chance.random() < 0.98 else chance.randint(-2, 2**63 - 1)
        if field.endswith("ns"):
            return chance.randint(0, 60) if chance.random() < 0.98 else chance.randint(-FAR, FAR)
        return chance.randint(0, 8) if chance.random() < 0.99 else chance.randint(-(2**63), 2**63 - 1)

    kinds = list(HEADERS)
    weights = [chance.choice([0, 1, 1, 3, 8]) for _ in kinds]
    records: list[Record] = []
    if any(weights):
        made = chance.choices(kinds, weights, k=chance.randint(0, 60))
        records = [kind._make([value(field) for field in kind._fields]) for kind in made]
    out = MAGIC + frame(HEADER, b"{}")
    at, number = 0, chance.choice([0, 0, 0, 3])
    while at < len(records):
        size = chance.choice([1, 5, 20, 100])
        segment = Segment(number, chance.randint(0, 50), 7, chance.choice([0, 0, 0, 5]))
        out += frame(SEGMENT, segment_payload(segment)) + frame(TABLES, pack_rows(ROWS))
        out += frame(PACKED, pack_records(records[at : at + size], Stream()))
        at += size
        number += chance.choice([1, 1, 1, 2])
    return out


@QUICK
@given(seed=st.integers(0, 2**32))
def test_records_in_any_order_give_the_same_tables(seed: int, tmp_path: Path) -> None:
    """Row by row, whatever a recording holds, in as many segments as you like, with gaps between them."""
    path = tmp_path / "t.atrace"
    for part in range(8):
        path.write_bytes(nonsense(random.Random(seed + part)))
        assert_same(load(path), load_plainly(path))


@QUICK
@given(seed=st.integers(0, 2**32))
def test_damaged_recordings_give_the_same_tables(seed: int, tmp_path: Path) -> None:
    """What can be read of a damaged recording means the same."""
    path = tmp_path / "t.atrace"
    for part in range(8):
        path.write_bytes(damaged(seed + part))
        try:
            trace = load(path)
        except InputError:
            continue
        assert_same(trace, load_plainly(path))


@pytest.mark.parametrize("core", ["native", "python"])
@pytest.mark.parametrize("scenario", ["cancel", "executor", "taskgroup", "queue", "streams", "timeout", "lock", "semaphore"])
def test_programs_give_the_same_tables(scenario: str, core: str, tmp_path: Path) -> None:
    """A program's recording, by either core, means the same."""
    if core == "native":
        pytest.importorskip("asyncio_trace.tracer.native_core._native")
    path = tmp_path / "t.atrace"
    words = [sys.executable, "-m", "asyncio_trace", "run", "-q", "--core", core, "-o", str(path), scenario, "--scale", "0.01"]
    subprocess.run(words, check=False, capture_output=True)
    trace = load(path)
    assert len(trace.waits)
    assert_same(trace, load_plainly(path))
