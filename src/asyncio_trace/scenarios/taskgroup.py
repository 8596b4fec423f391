"""A task group waits for its tasks, and when one of them fails it cancels the others.

In the trace: the first group ends with its slowest child. In the second, `fetch_broken` raises while its siblings
sleep; both are cancelled at that instant, by the group, on behalf of the one that failed.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def fetch(page: str, seconds: float) -> str:
    """Return a page after a while."""
    await asyncio.sleep(seconds)
    return page


async def fetch_broken(seconds: float) -> str:
    """Fail after a while."""
    await asyncio.sleep(seconds)
    raise ConnectionError("the server hung up")


async def main(options: Options) -> None:
    """Run a group in which all goes well, then one in which it does not."""
    async with asyncio.TaskGroup() as group:
        pages = [group.create_task(fetch(page, options.delay(options.random.uniform(0.5, 1.5)))) for page in ("a", "b", "c")]
    print("fetched", *(page.result() for page in pages))

    pages = []
    try:
        async with asyncio.TaskGroup() as group:
            pages += [group.create_task(fetch(page, options.delay(3))) for page in ("d", "e")]
            group.create_task(fetch_broken(options.delay(0.5)))
    except* ConnectionError as failures:
        print("failed:", *failures.exceptions)
    print("cancelled:", sum(page.cancelled() for page in pages), "of", len(pages))


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
