"""Child processes: the loop waits for their output and their end without blocking.

In the trace: each `run_child` waits in `stream.read` for a line from its child, woken by I/O, and then in `process`
for its exit status. The children run at the same time.
"""

import asyncio
import sys

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()

CHILD = """
import sys, time
print("started", flush=True)
time.sleep(float(sys.argv[1]))
print("finished", flush=True)
sys.exit(int(sys.argv[2]))
"""


async def run_child(seconds: float, status: int) -> str:
    """Start a Python of its own, read what it prints, and wait for its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", CHILD, str(seconds), str(status)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    words = [line.decode().strip() async for line in process.stdout]
    return f"{', '.join(words)}, exit status {await process.wait()}"


async def main(options: Options) -> None:
    """Run two children side by side; the second one fails."""
    delays = [options.delay(options.random.uniform(0.5, 1.5)) for _ in range(2)]
    for number, story in enumerate(await asyncio.gather(*map(run_child, delays, (0, 3))), 1):
        print(f"child {number}:", story)


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
