"""Strategies for records, shared by the tests of this folder."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from asyncio_trace.events.records import HEADERS, Record

EXAMPLES = int(os.environ.get("ASYNCIO_TRACE_EXAMPLES", "60"))
"""More of them make a soak test."""

LIMITS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}

QUICK = settings(max_examples=EXAMPLES, **LIMITS)

WORDS = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), 2**62, -(2**62), 127, 128, 16383, 16384, 2**21 - 1, 2**21])
SMALL = st.integers(0, 40)


@st.composite
def records(draw: st.DrawFn, words: st.SearchStrategy[int] = WORDS | EDGES | SMALL) -> Record:
    """Any record."""
    kind = draw(st.sampled_from(list(HEADERS)))
    return kind._make(draw(st.lists(words, min_size=len(kind._fields), max_size=len(kind._fields))))
