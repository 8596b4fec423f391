"""Sending from a trace that a program runs on itself: a process of its own follows the recording.

No thread of the program's: that would need its GIL for each span, hold up its loop, and die with it. The process reads the
file, so it sends also what a program has recorded that was killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WAIT_S = 60.0
"""Most seconds that the end of a trace waits for the rest to be sent; a collector that is away is given up sooner."""


class Sending:
    """Sends from the recording that is being written to `recording`.

    Args:
        recording: The file; it is there already.
        otlp: True for the collector that the OTEL_* variables name, or a URL.

    Raises:
        UsageError: The URL or a variable makes no sense.
        OSError: The process can't be started.
    """

    def __init__(self, recording: Path, otlp: bool | str) -> None:
        target = ["--otlp"] if otlp is True else ["--otlp-endpoint", str(otlp)]
        environment = dict(os.environ)
        # Where we are imported from, if the program had to make that known.
        known = [str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in known if path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "asyncio_trace", "export", "--follow", *target, os.path.abspath(recording)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the program's
        )

    def finish(self) -> str | None:
        """The trace has ended: wait until the rest is sent. Returns what went wrong, in one line."""
        try:
            _, said = self._process.communicate(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return f"can't send spans: not done within {WAIT_S:g} s"
        if self._process.returncode == 0:
            return None
        lines = said.decode(errors="replace").splitlines()
        return lines[-1].removeprefix("asyncio-trace: ") if lines else f"sending ended with status {self._process.returncode}"


def check(otlp: bool | str) -> None:
    """See that spans could be sent there, as far as that shows without connecting.

    Raises:
        UsageError: The URL or a variable makes no sense.
    """
    from asyncio_trace.exporters.otlp.settings import resolve

    resolve("" if otlp is True else str(otlp))


def is_off() -> bool:
    """Whether OTEL_SDK_DISABLED asks for silence."""
    from asyncio_trace.exporters.otlp.settings import is_disabled

    return is_disabled()
