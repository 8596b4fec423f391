"""The program finds itself in the same interpreter, with the same arguments, paths and environment, as under plain Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import python, traced

DUMP = """\
{imports}import json, os, signal, sys
print(json.dumps({{
    "argv": sys.argv, "path": sys.path, "environment": dict(os.environ), "flags": str(sys.flags), "name": __name__,
    "file": __file__, "spec": str(__spec__), "warnings": sys.warnoptions, "x": str(sys._xoptions), "prefix": sys.prefix,
    "executable": sys.executable, "encodings": [stream.encoding for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "buffered": [stream.line_buffering for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "signals": {{s: str(signal.getsignal(s)) for s in (1, 2, 10, 13, 15, 17)}}, "mask": str(signal.pthread_sigmask(0, [])),
    "custom": getattr(sys, "custom", None), "folder": os.getcwd(), "main": sorted(vars(sys.modules["__main__"])),
    {more}
}}, indent=1))
"""
WITHOUT = DUMP.format(imports="", more='"ours": [name for name in sys.modules if "asyncio" in name]')
WITH = DUMP.format(
    imports="import asyncio, threading\n", more='"finders": len(sys.meta_path), "threads": threading.active_count()'
)


@pytest.mark.parametrize("source", [WITHOUT, WITH], ids=["without asyncio", "with asyncio"])
@pytest.mark.parametrize(
    ("flags", "variables"),
    [
        ((), {}),
        ((), {"PYTHONPATH": "elsewhere"}),
        ((), {"PYTHONPATH": ""}),
        (("-O", "-Xdev", "-Werror", "-P"), {"PYTHONPATH": "elsewhere:"}),
        ((), {"PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}),
    ],
    ids=["plain", "PYTHONPATH", "empty PYTHONPATH", "interpreter options", "variables"],
)
def test_sees_what_it_sees_under_plain_python(
    source: str, flags: tuple[str, ...], variables: dict[str, str], tmp_path: Path
) -> None:
    """Arguments, paths, environment, flags, streams and signal handlers are the same, whatever Python itself was told."""
    (tmp_path / "dump.py").write_text(source)
    words = ("dump.py", "a b", "--seed", "1", "-o", "-q", "--", "")
    assert traced(*words, cwd=tmp_path, flags=flags, **variables) == python(*words, cwd=tmp_path, flags=flags, **variables)


def test_the_users_own_sitecustomize_runs(tmp_path: Path) -> None:
    """The user's own runs once in ours' place, also if it imports asyncio, and is the one in sys.modules."""
    (tmp_path / "dump.py").write_text(WITH + "import sitecustomize; print(sitecustomize.__file__)")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import asyncio, os, sys\nsys.custom = getattr(sys, 'custom', 0) + 1\nos.environ['CUSTOM'] = 'yes'\nprint('customized')"
    )
    plain = python("dump.py", cwd=tmp_path, PYTHONPATH="site")
    assert '"custom": 1' in plain.stdout
    # asyncio-trace is a Python program too, in which it runs as well
    assert traced("dump.py", cwd=tmp_path, PYTHONPATH="site") == plain._replace(stdout="customized\n" + plain.stdout)


def test_a_broken_sitecustomize_is_reported_as_ever(tmp_path: Path) -> None:
    """What Python says of a sitecustomize that fails is what it says without us."""
    (tmp_path / "sitecustomize.py").write_text("import nothing_of_that_name\n")
    plain = python("-c", "print(1)", cwd=tmp_path, PYTHONPATH=".")
    assert "nothing_of_that_name" in plain.stderr
    assert traced("-c", "print(1)", cwd=tmp_path, PYTHONPATH=".") == plain._replace(stderr=plain.stderr * 2)  # of us, and of it


def test_standard_input_is_the_programs(tmp_path: Path) -> None:
    """What is piped in reaches the program whole, and so does the end of it."""
    code = "import asyncio, sys; asyncio.run(asyncio.sleep(0)); print(sys.stdin.read().upper(), sys.stdin.isatty())"
    ended = traced("-c", code, cwd=tmp_path, stdin="one\ntwo\n" * 10_000)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ONE\nTWO\n" * 10_000 + " False\n", "")


def test_children_of_the_program_are_not_traced(tmp_path: Path) -> None:
    """Subprocesses, spawned and forked ones run as ever and leave no recordings of their own."""
    (tmp_path / "program.py").write_text(
        "import asyncio, multiprocessing, os, subprocess, sys\n"
        "CODE = 'import asyncio, os; asyncio.run(asyncio.sleep(0)); print(sorted(os.environ))'\n"
        "def work(number):\n"
        "    asyncio.run(asyncio.sleep(0))\n"
        "    print('child', number, flush=True)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(asyncio.sleep(0))\n"
        "    subprocess.run([sys.executable, '-c', CODE], check=True)\n"
        "    for number, method in enumerate(['fork', 'spawn']):\n"
        "        child = multiprocessing.get_context(method).Process(target=work, args=(number,))\n"
        "        child.start()\n"
        "        child.join()\n"
    )
    plain = python("program.py", cwd=tmp_path)
    assert plain.stdout.endswith("child 0\nchild 1\n")
    assert traced("-o", "r.atrace", "program.py", cwd=tmp_path) == plain
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["program.py", "r.atrace"]
