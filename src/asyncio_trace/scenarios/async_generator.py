"""An async generator runs inside the task that iterates it; it is no task of its own.

In the trace: the one task `main` does all the waiting, and the stacks of its waits end in `readings`, the
generator. Leaving the loop early closes the generator, whose clean-up sleeps once more.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def readings(options: Options) -> AsyncGenerator[int, None]:
    """Read a sensor again and again, and switch it off at the end."""
    try:
        while True:
            await asyncio.sleep(options.delay(0.3))
            yield options.random.randint(10, 30)
    finally:
        await asyncio.sleep(options.delay(0.5))
        print("sensor switched off")


async def main(options: Options) -> None:
    """Take five readings; `aclosing` sees to it that the generator ends here and not at some later time."""
    taken = 0
    async with aclosing(readings(options)) as sensor:
        async for degrees in sensor:
            print(f"{degrees} degrees")
            taken += 1
            if taken == 5:
                break


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
