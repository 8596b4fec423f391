"""A bounded queue holds back a producer that is faster than its consumers.

In the trace: the consumers wait in `queue.get` until the first item comes, and from then on they are busy and the
producer waits in `queue.put`, each time until a consumer takes an item. That is back-pressure.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()

ITEMS = 12


async def producer(queue: asyncio.Queue[float], options: Options) -> None:
    """Put items quickly; each says how long it takes to process."""
    for _ in range(ITEMS):
        await asyncio.sleep(options.delay(0.05))
        await queue.put(options.random.uniform(0.3, 0.6))


async def consumer(queue: asyncio.Queue[float], processed: list[float], options: Options) -> None:
    """Process items slowly, until cancelled."""
    while True:
        seconds = await queue.get()
        await asyncio.sleep(options.delay(seconds))
        processed.append(seconds)
        queue.task_done()


async def main(options: Options) -> None:
    """Run one producer and three consumers around a queue with room for two."""
    queue: asyncio.Queue[float] = asyncio.Queue(maxsize=2)
    processed: list[float] = []
    consumers = [asyncio.create_task(consumer(queue, processed, options), name=f"consumer-{n}") for n in (1, 2, 3)]
    await asyncio.create_task(producer(queue, options), name="producer")
    print(f"produced {ITEMS} items")
    await queue.join()
    print(f"consumed {len(processed)} items, {sum(sorted(processed)):.2f} s of work")
    for task in consumers:
        task.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
