"""Two tasks take two locks in opposite order, and each waits for ever for the other.

In the trace: each transfer waits in `lock` for the account that the other one holds, in a circle (finding
`deadlock`). Nothing happens until the timeout of `main` cancels both. Taking locks in one fixed order is the cure.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS = (("deadlock", "transfer", "async with target:"),)


async def transfer(source: asyncio.Lock, target: asyncio.Lock, seconds: float) -> None:
    """Lock the account to take from, and then the one to give to."""
    async with source:
        await asyncio.sleep(seconds)
        async with target:
            print("transferred")


async def main(options: Options) -> None:
    """Transfer both ways at once, and give up after a while."""
    alice, bob = asyncio.Lock(), asyncio.Lock()
    try:
        async with asyncio.timeout(options.delay(3)), asyncio.TaskGroup() as group:
            group.create_task(transfer(alice, bob, options.delay(0.5)), name="alice-to-bob")
            group.create_task(transfer(bob, alice, options.delay(0.5)), name="bob-to-alice")
    except TimeoutError:
        print("deadlock: both transfers were still waiting for each other at the timeout")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
