"""Child processes of a traced program are traced too if that is asked for, each into a file of its own, and read as one."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from asyncio_trace.model import Trace, load
from asyncio_trace.recording.reader import RecordingReader
from cli.command import asyncio_trace, python, traced
from tracer.tracing import CORES, HAS_UVLOOP, check_invariants


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """Name of a core."""
    return str(request.param)


PROGRAM = """\
import asyncio, multiprocessing, os, subprocess, sys, time, warnings
warnings.simplefilter("ignore")

async def work(name):
    await asyncio.create_task(asyncio.sleep(0.01), name=name)

def child(name):
    asyncio.run(work(name))

def grandchild(name):
    process = multiprocessing.get_context("fork").Process(target=child, args=(name,))
    process.start()
    process.join()

async def main():
    await work("parent")
    for method in ("fork", "spawn", "forkserver"):
        process = multiprocessing.get_context(method).Process(target=child, args=(method,))
        process.start()
        process.join()
        assert process.exitcode == 0
    process = multiprocessing.get_context("fork").Process(target=grandchild, args=("grandchild",))
    process.start()
    process.join()
    code = "import asyncio; asyncio.run(asyncio.sleep(0)); print('sub', flush=True)"
    await (await asyncio.create_subprocess_exec(sys.executable, "-c", code)).wait()
    subprocess.run([sys.executable, "-c", "print('without', flush=True)"], check=True)
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3

if __name__ == "__main__":
    asyncio.run(main())
    print("done")
"""


def names(trace: Trace) -> set[str]:
    """Names of tasks that the program gave."""
    return {task.name for task in trace.tasks if not task.name.startswith("Task-")}


def test_children_of_every_kind_are_in_the_trace(core: str, tmp_path: Path) -> None:
    """Forked, spawned, of a fork server, of `subprocess`, children of children: what the program says and how it ends is as
    ever, and the joined trace keeps what every trace keeps."""
    (tmp_path / "program.py").write_text(PROGRAM)
    plain = python("program.py", cwd=tmp_path)
    assert plain == (0, "sub\nwithout\ndone\n", "")
    ended = traced("--core", core, "--children", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert ended == plain
    files = sorted(tmp_path.glob("*.atrace"))
    assert len(files) == 6  # not one for a child without a loop
    trace = load(tmp_path / "r.atrace")
    assert names(trace) == {"parent", "fork", "spawn", "forkserver", "grandchild"}
    assert trace.complete
    check_invariants(trace)
    assert len(trace.program.loops) == 6
    ids = [loop.id for loop in trace.program.loops]
    assert len(set(ids)) == 6
    assert {task.loop for task in trace.tasks} == set(ids)
    threads = [loop.thread_name for loop in trace.program.loops]
    assert len([name for name in threads if ", process " in name]) == 5
    created = {task.name: task.created_ns for task in trace.tasks if task.name in names(trace)}
    assert sorted(created, key=lambda name: created[name]) == ["parent", "fork", "spawn", "forkserver", "grandchild"]
    for task in trace.tasks:
        if task.name in created:
            assert (task.coroutine, task.created_at and task.created_at.function) == ("sleep", "work")
            (wait,) = [wait for wait in trace.waits if wait.task == task.id]
            assert [site.function for site in wait.stack] == ["sleep"]
    (main,) = [task for task in trace.tasks if task.coroutine == "main"]
    assert main.ended_ns is not None
    assert all(main.created_ns <= ns <= main.ended_ns for ns in created.values())


def test_a_childs_recording_is_its_own(core: str, tmp_path: Path) -> None:
    """Read alone it is the trace of that process."""
    (tmp_path / "program.py").write_text(PROGRAM)
    traced("--core", core, "--children", "-o", "r.atrace", "program.py", cwd=tmp_path)
    seen: list[set[str]] = []
    for path in tmp_path.glob("r.*.atrace"):
        with RecordingReader(path) as reader:
            assert path.name == f"r.{reader.header['pid']}.atrace"
            assert reader.header["child"]
        seen.append(names(load(path)))
    assert sorted(map(sorted, seen)) == [[], ["fork"], ["forkserver"], ["grandchild"], ["spawn"]]


def test_show_report_and_export_include_children(tmp_path: Path) -> None:
    """Each of them reads the group."""
    (tmp_path / "program.py").write_text(PROGRAM)
    ended = asyncio_trace("run", "--children", "-o", "r.atrace", "-o", "t.json", "program.py", cwd=tmp_path)
    assert ended.status == 0, ended.stderr
    assert "forkserver" in ended.stderr
    document = json.loads((tmp_path / "t.json").read_text())
    assert {"parent", "fork", "spawn"} <= {task["name"] for task in document["tasks"]}
    assert "spawn" in asyncio_trace("show", "r.atrace", cwd=tmp_path).stdout
    report = json.loads(asyncio_trace("report", "--json", "r.atrace", cwd=tmp_path).stdout)
    assert {total["coroutine"]: total["tasks"] for total in report["coroutines"]}["work"] == 4


def test_a_child_whose_recording_is_broken_is_named(tmp_path: Path) -> None:
    """The rest is there, and the trace is said to be incomplete."""
    (tmp_path / "program.py").write_text(PROGRAM)
    traced("--children", "-o", "r.atrace", "program.py", cwd=tmp_path)
    broken = next(path for path in tmp_path.glob("r.*.atrace") if names(load(path)) == {"spawn"})
    broken.write_bytes(b"asyncio-trace recording 2\n")
    trace = load(tmp_path / "r.atrace")
    assert names(trace) == {"parent", "fork", "forkserver", "grandchild"}
    assert trace.program.unread == [str(broken)]
    shown = asyncio_trace("show", "r.atrace", cwd=tmp_path).stdout
    assert f"the recording {broken.name} of a child process can't be read" in " ".join(shown.split())


def test_without_the_option_children_are_left_alone(core: str, tmp_path: Path) -> None:
    """One file, and no sign of us in the environment."""
    (tmp_path / "program.py").write_text(
        PROGRAM + "    import os; print([name for name in os.environ if 'ASYNCIO_TRACE' in name])\n"
    )
    ended = traced("--core", core, "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (0, "sub\nwithout\ndone\n[]\n")
    assert len(list(tmp_path.glob("*.atrace"))) == 1
    assert names(load(tmp_path / "r.atrace")) == {"parent"}


KILLED = """\
import asyncio, multiprocessing, os, signal, time

async def ticks(number):
    for _ in range(number):
        await asyncio.sleep(0)

async def until_killed():
    await ticks(100)
    await asyncio.sleep(0.4)
    os.kill(os.getpid(), signal.SIGKILL)

def child():
    asyncio.run(until_killed())

async def main():
    await ticks(10)
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    await asyncio.to_thread(process.join)
    print(process.exitcode)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("ring", [(), ("--ring", "1MB")], ids=["file", "ring"])
def test_a_child_that_is_killed_leaves_its_part(core: str, ring: tuple[str, ...], tmp_path: Path) -> None:
    """The trace says that it was cut; a ring of the child's is saved as well."""
    (tmp_path / "program.py").write_text(KILLED)
    flags = ("-Wignore::DeprecationWarning",)
    ended = asyncio_trace(
        "run", "-q", "--core", core, "--children", *ring, "-o", "r.atrace", "program.py", cwd=tmp_path, flags=flags
    )
    assert (ended.status, ended.stdout) == (0, f"{-signal.SIGKILL}\n"), ended.stderr
    trace = load(tmp_path / "r.atrace")
    assert {task.coroutine for task in trace.tasks} >= {"main", "until_killed"}
    assert trace.cut
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


LAUNCHER = """\
import subprocess, sys
subprocess.run([sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0))"], check=True)
assert "asyncio" not in sys.modules
"""


def test_a_program_without_asyncio_whose_children_have_it(tmp_path: Path) -> None:
    """There is nothing to join: the children's recordings are named."""
    (tmp_path / "program.py").write_text(LAUNCHER)
    ended = asyncio_trace("run", "--children", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (0, "")
    (recording,) = tmp_path.glob("*.atrace")
    assert ended.said == [
        f"asyncio-trace: the program itself never imported asyncio; recordings of its children: {recording.name}"
    ]
    assert len(load(recording).tasks) == 1


def test_a_loop_that_was_made_before_the_fork(core: str, tmp_path: Path) -> None:
    """A child that runs it is traced from there on, and the parent goes on with its own."""
    (tmp_path / "program.py").write_text("""\
import asyncio, os

loop = asyncio.new_event_loop()
pid = os.fork()
loop.run_until_complete(loop.create_task(asyncio.sleep(0.01), name="parent" if pid else "child"))
loop.close()
if pid:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
""")
    ended = traced("--core", core, "--children", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert ended == (0, "", "")
    trace = load(tmp_path / "r.atrace")
    assert names(trace) == {"child", "parent"}
    assert {task.outcome for task in trace.tasks} == {"returned"}
    check_invariants(trace)


UVLOOP = """\
import asyncio, multiprocessing

def child():
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0.01))

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=child)
        process.start()
        process.join()
        assert process.exitcode == 0
"""


@pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed")
def test_a_loop_class_that_is_first_met_in_the_child(core: str, tmp_path: Path) -> None:
    """A child that imports uvloop is traced from its first task on."""
    (tmp_path / "program.py").write_text(UVLOOP)
    ended = traced("--core", core, "--children", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert ended == (0, "", "")
    trace = load(tmp_path / "r.atrace")
    assert [loop.type for loop in trace.program.loops] == ["uvloop.Loop"] * 2
    assert [(task.coroutine, task.outcome) for task in trace.tasks] == [("sleep", "returned")] * 2
    check_invariants(trace)
