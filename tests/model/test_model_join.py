"""Traces of several processes become one."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from asyncio_trace.model import join, tables, witnesses

LENGTHS = {"running_ns", "ready_ns", "waiting_ns", "late_ns"}
NUMBERS = {"line", "steps", "thread", "most", "value", "wait"}
"""Whole numbers that are neither instants nor ids, or (the row of a wait) are seen to apart."""
DERIVED = {tables.Site, tables.Program, tables.Wake, tables.Iteration}
"""Not moved: without instants, or worked out from others."""


def rows() -> list[type[Any]]:
    """Every kind of row."""
    kinds = [kind for module in (tables, witnesses) for kind in vars(module).values() if dataclasses.is_dataclass(kind)]
    return [kind for kind in kinds if isinstance(kind, type) and kind not in DERIVED and kind is not witnesses.Witnesses]


def test_every_instant_and_every_id_is_moved() -> None:
    """A whole number of a row is one of those, or is known to be something else."""
    assert set(rows()) == set(join._MOVED)
    for kind in rows():
        instants, ids = (names.split() for names in join._MOVED[kind])
        for field, hint in typing.get_type_hints(kind, vars(tables)).items():
            if hint not in (int, int | None):
                continue
            if field.endswith("ns") and not (kind is tables.Task and field in LENGTHS) and field != "late_ns":
                assert field in instants, (kind, field)
            elif field not in NUMBERS | LENGTHS:
                assert field in ids, (kind, field)
