"""Whatever happens to a file, reading it gives a trace, if only in part, or one line that says what is wrong.

`benchmarks/fuzz_reader.py` does the same a million times.
"""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from asyncio_trace.errors import InputError
from asyncio_trace.model import Trace, load
from asyncio_trace.recording.format import EVENTS, FRAME_HEAD, HEADER, MAGIC, PACKED, SEGMENT, TABLES, frame
from recording.damage import damaged, sound
from recording.files import recording, small

SMALL_CONSTANT = 4 << 20
"""Bytes that reading may take beyond twice what the sound file takes: pieces in which the next segment is searched for."""


def load_or_refuse(path: Path) -> Trace | None:
    """The trace, or None if the file was refused in one line."""
    try:
        return load(path)
    except InputError as error:
        refusal = str(error)
    assert "\n" not in refusal
    return None


def peak_of_loading(path: Path) -> int:
    """Most bytes that were allocated while a file was read."""
    tracemalloc.start()
    try:
        load_or_refuse(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("style", [0, 1, 4], ids=["packed", "words", "version 1"])
def test_a_file_cut_after_any_byte_is_incomplete_or_refused(tmp_path: Path, style: int) -> None:
    """In each style of the format, a cut file is a trace that is not complete, with no more in it than one that was cut later,
    or is refused if it has not even a whole header."""
    path = tmp_path / "cut.atrace"
    content = sound()[style]
    path.write_bytes(content)
    after = len(load(path).runs)
    for length in reversed(range(len(content))):
        os.truncate(path, length)
        trace = load_or_refuse(path)
        assert (trace is not None) == (length >= content.index(b"}") + 1), length
        if trace is not None:
            assert not trace.complete
            assert len(trace.runs) <= after
            after = len(trace.runs)
    assert after == 0


def test_damage_of_any_sort_gives_a_part_or_a_refusal(tmp_path: Path) -> None:
    """Flipped, inserted, deleted and swapped bytes, lengths that lie, forged frames: no other exception comes of it."""
    path = tmp_path / "damaged.atrace"
    loaded = 0
    for seed in range(1000):
        path.write_bytes(damaged(seed))
        loaded += load_or_refuse(path) is not None
    assert loaded > 800


def test_damage_takes_no_more_memory(tmp_path: Path) -> None:
    """Reading a damaged file takes at most twice the memory of the sound one, and a little."""
    path = tmp_path / "damaged.atrace"
    most = 0
    for content in sound():
        path.write_bytes(content)
        most = max(most, peak_of_loading(path))
    for seed in range(10_000, 10_200):
        path.write_bytes(damaged(seed))
        assert peak_of_loading(path) <= 2 * most + SMALL_CONSTANT, seed


@pytest.mark.parametrize("kind", [HEADER, SEGMENT, TABLES, EVENTS, PACKED, b"0", b"x"])
@pytest.mark.parametrize("length", [0, 1, (1 << 28) - 1, 1 << 28, (1 << 32) - 1])
def test_a_length_that_lies_costs_nothing_but_its_frame(tmp_path: Path, kind: bytes, length: int) -> None:
    """A frame that says it is longer or shorter than it is takes no memory for what is not there, and what stands before it is
    kept."""
    path = tmp_path / "length.atrace"
    records, rows = small()
    content = recording(records, rows)
    path.write_bytes(content)
    whole, most = load(path), peak_of_loading(path)
    path.write_bytes(content + FRAME_HEAD.pack(kind, length, 1) + b"abc")
    trace = load_or_refuse(path)
    assert trace is not None
    assert not trace.complete
    assert len(trace.runs) == len(whole.runs)
    assert peak_of_loading(path) <= 2 * most + SMALL_CONSTANT
    path.write_bytes(MAGIC + FRAME_HEAD.pack(kind, length, 1) + b"abc")
    assert load_or_refuse(path) is None


def test_json_that_is_nested_deep_is_refused(tmp_path: Path) -> None:
    """A header of nothing but brackets does not bring the reader down."""
    path = tmp_path / "deep.atrace"
    path.write_bytes(MAGIC + frame(HEADER, b"[" * 200_000))
    assert load_or_refuse(path) is None
