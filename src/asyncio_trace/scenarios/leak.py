"""Tasks that are started and forgotten pile up, and are still pending when the loop closes.

In the trace: each request starts one more `watch`, which waits in `event` for what never comes, and none ever ends
(finding `task-leak`, with the line that starts them). asyncio says so on stderr when they are thrown away.
"""

import asyncio
import gc

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS = (("task-leak", "handle_request", 'asyncio.create_task(watch(hung_up), name=f"watch-{len(connections)}")'),)

REQUESTS = 8


async def watch(hung_up: asyncio.Event) -> None:
    """Wait until the client hangs up, which nobody reports."""
    await hung_up.wait()


async def handle_request(connections: list[asyncio.Event], seconds: float) -> None:
    """Watch the connection, answer, and forget the watching task."""
    hung_up = asyncio.Event()
    connections.append(hung_up)
    asyncio.create_task(watch(hung_up), name=f"watch-{len(connections)}")
    await asyncio.sleep(seconds)


async def main(options: Options) -> None:
    """Handle some requests one after another and count what is left of them."""
    connections: list[asyncio.Event] = []
    for _ in range(REQUESTS):
        await handle_request(connections, options.delay(options.random.uniform(0.1, 0.4)))
    forgotten = asyncio.all_tasks() - {asyncio.current_task()}
    print(f"{REQUESTS} requests handled, {len(forgotten)} tasks left behind")


def run(options: Options) -> None:
    """Run `main` and close the loop at once: `asyncio.run` would cancel the forgotten tasks first."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main(options))
    finally:
        loop.close()


if __name__ == "__main__":
    run(parse_options(__doc__))
    gc.collect()  # throws the tasks away here rather than somewhere in the interpreter's shutdown
