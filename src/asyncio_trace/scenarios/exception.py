"""An exception travels through `gather` to its handler; another one is never seen.

In the trace: `charge` raised and `main` got it from `gather`, at the instant of the raise, while the other task
went on. `send_receipt` raised too, and nobody asked for its result (finding `unretrieved-exception`); asyncio says
so on stderr.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS = (("unretrieved-exception", "send_receipt", 'raise RuntimeError("no receipt was sent")'),)


async def reserve(seconds: float) -> str:
    """Succeed, later than the other one fails."""
    await asyncio.sleep(seconds)
    return "reserved"


async def charge(seconds: float) -> str:
    """Fail after a while."""
    await asyncio.sleep(seconds)
    raise ValueError("the card was refused")


async def send_receipt(seconds: float) -> None:
    """Fail when nobody looks."""
    await asyncio.sleep(seconds)
    raise RuntimeError("no receipt was sent")


async def main(options: Options) -> None:
    """Handle one exception and lose another."""
    receipt = asyncio.create_task(send_receipt(options.delay(0.3)), name="send_receipt")
    reservation = asyncio.create_task(reserve(options.delay(1.5)), name="reserve")
    try:
        await asyncio.gather(reservation, asyncio.create_task(charge(options.delay(0.8)), name="charge"))
    except ValueError as error:
        print("handled:", error)
    print("the other task went on:", await reservation)
    print("receipt:", "done" if receipt.done() else "pending")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
