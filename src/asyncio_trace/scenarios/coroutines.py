"""The two ways of writing a coroutine: `async def`, and a generator under `types.coroutine`.

In the trace: one task, and two waits of kind `sleep` and one of kind `yield`, since both kinds of coroutine are
awaited by `main` and become no tasks. The waits' stacks name the function that slept, however it was written.
"""

import asyncio
import types
from collections.abc import Generator
from typing import Any

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def native(seconds: float) -> str:
    """Sleep, written the usual way."""
    await asyncio.sleep(seconds)
    return "async def"


@types.coroutine
def generator_based(seconds: float) -> Generator[Any, None, str]:
    """Sleep, written as a generator: what `await` is made of."""
    yield  # a bare yield gives the loop one turn
    yield from asyncio.sleep(seconds)
    return "types.coroutine"


async def main(options: Options) -> None:
    """Await one of each; a generator-based coroutine can be awaited, but newer Pythons make no task of it."""
    print("coroutine 1, by", await native(options.delay(0.3)))
    print("coroutine 2, by", await generator_based(options.delay(0.3)))


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
