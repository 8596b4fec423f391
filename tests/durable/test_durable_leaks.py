"""Nothing is left behind by a trace: neither objects nor memory grow, however many steps and traces there were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.command import environment
from durable import leaks
from tracer.tracing import CORES

STEPS = int(os.environ.get("ASYNCIO_TRACE_LEAK_STEPS", "100000"))
TRACES = 5


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident size is read from Linux's /proc")
@pytest.mark.parametrize("core", CORES)
def test_many_steps_in_many_traces_leave_nothing_behind(core: str) -> None:
    """After tasks, futures, timers, callbacks, cancellations and exceptions in several traces, there are as many objects and
    memory blocks as after the first few, and the process is as large."""
    words = [sys.executable, str(Path(leaks.__file__)), core, str(STEPS), str(TRACES)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    growth = json.loads(done.stdout)
    print(core, growth)
    assert growth["objects"] < 100
    assert growth["blocks"] < STEPS // 50  # the interpreter's own free lists take some, once; a leak would take one a turn
    assert growth["resident"] < 8 << 20
