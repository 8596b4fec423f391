"""Predictions beside what the changed programs really take, on the clock on the wall.

    python benchmarks/what_if.py [--unit SECONDS] [--rounds N] [--pair NAME]

Each pair of tests/whatif/pairs.py is recorded, predicted, and run with the change really made. A unit of time is long enough
that what the machine does besides matters little; where it is busy, a longer one helps.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import alternating
import asyncio_trace
from asyncio_trace.analysis.what_if.changes import parse
from asyncio_trace.analysis.what_if.predict import Prediction, predict

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from whatif.pairs import PAIRS, Pair, Surroundings

HEAD = ["pair", "recorded", "replayed", "predicted", "really", "off"]
ALLOWED = 0.05


class Wall:
    """Passes real time."""

    def __init__(self, unit: float) -> None:
        self._unit = unit

    def block(self, units: float) -> None:
        """Hold the loop."""
        time.sleep(units * self._unit)

    async def in_thread(self, units: float) -> None:
        """Hold a thread."""
        await asyncio.to_thread(time.sleep, units * self._unit)

    async def sleep(self, units: float) -> None:
        """Sleep."""
        await asyncio.sleep(units * self._unit)

    async def reply(self, units: float) -> None:
        """Wait for a reply that another thread sends through a socket."""
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            sender = threading.Timer(units * self._unit, there.send, (b"!",))
            sender.start()
            await asyncio.get_running_loop().sock_recv(here, 1)
            sender.join()


def main() -> int:
    """Print a row for each pair; 1 if a prediction is off by more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unit", type=float, default=0.1, help="seconds that a unit of time takes")
    parser.add_argument("--rounds", type=int, default=3, help="medians are of so many")
    parser.add_argument("--pair", action="append", choices=[pair.name for pair in PAIRS], help="this one only; repeatable")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    world = Wall(options.unit)
    rows, good = [], True
    for pair in PAIRS if options.pair is None else [pair for pair in PAIRS if pair.name in options.pair]:
        predicted = [_predicted(pair, world) for _ in range(options.rounds)]
        really = statistics.median(_took(pair.after, world) for _ in range(options.rounds))
        prediction = sorted(predicted, key=lambda one: one.predicted_ns)[options.rounds // 2]
        off = prediction.predicted_ns / 1e9 / really - 1
        good = good and abs(off) <= ALLOWED
        times = (prediction.recorded_ns, prediction.replayed_ns, prediction.predicted_ns)
        rows.append([pair.name, *(f"{ns / 1e9:.3f} s" for ns in times), f"{really:.3f} s", f"{100 * off:+.1f} %"])
    print(alternating.table(HEAD, rows, markdown=options.markdown))
    return 0 if good else 1


def _predicted(pair: Pair, world: Surroundings) -> Prediction:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.atrace"
        with asyncio_trace.trace(path):
            asyncio.run(pair.before(world))
        return predict(asyncio_trace.load(path), [parse(change) for change in pair.changes])


def _took(program: Callable[[Surroundings], Coroutine[Any, Any, Any]], world: Surroundings) -> float:
    async def timed() -> float:
        start = time.perf_counter()
        await program(world)
        return time.perf_counter() - start

    return asyncio.run(timed())


if __name__ == "__main__":
    sys.exit(main())
