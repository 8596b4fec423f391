"""Signals on their way through `run` to the program."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli import timeline
from cli.command import DEADLINE, MODULE, environment

# The program wakes now and then: a signal that comes between Python's last look for signals and the selector's sleep is seen
# when the selector returns, on any asyncio loop, so a program that sleeps for a minute would now and then answer after one.
COUNTING = """\
import asyncio, signal

async def main():
    asyncio.create_task(asyncio.sleep(60), name="child")
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0.05)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    print("interrupted", flush=True)
    if signal.sigtimedwait([signal.SIGINT], 0.3) is not None:
        print("interrupted again", flush=True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    raise
"""


@contextmanager
def started(*words: str, cwd: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """`python WORDS...` as a process that is killed in the end."""
    process = subprocess.Popen([sys.executable, *words], cwd=cwd, env=environment(), text=True, **options)
    try:
        with process:
            yield process
    finally:
        process.kill()


def send(sent: signal.Signals, *words: str, cwd: Path) -> tuple[int, str, str]:
    """Start `python WORDS...`, send a signal once it says that it is ready; status, stdout and stderr."""
    with started(*words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(sent)
        stdout, stderr = process.communicate(timeout=DEADLINE)
        return process.returncode, stdout, stderr


def test_sigint_to_us_interrupts_the_program_once(tmp_path: Path) -> None:
    """A SIGINT sent to asyncio-trace is one KeyboardInterrupt in the program; the trace is whole and the status 130."""
    (tmp_path / "program.py").write_text(COUNTING)
    _, plain_stdout, plain_stderr = send(signal.SIGINT, "program.py", cwd=tmp_path)
    status, stdout, stderr = send(signal.SIGINT, *MODULE, "run", "-q", "-o", "t.json", "program.py", cwd=tmp_path)
    assert (status, stdout, stderr) == (130, plain_stdout, plain_stderr)
    assert stdout == "interrupted\n"
    trace = timeline.read(tmp_path / "t.json")
    assert [task["outcome"] for task in trace["tasks"]] == ["cancelled", "cancelled"]


def test_ctrl_c_on_a_terminal_interrupts_the_program_once(tmp_path: Path) -> None:
    """Where the terminal sends SIGINT to both of us, the program still gets one, and the trace is written."""
    (tmp_path / "program.py").write_text(COUNTING)
    ours, theirs = os.openpty()

    def take_terminal() -> None:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with started(
        *(*MODULE, "run", "-q", "-o", "t.json", "program.py"),
        cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=take_terminal,
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = read_until(ours, b"ready")
        os.write(ours, b"\x03")
        seen += read_until(ours, None)
        assert process.wait(DEADLINE) == 130
    os.close(ours)
    assert seen.count(b"interrupted") == 1
    assert len(timeline.read(tmp_path / "t.json")["tasks"]) == 2


def read_until(descriptor: int, word: bytes | None) -> bytes:
    """Read from a terminal until a word comes, or its other side closes."""
    seen = b""
    until = time.monotonic() + DEADLINE
    while word is None or word not in seen:
        assert select.select([descriptor], [], [], max(0, until - time.monotonic()))[0], seen
        try:
            piece = os.read(descriptor, 4096)
        except OSError:
            piece = b""
        if not piece:
            assert word is None, seen
            return seen
        seen += piece
    return seen


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_deadly_signal_to_us_kills_both_alike(sent: signal.Signals, tmp_path: Path) -> None:
    """A signal that would kill plain Python kills the program, and then us, who have drawn it first."""
    (tmp_path / "program.py").write_text(COUNTING)
    status, stdout, stderr = send(sent, *MODULE, "run", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert (status, stdout) == (-sent, "")
    assert "incomplete trace" in stderr
    assert (tmp_path / "r.atrace").stat().st_size > 0


def test_a_signal_that_the_program_handles_is_its_own(tmp_path: Path) -> None:
    """SIGTERM and SIGUSR1 reach handlers of the program's; its status is the one it leaves with."""
    (tmp_path / "program.py").write_text(
        "import asyncio, signal\n"
        "async def main():\n"
        "    done = asyncio.Event()\n"
        "    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)\n"
        "    print('ready', flush=True)\n"
        "    await done.wait()\n"
        "    print('stopped')\n"
        "asyncio.run(main())\n"
        "raise SystemExit(5)\n"
    )
    status, stdout, _ = send(signal.SIGTERM, *MODULE, "run", "-q", "-o", "t.json", "program.py", cwd=tmp_path)
    assert (status, stdout) == (5, "stopped\n")
    (wait,) = timeline.read(tmp_path / "t.json")["waits"]
    assert (wait["kind"], wait["waker"]["kind"]) == ("event", "signal")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_the_program_dies_with_us(tmp_path: Path) -> None:
    """If asyncio-trace is killed hard, no program stays behind."""
    (tmp_path / "program.py").write_text("import os\nprint(os.getpid(), flush=True)\n" + COUNTING)
    with started(*MODULE, "run", "-q", "program.py", cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        assert process.stdout.readline() == "ready\n"
        process.kill()
        assert process.stdout.read() == ""  # its writing end is closed: the program has ended
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until and is_alive(program):
        pass
    assert not is_alive(program)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
