"""Cancelling is a request: a task can stop at once, clean up first, or take no notice.

In the trace: all three tasks are asked at the same instant by `main`. `prompt` ends there, `tidy` some time later,
and `stubborn` goes on and returns as if nothing had happened (finding `cancel-ignored`).
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS = (("cancel-ignored", "stubborn", "await asyncio.sleep(options.delay(10))"),)


async def prompt(options: Options) -> None:
    """Stop when asked to, like any coroutine that does nothing about it."""
    await asyncio.sleep(options.delay(10))


async def tidy(options: Options) -> None:
    """Save what was done before stopping."""
    try:
        await asyncio.sleep(options.delay(10))
    finally:
        await asyncio.sleep(options.delay(0.5))


async def stubborn(options: Options) -> str:
    """Swallow the request and go on: almost always a mistake."""
    try:
        await asyncio.sleep(options.delay(10))
    except asyncio.CancelledError:
        await asyncio.sleep(options.delay(1))
    return "went on to the end"


async def main(options: Options) -> None:
    """Start three tasks, ask all of them to stop, and see who did."""
    tasks = [asyncio.create_task(work(options), name=work.__name__) for work in (prompt, tidy, stubborn)]
    await asyncio.sleep(options.delay(1))
    for task in tasks:
        task.cancel("time to stop")
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for task, outcome in zip(tasks, outcomes, strict=True):
        print(f"{task.get_name()}:", "cancelled" if task.cancelled() else outcome)


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
