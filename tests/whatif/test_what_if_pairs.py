"""What a replay predicts is what the changed program then takes."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from asyncio_trace.analysis.what_if.changes import parse
from asyncio_trace.analysis.what_if.predict import predict
from tracer.tracing import CORES
from whatif.pairs import PAIRS, Pair
from whatif.simulated import SECOND, simulated, spend, took


class Virtual:
    """Passes virtual time."""

    def block(self, units: float) -> None:
        """Hold the loop."""
        spend(units)

    async def in_thread(self, units: float) -> None:
        """Hold a thread: virtual time passes beside the loop."""
        await asyncio.sleep(units)

    async def sleep(self, units: float) -> None:
        """Sleep."""
        await asyncio.sleep(units)

    async def reply(self, units: float) -> None:
        """Wait for a reply, which is a timer here."""
        await asyncio.sleep(units)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_prediction_is_what_the_changed_program_takes(pair: Pair, core: str) -> None:
    """A replay without a change takes what the program took within 1 %, with it what the changed program takes within 5 %."""
    trace = simulated(partial(pair.before, Virtual()), core=core, tick=200)
    prediction = predict(trace, [parse(change) for change in pair.changes])
    real = took(partial(pair.after, Virtual()))
    assert prediction.replay_error < 0.01
    assert prediction.predicted_ns / SECOND == pytest.approx(real, rel=0.05)
    assert prediction.recorded_ns / SECOND != pytest.approx(real, rel=0.1)
