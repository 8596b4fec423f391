"""Runs the program as Python would, in a process of its own, and is nothing but its messenger meanwhile.

The program keeps its own interpreter, arguments, standard streams, signals and exit status; the tracer comes in by
`asyncio_trace.tracer.startup`. What is asked for afterwards (drawing, exports) happens here, so it works however the program
ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncio_trace

_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class Ended(NamedTuple):
    """How the program ended."""

    pid: int
    status: int
    """Exit status, or minus the signal that killed it."""
    unwritten: bool = False
    """The recording could not be written, or not whole; the user has been told."""


def run(words: list[str], *, recording: str, started: Callable[[int], None] = lambda pid: None, **settings: Any) -> Ended:
    """Run `python WORDS...` traced, wait for its end, and pass signals on to it.

    `recording` is the path to write, where `{pid}` stands for the program's process id, with which `started` is called once
    there is one; the other settings are those that `asyncio_trace.tracer.program.begin` takes.
    """
    package = Path(asyncio_trace.__file__).parent
    startup = str(package / "tracer" / "startup")
    scratch = os.environ.get("TMPDIR") or ("/tmp" if os.name == "posix" else os.environ.get("TEMP", "."))
    notice = os.path.join(os.path.abspath(scratch), f"asyncio-trace-{os.getpid()}-{os.urandom(8).hex()}.notice")
    before = os.environ.get("PYTHONPATH")
    settings |= {
        "recording": os.path.abspath(recording),
        "pythonpath": before,
        "package_parent": str(package.parent),
        "notice": notice,
    }
    environment = dict(os.environ)
    environment["PYTHONPATH"] = startup + os.pathsep + before if before else startup  # Python takes an empty one for none
    environment["ASYNCIO_TRACE_STARTUP"] = json.dumps(settings)
    command = [sys.executable, *_interpreter_flags(), *words]
    run_and_wait = _run_and_forward if hasattr(signal, "sigwaitinfo") else _run_and_wait
    ended = run_and_wait(command, environment, started)
    try:
        os.unlink(notice)
    except OSError:
        return ended
    return ended._replace(unwritten=True)


def end_like(status: int) -> None:
    """Exit with the program's status; if a signal killed it, die of the same (130 for Ctrl-C)."""
    sys.stdout.flush()
    sys.stderr.flush()
    if status == -signal.SIGINT:
        sys.exit(130)
    if status < 0:
        number = signal.Signals(-status)
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one core file, the program's, is enough
        except (ImportError, OSError, ValueError):
            pass
        signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
        sys.exit(128 - status)  # the signal is one that does not kill
    sys.exit(status)


def _interpreter_flags() -> list[str]:
    """The options this interpreter was started with, less those that would shut out the tracer's way in."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [flag for flag in flags if flag not in ("-I", "-E", "-S")]


def _run_and_forward(command: list[str], environment: dict[str, str], started: Callable[[int], None]) -> Ended:
    """POSIX: signals that a process sends us go on to the program; those from the terminal have reached it already.

    Without a terminal the program gets a process group of its own, so that a signal to our group reaches it once.
    """
    waited = {signal.SIGCHLD, *(getattr(signal, name) for name in _FORWARDED)}
    grouped = not _has_terminal()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    die_with_us = _death_signal()

    def prepare() -> None:
        die_with_us()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    process = subprocess.Popen(command, env=environment, preexec_fn=prepare, process_group=0 if grouped else None)
    started(process.pid)
    while process.poll() is None:
        info = signal.sigwaitinfo(waited)
        from_terminal = info.si_code > 0 and not grouped
        if info.si_signo != signal.SIGCHLD and not from_terminal:
            process.send_signal(info.si_signo)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Ended(process.pid, process.returncode)


def _run_and_wait(command: list[str], environment: dict[str, str], started: Callable[[int], None]) -> Ended:
    """Elsewhere: the console sends Ctrl-C to both of us; it is the program's to answer."""
    previous = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        process = subprocess.Popen(command, env=environment)
        started(process.pid)
        status = process.wait()
    finally:
        signal.signal(signal.SIGINT, previous)
    return Ended(process.pid, status)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _death_signal() -> Callable[[], Any]:
    """On Linux: a call, for the child before it becomes the program, that makes it die if we are killed."""
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
