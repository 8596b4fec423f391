"""The Python interface: trace a piece of a program from within.

`start`/`stop` and `trace` follow every loop that is made or runs meanwhile. `new_event_loop`, `instrument` and
`TracingEventLoopPolicy` follow the loops that they are given, and begin a trace of their own (to the default file, until the
interpreter ends) if none is running.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from asyncio_trace import sending
from asyncio_trace.errors import OutputError, UsageError
from asyncio_trace.recording import limits
from asyncio_trace.sending import Sending
from asyncio_trace.tracer import loops, session

if TYPE_CHECKING:
    from asyncio_trace.recording.limits import When
    from asyncio_trace.tracer.flight import Dump

RECORDING_SUFFIX = ".atrace"


def default_recording() -> str:
    """Path of a recording that got none: in the current folder, named by the program and its process id."""
    argv = getattr(sys, "argv", None) or ["program"]
    stem = Path(argv[0]).stem if argv[0] not in ("", "-c", "-m") else "program"
    return f"asyncio-trace-{stem}.{os.getpid()}{RECORDING_SUFFIX}"


def start(
    output: str | os.PathLike[str] | None = None,
    *,
    core: str = "auto",
    force: bool = False,
    ring: str | int | None = None,
    when: str | Iterable[str] = (),
    otlp: bool | str = False,
) -> None:
    """Begin to trace every loop of this process.

    Args:
        output: Path to write; the suffix decides what (`.atrace`, `.json`, what plug-ins add). Default: `default_recording()`.
        core: "auto", "python" or "native".
        force: Overwrite `output` if it exists.
        ring: Keep only the last part of the trace, at most so many bytes ("64MB"), in a folder beside `output`; `dump` writes
            it to a file at any time. `output` must be an `.atrace` then.
        when: What makes a file be written of a ring: "exit" (the trace ends; the default), "exception" (nobody handles it),
            "signal" (SIGUSR2), "blocked>100ms" (a run took longer); several, or with commas. Files after the first are
            numbered.
        otlp: Send spans and metrics meanwhile: True to where the OTEL_* variables say, else the collector's URL. A process of
            its own follows the recording and sends; `stop` waits for it.

    Raises:
        UsageError: A trace is running, the file exists, nothing writes files of that suffix, or `ring`, `when` or `otlp`
            make no sense.
        OSError: The file can't be made.
    """
    global _running
    _running = _Running(output, core=core, force=force, every_loop=True, ring=ring, when=when, otlp=otlp)


def stop() -> Path:
    """End the trace that `start` began, and write its output.

    Returns the path written, of several that were made of a ring the last.

    Raises:
        UsageError: None is running.
        OutputError: The output could not be written or sent; the recording is kept, and the message says where. Or nothing
            happened that a ring was to be written on.
    """
    global _running
    running, _running = _running, None
    if running is None:
        raise UsageError("no trace is running; asyncio_trace.start() begins one")
    path = running.end()
    if path is None:
        raise OutputError("nothing happened that the ring was to be written on: there is no recording")
    return path


def dump(path: str | os.PathLike[str] | None = None) -> Dump:
    """Begin to write what the trace's ring holds by now. Neither a loop nor the caller waits for it: a thread writes it, and
    the file is there once it is whole. Who needs it waits with `dump().wait()`, which returns the path.

    Args:
        path: Where to; default: the output of the trace, or the next numbered name.

    Raises:
        UsageError: No trace with a ring is running, or the path is taken.
    """
    active = session.active()
    if active is None or active.flight is None:
        raise UsageError("there is no ring to write; begin one with asyncio_trace.start(ring='64MB') or `run --ring 64MB`")
    return active.flight.dump(None if path is None else Path(path))


class trace(AbstractContextManager["trace"]):  # noqa: N801
    """Trace every loop that is made or runs inside the block, and leave the interpreter as it was before.

    Around any code, sync or async: ``with asyncio_trace.trace("out.atrace"): asyncio.run(main())``. Arguments and errors are
    those of `start` and `stop`; nothing is raised in place of an exception that the block itself raises.
    """

    def __init__(
        self,
        output: str | os.PathLike[str] | None = None,
        *,
        core: str = "auto",
        force: bool = False,
        ring: str | int | None = None,
        when: str | Iterable[str] = (),
        otlp: bool | str = False,
    ) -> None:
        self._begin = partial(_Running, output, core=core, force=force, every_loop=True, ring=ring, when=when, otlp=otlp)
        self._running: _Running | None = None
        self.path: Path | None = None
        """The file written, once the block is over; None if none was."""

    def __enter__(self) -> trace:
        self._running = self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        assert self._running is not None
        try:
            self.path = self._running.end(exception=isinstance(error, Exception))
        except OutputError as failure:
            if error is None:
                raise
            _tell(str(failure))


def instrument(loop: AbstractEventLoop) -> AbstractEventLoop:
    """Trace this loop from now on; returns it. Tasks that it has already are taken in.

    Raises:
        UsageError: A loop of this type can't be traced.
        OSError: The recording of the trace that this begins can't be made.
    """
    _session().follow(loop)
    return loop


def new_event_loop() -> AbstractEventLoop:
    """A new traced loop, of the kind that asyncio makes by default: a loop factory for `asyncio.run`, `asyncio.Runner`,
    uvicorn."""
    return instrument(loops.new_asyncio_loop())


def _policy_class() -> type:
    base: Any = loops.default_policy_class()
    if base is None:
        raise AttributeError(
            "Python 3.16 has no event loop policies; use asyncio.run(..., loop_factory=asyncio_trace.new_event_loop)"
        )

    class TracingEventLoopPolicy(base):  # type: ignore[misc]
        """An event loop policy whose loops are traced.

        Args:
            loop_factory: Makes a loop (`uvloop.new_event_loop`, say); default: what asyncio's own policy makes.
        """

        def __init__(self, loop_factory: Callable[[], AbstractEventLoop] | None = None) -> None:
            super().__init__()
            self._traced_loop_factory = loop_factory

        def new_event_loop(self) -> AbstractEventLoop:
            """A new traced loop."""
            factory = self._traced_loop_factory
            return instrument(super().new_event_loop() if factory is None else factory())

    TracingEventLoopPolicy.__qualname__ = "TracingEventLoopPolicy"
    return TracingEventLoopPolicy


class _Running:
    """A trace with its output."""

    def __init__(
        self,
        output: str | os.PathLike[str] | None,
        *,
        core: str,
        force: bool,
        every_loop: bool,
        ring: str | int | None = None,
        when: str | Iterable[str] = (),
        otlp: bool | str = False,
    ) -> None:
        self.path = Path(default_recording() if output is None else output)
        self._exporter: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        recording = self.path
        size, triggers = _ring(self.path, ring, when)
        if self.path.suffix != RECORDING_SUFFIX:
            self._exporter = _exporter_for(self.path)
            if self.path.exists() and not force:
                raise UsageError(f"{self.path} exists; take another name, or pass force=True")
            self._folder = tempfile.TemporaryDirectory(prefix="asyncio-trace-")
            recording = Path(self._folder.name) / "recording.atrace"
        self.recording = recording
        self._sending: Sending | None = None
        sends = bool(otlp) and not sending.is_off()
        if sends:
            sending.check(otlp)
            if size is not None:
                raise UsageError("a ring is not sent while it is recorded; export what is written of it")
        self.session = session.record_to(
            str(recording), core=core, every_loop=every_loop, force=force, ring=size, when=triggers
        )
        if sends:
            try:
                self._sending = sending.Sending(recording, otlp)
            except OSError as error:
                _tell(f"can't send spans: {error.strerror or error}")

    def end(self, *, exception: bool = False) -> Path | None:
        """End the trace, maybe because of an exception, and write its output; the path, or None if there is none."""
        failure = self.session.end(exception=exception)
        if failure is not None:
            _tell(f"the recording has a gap: {failure}")
        unsent = self._sending.finish() if self._sending is not None else None
        if self._exporter is not None and self._folder is not None:
            from asyncio_trace.model import load

            try:
                self._exporter.export(load(self.recording), str(self.path))
            except Exception as error:
                kept = Path(tempfile.mkdtemp(prefix="asyncio-trace-kept-")) / self.recording.name
                self.recording.rename(kept)
                raise OutputError(f"{error}; the recording is kept in {kept}") from None
            finally:
                self._folder.cleanup()
        if unsent is not None:
            raise OutputError(f"{unsent}; the output is {self.path}")
        if self.session.flight is not None:
            return self.session.flight.written[-1] if self.session.flight.written else None
        return self.path


_running: _Running | None = None


def _session() -> session.Session:
    global _running
    active = session.active()
    if active is None:
        running = _running = _Running(None, core="auto", force=False, every_loop=False)
        active = running.session

        def end_at_exit() -> None:
            global _running
            if _running is running:
                _running = None
                _tell(f"recording: {running.end()}")

        atexit.register(end_at_exit)
    return active


def _ring(path: Path, ring: str | int | None, when: str | Iterable[str]) -> tuple[int | None, When | None]:
    """Size of a ring and what makes it be written; None if there is to be none."""
    triggers = limits.parse_when(when)
    if ring is None:
        if when:
            raise UsageError("`when` says when a ring is written; give its size with ring='64MB'")
        return None, None
    if path.suffix != RECORDING_SUFFIX:
        raise UsageError(f"{path}: a ring is written as a recording; name it FILE{RECORDING_SUFFIX}, and export it afterwards")
    return limits.parse_ring(ring), triggers


def _exporter_for(path: Path) -> Any:
    names = sorted(entry.name for entry in entry_points(group="asyncio_trace.exporters"))
    fitting = [name for name in names if path.name.endswith(f".{name}")]
    if not fitting:
        raise UsageError(f"{path}: no exporter writes such files; name it FILE{RECORDING_SUFFIX} or FILE.json")
    (entry,) = entry_points(group="asyncio_trace.exporters", name=max(fitting, key=len))
    return entry.load()()


def _tell(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"asyncio-trace: {line}\n")


def __getattr__(name: str) -> Any:
    if name == "TracingEventLoopPolicy":
        policy = globals()[name] = _policy_class()
        return policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
