"""How long I/O took where the loop was too busy to see it come."""

from __future__ import annotations

import pytest

from asyncio_trace.analysis.what_if.latency import Latencies
from asyncio_trace.model import Awaited, Idle, Program, Site, Trace, Wait, Waker

MS = 1_000_000
LOOP = 1


def wait(start: int, ready: int, line: int = 1) -> Wait:
    """A wait for I/O, in milliseconds."""
    stack = (Site("fetch", "/srv/app.py", line),)
    return Wait(
        5, start * MS, ready * MS, ready * MS, "socket", Awaited("Future", None, "recv"), stack, Waker("io", None, 0, None)
    )


def latencies(waits: list[Wait], idle: list[tuple[int, int]]) -> Latencies:
    """Of a loop that waited in its selector in these milliseconds."""
    trace = Trace(Program())
    trace.idle = [Idle(LOOP, start * MS, end * MS) for start, end in idle]
    return Latencies(trace, [(LOOP, one) for one in waits])


SEEN = [wait(0, 40), wait(50, 100), wait(100, 160)]
"""They took 40, 50 and 60 ms, and the loop waited for each."""
IDLE = [(0, 40), (50, 100), (101, 160)]


def test_latency_that_was_seen_is_kept() -> None:
    """Where the loop waited in its selector as the I/O came, it took as long as it took."""
    found = latencies(SEEN, IDLE)
    assert [found.of(LOOP, one) // MS for one in SEEN] == [40, 50, 60]


@pytest.mark.parametrize(
    ("late", "idle", "took"),
    [
        (wait(200, 500), (500, 500), 50),  # what is usual there
        (wait(200, 230), (230, 230), 30),  # never more than it took
        (wait(200, 500), (270, 300), 100),  # it had not come as the selector returned at 300
        (wait(200, 500, line=2), (500, 500), 300),  # nothing is known of that place
    ],
)
def test_latency_that_was_not_seen_is_estimated(late: Wait, idle: tuple[int, int], took: int) -> None:
    """Where the loop ran something else, the I/O came when it usually does there, but not before it is known to be missing."""
    assert latencies([*SEEN, late], [*IDLE, idle]).of(LOOP, late) == took * MS


def test_loop_whose_idle_time_is_not_known_has_what_was_recorded() -> None:
    """Other loops than asyncio's may tell nothing of their selector: nothing is estimated there."""
    assert latencies(SEEN, []).of(LOOP, SEEN[2]) == 60 * MS
