"""The exit status of `run` is the program's own, and so is everything it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import asyncio_trace, python, recordings, traced

ENDINGS = {
    "returns": "pass",
    "leaves with 7": "sys.exit(7)",
    "leaves with a message": "sys.exit('not today')",
    "raises": "raise ValueError('bad\\nnews')",
    "raises in a task": "await asyncio.create_task(failing())",
    "raises in a group": "async with asyncio.TaskGroup() as group: group.create_task(failing())",
    "raises in a thread": "await asyncio.to_thread(lambda: 1 / 0)",
    "raises in a callback": "asyncio.get_running_loop().call_soon(lambda: 1 / 0); await asyncio.sleep(0.01)",
    "leaves in a callback": "asyncio.get_running_loop().call_soon(sys.exit, 9); await asyncio.sleep(60)",
    "forgets an exception": "task = asyncio.create_task(failing()); await asyncio.sleep(0.01); del task",
    "forgets a coroutine": "failing()",
    "is interrupted": "os.kill(os.getpid(), signal.SIGINT); await asyncio.sleep(60)",
    "leaves hard": "os._exit(3)",
    "aborts": "os.abort()",
    "kills itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "is terminated": "os.kill(os.getpid(), signal.SIGTERM)",
}

PROGRAM = """\
import asyncio, os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

async def failing():
    await asyncio.sleep(0)
    raise LookupError("lost")

async def main():
    for _ in range(3):
        await asyncio.sleep(0.03)  # what a program that dies has recorded is written when its loop sleeps, every 20 ms at most
    print("working", flush=True)
    {ending}

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ENDINGS)
def test_ends_as_it_ends_under_plain_python(how: str, tmp_path: Path) -> None:
    """Status, stdout and stderr, tracebacks included, are those of plain Python; the trace is there however it ended."""
    (tmp_path / "program.py").write_text(PROGRAM.format(ending=ENDINGS[how]))
    plain = python("program.py", cwd=tmp_path)
    with_us = traced("program.py", cwd=tmp_path)
    assert with_us._replace(status=0) == plain._replace(status=0)
    assert with_us.status == (130 if how == "is interrupted" else plain.status)
    assert len(recordings(tmp_path)) == 1


@pytest.mark.parametrize("how", ["raises", "leaves with 7"])
def test_a_failing_program_is_drawn_after_its_traceback(how: str, tmp_path: Path) -> None:
    """What the program says on stderr comes first and unchanged; the drawing follows."""
    (tmp_path / "program.py").write_text(PROGRAM.format(ending=ENDINGS[how]))
    plain = python("program.py", cwd=tmp_path)
    with_us = asyncio_trace("run", "program.py", cwd=tmp_path)
    assert with_us.status == plain.status
    assert with_us.stderr.startswith(plain.stderr)
    assert "1 task" in with_us.stderr[len(plain.stderr) :]


@pytest.mark.parametrize(
    "source",
    [
        "print('no asyncio')",
        "def broken(:\n",
        "raise OSError(5, 'hands off')",
        "import sys; print('x', file=sys.stderr); sys.exit(4)",
    ],
)
def test_a_program_without_asyncio_is_left_alone(source: str, tmp_path: Path) -> None:
    """Also with a syntax error, it says what it says under plain Python, and leaves no file; without -q we add one line."""
    (tmp_path / "program.py").write_text(source)
    plain = python("program.py", cwd=tmp_path)
    assert traced("program.py", cwd=tmp_path) == plain
    talkative = asyncio_trace("run", "program.py", cwd=tmp_path)
    assert talkative.status == plain.status
    assert talkative.stdout == plain.stdout
    added = talkative.stderr.removeprefix(plain.stderr)
    assert added == "asyncio-trace: the program never imported asyncio: there is nothing to draw\n"
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


@pytest.mark.parametrize("words", [("missing.module",), ("json.decoder.nothing", "-x")])
def test_a_module_that_is_not_there_is_pythons_to_report(words: tuple[str, ...], tmp_path: Path) -> None:
    """Python's own words and status for `-m` with a module that does not exist."""
    assert traced("-m", *words, cwd=tmp_path) == python("-m", *words, cwd=tmp_path)


def test_a_loop_that_never_runs_leaves_no_recording(tmp_path: Path) -> None:
    """A program that imports asyncio and runs no loop has nothing to draw, and no file stays."""
    ended = asyncio_trace("run", "-c", "import asyncio", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (0, "")
    assert ended.stderr == "asyncio-trace: no event loop ran: there is nothing to draw\n"
    assert list(tmp_path.iterdir()) == []
