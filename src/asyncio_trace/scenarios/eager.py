"""An eager task (Python 3.12) starts inside `create_task`, and may even end there.

In the trace: the `lookup` of a cached key ends in the instant of its creation, inside the run of `main`, without a
wait. That of a missing key starts there too and runs up to its first wait.
"""

import asyncio
import sys

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


async def lookup(key: str, cache: dict[str, str], seconds: float) -> str:
    """Answer from the cache, else after a while."""
    if key not in cache:
        await asyncio.sleep(seconds)
        cache[key] = f"value of {key}"
    return cache[key]


async def main(options: Options) -> None:
    """Look up three keys, of which one is in the cache."""
    if sys.version_info >= (3, 12):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    cache = {"b": "value of b"}
    tasks = [
        asyncio.create_task(lookup(key, cache, options.delay(options.random.uniform(0.5, 1.5))), name=f"lookup-{key}")
        for key in ("a", "b", "c")
    ]
    for task in tasks:
        print(f"{task.get_name()}:", "done at once" if task.done() else "waiting")
    print("then:", ", ".join(await asyncio.gather(*tasks)))


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__, needs_python=(3, 12))))
