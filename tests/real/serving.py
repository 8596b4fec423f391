"""Starts a server, plain or traced, puts load on it, stops it with Ctrl-C, and keeps what both sides said."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cli import timeline
from cli.command import DEADLINE, MODULE, environment

RESULT = Any


class Served(NamedTuple):
    """What came of a server that was started, used and stopped."""

    results: RESULT
    """What its clients got."""
    status: int
    stdout: list[str]
    stderr: list[str]


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def serve(words: list[str], load: Callable[[int], RESULT], cwd: Path) -> Served:
    """Run `python WORDS...` ({port} in them is a free one), wait until it listens, put load on it, interrupt it."""
    port = free_port()
    command = [sys.executable, *(word.replace("{port}", str(port)) for word in words)]
    with (
        (cwd / "stdout").open("w+") as stdout,
        (cwd / "stderr").open("w+") as stderr,
        subprocess.Popen(command, cwd=cwd, env=environment(), stdout=stdout, stderr=stderr) as process,
    ):
        try:
            _wait_until_it_listens(port, process, cwd / "stderr")
            results = load(port)
            process.send_signal(signal.SIGINT)
            status = process.wait(DEADLINE)
        finally:
            process.kill()
    said = (_in_order((cwd / name).read_text().replace(str(port), "PORT")) for name in ("stdout", "stderr"))
    return Served(results, 130 if status == -signal.SIGINT else status, *said)


def _in_order(said: str) -> list[str]:
    """Lines without the time of day, in an order that does not hang on whose request was first."""
    return sorted(re.sub(r"\[\d\d/.*?\]", "[TIME]", line) for line in said.splitlines())


def serve_both(words: list[str], load: Callable[[int], RESULT], cwd: Path) -> tuple[Served, Served, dict[str, Any]]:
    """The same under plain Python and traced, and the timeline."""
    plain = serve(words, load, cwd)
    traced = serve([*MODULE, "run", "-q", "-o", "t.json", *words], load, cwd)
    return plain, traced, timeline.read(cwd / "t.json")


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], stderr: Path) -> None:
    until = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the server does not listen: {stderr.read_text()}")
