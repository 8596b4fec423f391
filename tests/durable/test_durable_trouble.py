"""When the recording can't be written, the program does not notice, and the user is told once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asyncio_trace.model import load
from cli.command import DEADLINE, Ended, environment, python, recordings, traced
from tracer.tracing import CORES

PROGRAM = """\
import asyncio, os, sys

async def work(number):
    for _ in range(20):
        await asyncio.sleep(0)
    return number

async def main():
    {first}
    total = 0
    for turn in range({turns}):
        total += sum(await asyncio.gather(*(work(number) for number in range(50))))
        await asyncio.sleep(0.03 if turn < 3 else 0)
    print("total", total, flush=True)
    {last}

asyncio.run(main())
"""
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
"""A disk that is full: Python ignores SIGXFSZ, and a write beyond fails with EFBIG."""


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """Name of a core."""
    return str(request.param)


def program(folder: Path, first: str = "pass", last: str = "pass", turns: int = 20) -> None:
    """Write the program."""
    (folder / "program.py").write_text(PROGRAM.format(first=first, last=last, turns=turns))


@pytest.mark.parametrize("limit", [1000, 20_000])
def test_a_full_disk_is_told_once_and_74(core: str, limit: int, tmp_path: Path) -> None:
    """The program's output is as ever; what could not be written is said in one line, the file reads as far as it goes, says
    that events were dropped or is said to be cut, and the status is 74."""
    program(tmp_path, LIMIT.format(limit))
    plain = python("program.py", cwd=tmp_path)
    ended = traced("--core", core, "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert plain == (0, "total 24500\n", "")
    assert (ended.status, ended.stdout) == (74, plain.stdout)
    assert [line for line in ended.said if "gap" in line and "File too large" in line] == ended.said[:1]
    assert len([line for line in ended.said if "gap" in line]) == 1
    trace = load(tmp_path / "r.atrace")
    assert not trace.complete
    assert (tmp_path / "r.atrace").stat().st_size <= limit


def test_a_full_disk_leaves_a_failing_programs_status(core: str, tmp_path: Path) -> None:
    """Traceback and status are the program's."""
    program(tmp_path, LIMIT.format(2000), "sys.exit(7)")
    ended = traced("--core", core, "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (7, "total 24500\n")


def test_events_that_are_lost_are_counted_in_the_file(core: str, tmp_path: Path) -> None:
    """If the disk has room again by the end, the recording ends as it should and says how much is missing."""
    free = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))"
    program(tmp_path, limited, f"import resource; await asyncio.sleep(0.3); {free}")
    ended = traced("--core", core, "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (74, "total 24500\n")
    trace = load(tmp_path / "r.atrace")
    assert trace.dropped_events > 0
    assert not trace.cut


def test_a_recording_that_is_removed_in_mid_run_is_told(core: str, tmp_path: Path) -> None:
    """The program removes the file that is written: one line, and 74."""
    program(tmp_path, last="os.unlink('r.atrace')")
    ended = traced("--core", core, "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (74, "total 24500\n")
    (line,) = ended.said
    assert line.startswith("asyncio-trace: the recording is lost: the program removed ")


def test_a_folder_that_takes_no_file_leaves_the_program_untraced(core: str, tmp_path: Path) -> None:
    """The program removes the folder before it imports asyncio: it runs as ever, one line says why there is no trace, and the
    status is 74."""
    (tmp_path / "out").mkdir()
    (tmp_path / "program.py").write_text("import os; os.rmdir('out'); import asyncio; asyncio.run(asyncio.sleep(0)); print(1)")
    ended = traced("--core", core, "-o", "out/r.atrace", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (74, "1\n")
    assert ended.said[0].startswith("asyncio-trace: the program runs untraced: FileNotFoundError")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """An output below something that is no folder is a usage error, and the program does not run."""
    (tmp_path / "file").write_text("")
    ended = traced("-o", "file/r.atrace", "-c", "print(1)", cwd=tmp_path)
    assert (ended.status, ended.stdout, len(ended.said)) == (2, "", 1)


FORKS = """\
import asyncio, multiprocessing, os, subprocess, sys, threading, time, warnings
warnings.simplefilter("ignore")

async def ticks(number):
    for _ in range(number):
        await asyncio.sleep(0)

def in_child(label):
    asyncio.run(ticks(2000))
    print("child", label, flush=True)

async def main():
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [asyncio.run(ticks(50)) for _ in iter(stop.is_set, True)])
    busy.start()
    for number in range(20):
        child = os.fork()
        if child == 0:
            asyncio._set_running_loop(None)
            status = 1
            try:
                asyncio.run(ticks(200))
                status = 9
            finally:
                os._exit(status)
        await ticks(100)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    stop.set()
    busy.join()
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=in_child, args=(method,))
        process.start()
        process.join()
        print(method, process.exitcode, flush=True)
    subprocess.run([sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0)); print('sub')"], check=True)
    child = os.fork()
    if child == 0:  # it ends as a program does, through atexit
        asyncio._set_running_loop(None)
        sys.exit(5)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    await asyncio.create_task(ticks(3), name="the last")

if __name__ == "__main__":
    asyncio.run(main())
"""


def run_forks(folder: Path, *words: str) -> Ended:
    """Run the program that forks, plain or traced; one that hangs fails."""
    done = subprocess.run(
        [sys.executable, *words, "program.py"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=DEADLINE
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on a forked child can't go on with its parent's loop")
def test_forks_leave_the_parents_recording_alone(core: str, tmp_path: Path) -> None:
    """However a child comes into being, also while another thread's loop is busy, it works, says what it says without us, and
    never touches the file; the parent's trace goes on to its end."""
    (tmp_path / "program.py").write_text(FORKS)
    plain = run_forks(tmp_path)
    assert plain.status == 0, plain.stderr
    assert run_forks(tmp_path, "-m", "asyncio_trace", "run", "-q", "--core", core, "-o", "r.atrace") == plain
    trace = load(tmp_path / "r.atrace")
    assert trace.complete
    assert (trace.dropped_events, trace.lost_bytes) == (0, 0)
    assert {task.outcome for task in trace.tasks if task.name == "the last"} == {"returned"}
    assert [path.name for path in tmp_path.glob("*.atrace")] == ["r.atrace"]


LONELY_FORK = """\
import asyncio, os

async def main():
    for _ in range(10):
        for _ in range(50):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

asyncio.run(main())
"""


def test_python_does_not_warn_of_threads_of_ours(core: str, tmp_path: Path) -> None:
    """A program without threads forks, and from 3.12 on Python would warn of any that there were."""
    (tmp_path / "program.py").write_text(LONELY_FORK)
    flags = ("-Walways::DeprecationWarning",)
    assert python("program.py", cwd=tmp_path, flags=flags) == (0, "", "")
    assert traced("--core", core, "program.py", cwd=tmp_path, flags=flags) == (0, "", "")


RAW_FORK = """\
import asyncio, ctypes, os

async def ticks(number):
    for _ in range(number):
        await asyncio.sleep(0)

async def main():
    for _ in range(5):
        await ticks(3000)
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            await ticks(9000)
            os._exit(5)
        await ticks(300)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    print("parent")

asyncio.run(main())
"""


@pytest.mark.skipif("native" not in CORES, reason="with a thread of Python's beside it, such a child may hang by itself")
def test_a_fork_that_python_does_not_know_of_leaves_the_recording_alone(tmp_path: Path) -> None:
    """A child made by C code goes on with the loop that it finds, and neither hangs nor writes."""
    (tmp_path / "program.py").write_text(RAW_FORK)
    plain = run_forks(tmp_path)
    assert plain == (0, "parent\n", "")
    assert run_forks(tmp_path, "-m", "asyncio_trace", "run", "-q", "--core", "native", "-o", "r.atrace") == plain
    trace = load(tmp_path / "r.atrace")
    assert trace.complete
    assert (trace.dropped_events, trace.lost_bytes, len(trace.tasks)) == (0, 0, 1)


AMID_THREADS = """import asyncio, concurrent.futures.thread, os, sys, threading, warnings
from asyncio_trace.model import load
from asyncio_trace.tracer.session import record_to
warnings.simplefilter("ignore")
stop = threading.Event()

async def ticks():
    for number in range(200):
        await asyncio.sleep(0)
        if number % 50 == 0:
            await asyncio.get_running_loop().run_in_executor(None, int)

def spin():
    while not stop.is_set():
        asyncio.run(ticks())

def fork():
    while not stop.is_set():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

threads = [threading.Thread(target=work) for work in (spin, spin, spin, fork)]
for thread in threads:
    thread.start()
for number in range(12):
    session = record_to("r.atrace", core=sys.argv[1], force=True)
    for _ in range(3):
        asyncio.run(ticks())
        session.recorder.flush()
    assert session.end() is None
    trace = load("r.atrace")
    assert trace.complete and not trace.lost_bytes and trace.tasks
stop.set()
for thread in threads:
    thread.join()
print("done")
"""


def test_traces_begin_and_end_amid_threads_that_run_loops_and_fork(core: str, tmp_path: Path) -> None:
    """Whatever other threads do at that moment, each trace is whole, and nothing hangs."""
    (tmp_path / "program.py").write_text(AMID_THREADS)
    assert python("-X", "faulthandler", "program.py", core, cwd=tmp_path) == (0, "done\n", "")


ODD = """\
import asyncio, os, signal, sys, threading

class Recursive:
    def __repr__(self):
        return repr(self)
    __str__ = __repr__
    def __getattr__(self, name):
        return getattr(self, name + "x")
    def __call__(self, *args):
        calls.append(args)

class Refusing:
    def __getattribute__(self, name):
        raise RuntimeError("no " + name)
    def __call__(self, *args):
        calls.append(args)

class Awaitable(Recursive):
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return 1

class Task(asyncio.Task):
    def __repr__(self):
        return repr(self)
    def get_name(self):
        return self.get_name()

class Future(asyncio.Future):
    def __repr__(self):
        return repr(self)

calls, said = [], []

def fail(kind):
    raise kind("of a callback")

async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: said.append(type(context.get("exception")).__name__))
    loop.set_task_factory(lambda loop, coro, **more: Task(coro, loop=loop, **more))
    for odd in (Recursive(), Refusing()):
        loop.call_soon(odd)
        loop.call_later(0, odd, 1)
        loop.call_soon_threadsafe(odd, 2)
        await asyncio.sleep(0.01)
    for kind in (ValueError, RecursionError, MemoryError, GeneratorExit, asyncio.CancelledError):
        loop.call_soon(fail, kind)
        loop.call_later(0, fail, kind)
        await asyncio.sleep(0.01)
    print(await Awaitable(), await asyncio.create_task(asyncio.sleep(0, 2)))
    future = Future()
    future.add_done_callback(Recursive())
    loop.call_soon(future.set_result, 3)
    print(await future)
    deep = 0
    def dive():
        nonlocal deep
        deep += 1
        loop.call_soon(int)
        dive()
    try:
        dive()
    except RecursionError:
        print("too deep", deep > 100)
    await asyncio.sleep(0)

for turn in range(3):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
for thread in threads:
    thread.start()
    thread.join()
print(len(calls), sorted(said))
raise SystemExit(6)
"""


def test_odd_objects_and_failing_callbacks_are_as_without_us(core: str, tmp_path: Path) -> None:
    """Objects whose repr and attributes recurse or refuse, callbacks that raise anything, loops one after the other and in
    threads: output and status are those of plain Python, and the trace is there to its end."""
    (tmp_path / "program.py").write_text(ODD)
    plain = python("program.py", cwd=tmp_path)
    assert plain.status == 6, plain.stderr
    ended = traced("--core", core, "program.py", cwd=tmp_path)
    assert ended[:2] == plain[:2]
    if ended.said:  # where the stack is used up, an event may be lost, and is counted
        (line,) = ended.said
        assert "gap of" in line
        assert "RecursionError" in line
    (recording,) = recordings(tmp_path)
    trace = load(recording)
    assert not trace.cut
    assert len(trace.program.loops) == 6
    assert len([run for run in trace.runs if run.callback is not None]) > 50
