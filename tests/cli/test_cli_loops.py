"""`--loop`: the program gets the loop that was asked for, or does not run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from cli import timeline
from cli.command import traced

PROGRAM = """\
import asyncio

async def main():
    print(type(asyncio.get_running_loop()).__module__)
    await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(3)))

if __name__ == "__main__":
    asyncio.run(main())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
"""


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("asyncio", "asyncio.unix_events"),
        ("asyncio:new_event_loop", "asyncio.unix_events"),
        ("uvloop", "uvloop"),
        ("uvloop:new_event_loop", "uvloop"),
        ("mine:make", "mine"),
    ],
)
def test_gives_the_program_that_loop(name: str, module: str, tmp_path: Path) -> None:
    """Both `asyncio.run` and `new_event_loop` make it, and the trace sees all tasks on it."""
    if module == "uvloop" and find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mine.py").write_text(
        "import asyncio\nclass Mine(asyncio.SelectorEventLoop): pass\ndef make(): return Mine()\n"
    )
    assert traced("--loop", name, "-o", "t.json", "program.py", cwd=tmp_path) == (0, f"{module}\n" * 2, "")
    trace = timeline.read(tmp_path / "t.json")
    assert [loop["type"].rpartition(".")[0] for loop in trace["program"]["loops"]] == [module] * 2
    assert len(trace["tasks"]) == 8


@pytest.mark.parametrize("name", ["nothing_of_that_name:make", "json:no_factory"])
def test_a_loop_that_is_not_to_be_had_is_2(name: str, tmp_path: Path) -> None:
    """The program does not run on another loop instead."""
    (tmp_path / "program.py").write_text(PROGRAM)
    ended = traced("--loop", name, "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"asyncio-trace: no loop is to be had from --loop {name}: ")
    assert len(ended.said) == 1
