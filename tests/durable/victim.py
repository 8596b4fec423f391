"""A program that does all sorts of things until it is killed, and says what must be in its recording by then.

Words: the recording, the core, the seed, the file of claims. It does not know when it dies.
"""

from __future__ import annotations

import asyncio
import mmap
import random
import struct
import sys
import time
from pathlib import Path

from asyncio_trace.tracer.session import record_to

CLAIM = struct.Struct("<qq")
"""When it was made, and the instant up to which the program's events had been recorded by then."""
MOST = 1 << 17
FILE_BYTES = 8 + CLAIM.size * MOST
"""The trace's instant 0, then claims. All times are those of the machine's monotonic clock, which its processes share."""


class Claims:
    """Claims in memory that outlives the process."""

    def __init__(self, path: str, origin: int) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), FILE_BYTES)
        self._map[:8] = struct.pack("<q", origin)
        self._at = 8
        self._begun = 0

    def step(self) -> None:
        """A step begins now: the last one that began has been recorded whole."""
        now = time.monotonic_ns()
        if self._begun and self._at < FILE_BYTES:
            self._map[self._at : self._at + CLAIM.size] = CLAIM.pack(now, self._begun)
            self._at += CLAIM.size
        self._begun = now


def read_claims(path: Path) -> tuple[int, list[tuple[int, int]]]:
    """The trace's instant 0, and the claims."""
    content = path.read_bytes()
    (origin,) = struct.unpack_from("<q", content)
    claims = []
    for claim in CLAIM.iter_unpack(content[8:]):
        if not claim[0]:
            break
        claims.append(claim)
    return origin, claims


async def worker(claims: Claims, chance: random.Random) -> None:
    """Be busy, block, or be idle."""
    while True:
        mood = chance.random()
        if mood < 0.5:  # short steps
            for _ in range(chance.randint(1, 300)):
                claims.step()
                await asyncio.sleep(0)
        elif mood < 0.8:  # a little sleep, as of a server between messages
            for _ in range(chance.randint(1, 20)):
                claims.step()
                await asyncio.sleep(chance.random() / 500)
        elif mood < 0.9:
            claims.step()
            time.sleep(3 * chance.random())  # one long step: the loop is blocked
        else:
            claims.step()
            await asyncio.sleep(3 * chance.random())
        await asyncio.sleep(0)


def main() -> None:
    """Run until killed."""
    recording, core, seed, claims_path = sys.argv[1:]
    session = record_to(recording, core=core)
    asyncio.run(worker(Claims(claims_path, session.recorder.origin), random.Random(int(seed))))


if __name__ == "__main__":
    main()
