"""The recordings of a program and of its child processes: which files belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncio_trace.errors import InputError
from asyncio_trace.recording.reader import RecordingReader


def children_of(path: Path, header: dict[str, Any]) -> tuple[dict[Path, dict[str, Any]], list[Path]]:
    """The recordings of the child processes of the program whose recording is at `path`, with their headers, in the order in
    which they began; and files beside it that look like such but can't be read. Of several that a process made of its ring the
    last counts.
    """
    if not header.get("children") or header.get("child"):
        return {}, []
    return recordings_of_children(path, header.get("group"))


def recordings_of_children(path: Path, group: object) -> tuple[dict[Path, dict[str, Any]], list[Path]]:
    """The same for the program that would have its recording at `path`, whether it has one or not."""
    found: dict[Any, tuple[Path, dict[str, Any]]] = {}
    unreadable = []
    for other in sorted(beside(path), key=lambda other: (len(other.name), other)):
        try:
            with RecordingReader(other) as reader:
                head = reader.header
        except InputError:
            unreadable.append(other)
            continue
        if head.get("group") == group and head.get("child"):
            found[head.get("pid")] = other, head
    ordered = sorted(found.values(), key=lambda pair: _number(pair[1], "started_monotonic_ns"))
    return dict(ordered), unreadable


def beside(path: Path, more: str = "") -> list[Path]:
    """Files whose names are that of a recording with something put in before its suffix, and `more` behind."""
    return list(path.parent.glob(f"{_escaped(path.stem)}.*{_escaped(path.suffix + more)}"))


def shift_ns(header: dict[str, Any], first: dict[str, Any]) -> int:
    """Nanoseconds from instant 0 of the recording `first` to that of another made on the same machine."""
    return _number(header, "started_monotonic_ns") - _number(first, "started_monotonic_ns")


def _number(header: dict[str, Any], name: str) -> int:
    value = header.get(name)
    return value if type(value) is int else 0


def _escaped(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)
