"""A flight recorder keeps the last part of a trace, within its bound whatever the program does, and writes it when asked to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import asyncio_trace
from asyncio_trace.errors import OutputError, UsageError
from asyncio_trace.model import Trace, load
from asyncio_trace.recording.ring import folder_of, segment_files
from asyncio_trace.tracer import flight, session
from cli.command import asyncio_trace as command
from cli.command import environment, python, traced
from tracer.tracing import CORES, HAS_UVLOOP

RING = 1_000_000
LOOPS = ("asyncio", "uvloop") if HAS_UVLOOP else ("asyncio",)


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """Name of a core."""
    return str(request.param)


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Runs a coroutine on a loop."""

    def run_on(coroutine: Any) -> Any:
        if request.param == "uvloop":
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(coroutine)
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(coroutine)

    return run_on


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the recording goes."""
    return tmp_path / "r.atrace"


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """No ring, no draft, no thread stays behind."""
    yield
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".ring", ".tmp")]
    assert not flight._flying


def ring_bytes(output: Path) -> int:
    """Bytes in all files of the ring."""
    total = 0
    for path in folder_of(output).iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def gone_segments(output: Path) -> int:
    """How many segments the ring has let go of."""
    return min((int(path.stem) for path in segment_files(folder_of(output))), default=0)


async def yields(number: int) -> None:
    """So many steps."""
    for _ in range(number):
        await asyncio.sleep(0)


def check_part(trace: Trace) -> None:
    """A whole, sound last part."""
    assert trace.complete
    assert trace.lost_bytes == 0
    assert trace.dropped_events == 0
    for task in trace.tasks:
        assert min(task.running_ns, task.ready_ns, task.waiting_ns) >= 0, task


# -- the bound ----------------------------------------------------------------------------------------------------------


async def many_steps(gone: Callable[[], int]) -> None:
    """Steps, and little else."""
    while gone() < 4:
        await yields(2000)


async def many_strings(gone: Callable[[], int]) -> None:
    """Each task has a name of its own, a long one."""
    number = 0
    while number % 20 or gone() < 4:
        number += 1
        await asyncio.create_task(yields(1), name=f"{number} " + "x" * 3000)
    await asyncio.create_task(yields(1), name="last " + "x" * 3000)


async def many_tasks(gone: Callable[[], int]) -> None:
    """More tasks than the ring can tell of, all of them waiting."""
    event = asyncio.Event()
    tasks = [asyncio.create_task(event.wait()) for _ in range(30_000)]
    await asyncio.sleep(0)
    seen = gone()
    while gone() < seen + 4:
        await yields(2000)
    asyncio_trace.dump().wait()
    event.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("program", [many_steps, many_strings, many_tasks])
def test_the_bound_holds_whatever_the_program_does(core: str, program: Any, output: Path) -> None:
    """Steps, strings or tasks: the files never have more bytes than was said, and what did not fit is counted."""
    most = 0

    def gone() -> int:
        nonlocal most
        running.recorder.flush()
        most = max(most, ring_bytes(output))
        return gone_segments(output)

    running = session.record_to(str(output), core=core, ring=RING)
    asyncio.run(program(gone))
    assert running.end() is None
    assert 0.4 * RING < most <= RING
    trace = load(output)
    assert trace.lost_bytes == 0
    assert trace.program.recorded_from_ns > 0
    assert not trace.cut
    assert (trace.dropped_events > 0) == (program is many_tasks)
    if program is many_strings:
        names = {task.name.split(" ", 1)[0]: task.name for task in trace.tasks if "x" in task.name}
        assert len(names) > 50
        assert all(name.endswith("x" * 3000) for name in names.values())
        assert "last" in names


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_memory_does_not_grow_with_the_run(core: str, output: Path) -> None:
    """A million different names, and what tasks and futures leave, take no more memory in the end than after a while."""
    program = """
import asyncio, os, sys
from asyncio_trace.tracer.session import record_to

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def one(number):
    loop = asyncio.get_running_loop()
    loop.create_future()
    lock = asyncio.Lock()
    async with lock:
        await asyncio.sleep(0)

async def main(turns):
    for turn in range(turns):
        await asyncio.gather(*(asyncio.create_task(one(n), name=f"task {turn}.{n} {'x' * 100}") for n in range(500)))

running = record_to(sys.argv[1], core=sys.argv[2], ring=1_000_000)
asyncio.run(main(int(sys.argv[3])))
before = resident()
asyncio.run(main(2 * int(sys.argv[3])))
print(resident() - before)
assert running.end() is None
"""
    turns = "80" if core == "native" else "20"
    done = subprocess.run(
        [sys.executable, "-c", program, str(output), core, turns],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 16 << 20


# -- what causes a file ---------------------------------------------------------------------------------------------------


def test_what_is_kept_is_the_last_part(core: str, run: Callable[[Any], Any], output: Path) -> None:
    """The end is there, the beginning is not, and a task that waited all along is known by its name and what it waits on."""

    async def main() -> None:
        event = asyncio.Event()
        patient = asyncio.create_task(event.wait(), name="patient")
        while gone_segments(output) < 2:
            await yields(3000)
        event.set()
        await patient

    with asyncio_trace.trace(output, core=core, ring=RING):
        run(main())
    trace = load(output)
    check_part(trace)
    assert 0 < trace.program.recorded_from_ns < trace.program.duration_ns
    (patient,) = [task for task in trace.tasks if task.name == "patient"]
    assert (patient.outcome, patient.coroutine) == ("returned", "Event.wait")
    assert [wait.kind for wait in trace.waits if wait.task == patient.id] == ["event"]


def test_a_short_trace_is_there_whole(core: str, run: Callable[[Any], Any], output: Path) -> None:
    """A ring that was not full holds everything."""
    with asyncio_trace.trace(output, core=core, ring="64MB"):
        run(yields(10))
    trace = load(output)
    check_part(trace)
    assert trace.program.recorded_from_ns == 0
    assert [task.steps for task in trace.tasks] == [11]


def test_a_program_without_a_loop_leaves_an_empty_recording(core: str, output: Path) -> None:
    """Nothing happened; the file says so."""
    with asyncio_trace.trace(output, core=core, ring="64MB") as running:
        pass
    assert running.path == output
    assert load(output).tasks == []


def test_a_step_that_blocks_is_in_the_file_that_it_causes(core: str, run: Callable[[Any], Any], output: Path) -> None:
    """Step and callback alike; shorter ones cause nothing."""

    async def main() -> None:
        await yields(100)
        time.sleep(0.002)
        await yields(100)
        time.sleep(0.06)
        await yields(100)
        await asyncio.sleep(1.5 * flight.LEAST_DISTANCE)
        asyncio.get_running_loop().call_soon(time.sleep, 0.07)
        await asyncio.sleep(0.4)

    with asyncio_trace.trace(output, core=core, ring=RING, when="blocked>50ms") as running:
        run(main())
    paths = [output, output.with_name("r.2.atrace")]
    assert running.path == paths[-1]
    for path, least in zip(paths, (60, 70), strict=True):
        trace = load(path)
        check_part(trace)
        assert max(one.end_ns - one.start_ns for one in trace.runs[-400:]) >= least * 1_000_000
    assert not output.with_name("r.3.atrace").exists()


def test_steps_that_block_all_the_time_do_not_fill_the_disk(core: str, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many files and no more, and the user is told."""
    monkeypatch.setattr(flight, "LEAST_DISTANCE", 0)
    monkeypatch.setattr(flight, "MOST_AUTOMATIC", 3)
    said: list[str] = []
    monkeypatch.setattr(flight, "tell", said.append)

    async def main() -> None:
        for _ in range(10):
            time.sleep(0.004)
            await asyncio.sleep(0.001)

    with asyncio_trace.trace(output, core=core, ring=RING, when="blocked>1ms"):
        asyncio.run(main())
        session.active().recorder.flush()  # type: ignore[union-attr]
    if core == "native":  # the Python core sees all of them at once
        assert len(list(output.parent.glob("*.atrace"))) == 3
        assert said == ["'blocked' has caused 3 recordings; it causes no more"]


def test_an_exception_that_nobody_handles(core: str, run: Callable[[Any], Any], output: Path) -> None:
    """One that reaches the loop's exception handler causes a file; one that is handled does not."""

    async def fail() -> None:
        raise ValueError

    async def main(unhandled: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        await asyncio.gather(fail(), return_exceptions=True)
        if unhandled:
            loop.call_soon(int, "x")
        await asyncio.sleep(0.01)

    for unhandled in (False, True):
        with asyncio_trace.trace(output, core=core, ring=RING, when="exception") as running:
            run(main(unhandled))
        assert running.path == (output if unhandled else None)
    check_part(load(output))


def test_an_exception_that_leaves_the_traced_block(core: str, output: Path) -> None:
    """It causes a file, and goes on."""

    async def main() -> None:
        await yields(3)
        raise LookupError

    with pytest.raises(LookupError), asyncio_trace.trace(output, core=core, ring=RING, when="exception"):
        asyncio.run(main())
    check_part(load(output))


def test_a_signal(core: str, run: Callable[[Any], Any], output: Path) -> None:
    """SIGUSR2 causes a file, and afterwards does what it did before."""

    async def main() -> None:
        await yields(10)
        os.kill(os.getpid(), signal.SIGUSR2)
        while not output.exists():
            await asyncio.sleep(0.01)

    with asyncio_trace.trace(output, core=core, ring=RING, when="signal"):
        run(main())
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
    check_part(load(output))


def test_a_signal_that_the_program_handles_is_the_programs(core: str, output: Path) -> None:
    """The handler that was there stays, and there is no file."""
    seen: list[int] = []
    previous = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))
    try:
        with asyncio_trace.trace(output, core=core, ring=RING, when="signal") as running:
            os.kill(os.getpid(), signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, previous)
    assert seen == [signal.SIGUSR2]
    assert running.path is None


# -- dump -----------------------------------------------------------------------------------------------------------------


def test_dump_from_inside_the_loop(core: str, run: Callable[[Any], Any], output: Path) -> None:
    """It returns at once, the loop goes on, and the file holds what had happened by then."""

    async def main() -> list[Path]:
        await yields(100)
        requests = [asyncio_trace.dump(), asyncio_trace.dump(output.with_name("other.atrace"))]
        await yields(100)
        return [await asyncio.to_thread(request.wait) for request in requests]

    with asyncio_trace.trace(output, core=core, ring=RING) as running:
        paths = run(main())
    assert paths == [output, output.with_name("other.atrace")]
    assert running.path == output.with_name("r.2.atrace")
    steps = [max(task.steps for task in load(path).tasks) for path in (*paths, running.path)]
    assert steps[0] <= steps[-1]
    assert steps[0] >= 100
    for path in paths:
        check_part(load(path))


def test_dump_from_another_thread_while_the_loop_is_busy(core: str, run: Callable[[Any], Any], output: Path) -> None:
    """Each file is whole, though the ring goes on meanwhile."""
    stop = threading.Event()

    async def main() -> None:
        while not stop.is_set():
            await yields(500)
        while gone_segments(output) < 1:
            await yields(500)
        paths.append(await asyncio.to_thread(asyncio_trace.dump().wait))

    paths: list[Path] = []

    def ask() -> None:
        try:
            for _ in range(4):
                paths.append(asyncio_trace.dump().wait())
                time.sleep(0.1)
        finally:
            stop.set()

    with asyncio_trace.trace(output, core=core, ring=RING, when="signal"):
        thread = threading.Thread(target=ask)
        thread.start()
        run(main())
        thread.join()
    assert len(set(paths)) == 5
    ends = []
    for path in paths:
        trace = load(path)
        check_part(trace)
        ends.append(trace.program.duration_ns)
    assert ends == sorted(ends)
    assert trace.program.recorded_from_ns > 0


def test_dump_without_a_ring_is_refused(output: Path) -> None:
    """It says what to do."""
    with pytest.raises(UsageError, match="begin one with"):
        asyncio_trace.dump()
    with asyncio_trace.trace(output), pytest.raises(UsageError, match="begin one with"):
        asyncio_trace.dump()


def test_nothing_is_overwritten(core: str, tmp_path: Path, output: Path) -> None:
    """Names that are taken are passed by, or refused; with `force` they are not."""
    output.with_name("r.2.atrace").write_text("mine")
    with asyncio_trace.trace(output, core=core, ring=RING):
        assert asyncio_trace.dump().wait() == output
        assert asyncio_trace.dump().wait() == output.with_name("r.3.atrace")
        with pytest.raises(UsageError, match="exists"):
            asyncio_trace.dump(output)
    assert output.with_name("r.2.atrace").read_text() == "mine"
    with pytest.raises(UsageError, match="exists"), asyncio_trace.trace(output, core=core, ring=RING):
        pass
    with asyncio_trace.trace(output, core=core, ring=RING, force=True):
        asyncio_trace.dump().wait()
    assert load(output.with_name("r.2.atrace")).complete


def test_a_dump_that_fails_says_why(core: str, tmp_path: Path, output: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is half written, the trace goes on."""
    with asyncio_trace.trace(output, core=core, ring=RING):
        asyncio.run(yields(5))
        with pytest.raises(OutputError, match="No such file or directory"):
            asyncio_trace.dump(tmp_path / "missing" / "x.atrace").wait()
    check_part(load(output))


@pytest.mark.parametrize(
    ("ring", "when", "message"),
    [
        ("64 apples", "exit", "'64 apples' is no size; write 64MB"),
        ("10kB", "exit", "it takes from 1MB"),
        ("64MB", "blocked>soon", "'soon' is no duration; write blocked>100ms"),
        ("64MB", "blocked", "write blocked>100ms"),
        ("64MB", "exit,,", "there are: blocked>DURATION"),
        (None, "exit", "give its size"),
    ],
)
def test_what_makes_no_sense_is_refused(ring: str | None, when: str, message: str, output: Path) -> None:
    """Sizes and triggers; nothing has been made."""
    with pytest.raises(UsageError, match=message), asyncio_trace.trace(output, ring=ring, when=when):
        pass
    assert not list(output.parent.iterdir())


# -- programs -------------------------------------------------------------------------------------------------------------

PROGRAM = """\
import asyncio, os, signal, sys, time

async def ticks(number):
    for _ in range(number):
        await asyncio.sleep(0)

async def main():
    await ticks(1000)
    {middle}
    await ticks(1000)

asyncio.run(main())
print("done")
"""


def program(folder: Path, middle: str) -> None:
    """Write the program."""
    (folder / "program.py").write_text(PROGRAM.format(middle=middle))


def test_a_program_that_is_killed_leaves_its_last_part(core: str, tmp_path: Path) -> None:
    """`run` makes the recording of what the ring holds."""
    program(tmp_path, "await asyncio.sleep(0.3); os.kill(os.getpid(), signal.SIGKILL)")
    ended = traced("--core", core, "--ring", "1MB", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert ended.status == -signal.SIGKILL
    trace = load(tmp_path / "r.atrace")
    assert trace.cut
    assert trace.lost_bytes == 0
    assert [task.steps for task in trace.tasks] == [1001]


def test_a_program_that_is_killed_and_has_no_exit_in_when_leaves_nothing(core: str, tmp_path: Path) -> None:
    """The ring is removed all the same."""
    program(tmp_path, "await asyncio.sleep(0.3); os.kill(os.getpid(), signal.SIGKILL)")
    traced("--core", core, "--ring", "1MB", "--when", "exception", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


def test_a_ring_that_was_left_can_be_saved(core: str, tmp_path: Path) -> None:
    """If `run` is killed too, `repair` makes a recording of the folder, and another trace does not touch it."""
    program(tmp_path, "await asyncio.sleep(60)")
    running = subprocess.Popen(
        [sys.executable, "-m", "asyncio_trace", "run", "--core", core, "--ring", "1MB", "-o", "r.atrace", "program.py"],
        cwd=tmp_path,
        env=environment(),
    )
    folder = tmp_path / "r.atrace.ring"
    try:
        deadline = time.monotonic() + 30
        while not (folder / "00000000.segment").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        running.kill()
        running.wait()
    ended = traced("--core", core, "--ring", "1MB", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert ended.status == 2
    assert "holds what another trace left" in ended.stderr
    saved = command("repair", "r.atrace.ring", "-o", "saved.atrace", cwd=tmp_path)
    assert saved.status == 0, saved.stderr
    assert [task.steps for task in load(tmp_path / "saved.atrace").tasks] == [1001]
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_an_uncaught_exception_ends_the_program_and_causes_a_file(core: str, tmp_path: Path) -> None:
    """Status and traceback are the program's."""
    program(tmp_path, "raise ValueError('planned')")
    ended = traced("--core", core, "--ring", "1MB", "--when", "exception", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert ended.status == 1
    assert ended.said[-1] == "ValueError: planned"
    assert [task.outcome for task in load(tmp_path / "r.atrace").tasks] == ["raised"]


@pytest.mark.parametrize(("when", "left"), [("exit", True), ("exception", True), ("signal", False)])
def test_a_program_that_never_stops_its_trace(core: str, when: str, left: bool, tmp_path: Path) -> None:
    """The end of the interpreter is the end of the trace."""
    (tmp_path / "program.py").write_text(f"""\
import asyncio, asyncio_trace
asyncio_trace.start("r.atrace", ring="1MB", when="{when}", core="{core}")
asyncio.run(asyncio.sleep(0))
raise ValueError("planned")
""")
    ended = python("program.py", cwd=tmp_path)
    assert ended.status == 1
    assert ended.said[-1] == ("asyncio-trace: recording: r.atrace" if left else "ValueError: planned")
    assert {path.name for path in tmp_path.iterdir()} == ({"program.py", "r.atrace"} if left else {"program.py"})


def test_run_says_when_nothing_happened(core: str, tmp_path: Path) -> None:
    """No trigger came: no recording, which is no failure."""
    program(tmp_path, "pass")
    ended = command("run", "--core", core, "--ring", "1MB", "--when", "exception", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (0, "done\n")
    assert ended.said == [
        "asyncio-trace: nothing happened that the ring was to be written on (exception): there is no recording"
    ]


def test_run_passes_the_signal_on_and_exports_the_last_file(core: str, tmp_path: Path) -> None:
    """A recording for the signal, one for the end, and of that one the timeline."""
    program(tmp_path, "os.kill(os.getppid(), signal.SIGUSR2); await asyncio.sleep(0.5)")
    words = ("--core", core, "--ring", "1MB", "--when", "signal,exit", "-o", "t.json", "-o", "r.atrace", "program.py")
    ended = command("run", *words, cwd=tmp_path)
    assert ended.status == 0, ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"program.py", "r.atrace", "r.2.atrace", "t.json"}
    first, last = load(tmp_path / "r.atrace"), load(tmp_path / "r.2.atrace")
    assert (first.tasks[0].outcome, last.tasks[0].outcome) == ("pending", "returned")
    assert json.loads((tmp_path / "t.json").read_text())["tasks"][0]["outcome"] == "returned"
    assert "recordings, of which the last is drawn:" in ended.said


FORKS = """\
import asyncio, os, sys, warnings
import asyncio_trace
warnings.simplefilter("error")

async def ticks(number):
    for _ in range(number):
        await asyncio.sleep(0)

async def main():
    for _ in range(10):
        await ticks(500)
        asyncio_trace.dump()
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

asyncio.run(main())
print("done")
"""


def test_a_fork_waits_until_a_file_is_written(core: str, tmp_path: Path) -> None:
    """Python does not warn of a thread of ours, the child does not touch the ring, and each file is whole."""
    (tmp_path / "program.py").write_text(FORKS)
    ended = traced("--core", core, "--ring", "1MB", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "done\n", "")
    paths = list(tmp_path.glob("*.atrace"))
    assert len(paths) == 11
    for path in paths:
        check_part(load(path))


def test_a_full_disk_is_told_once_and_74(core: str, tmp_path: Path) -> None:
    """The program's output is as ever, and what could be written reads."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); await ticks(20_000)"
    program(tmp_path, limit)
    ended = traced("--core", core, "--ring", "1MB", "-o", "r.atrace", "program.py", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (74, "done\n")
    assert len([line for line in ended.said if "could not be written" in line or "gap" in line]) >= 1
    assert "File too large" in ended.stderr
    for path in (tmp_path / "r.atrace.ring").glob("*"):
        path.unlink()
    if (tmp_path / "r.atrace.ring").exists():
        (tmp_path / "r.atrace.ring").rmdir()
