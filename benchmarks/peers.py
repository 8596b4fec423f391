"""What can be put around a workload: nothing, asyncio-trace, and other tools that people use for the same questions.

One adapter each. What a tool would do after the run is left out, to its favour: viztracer's file, yappi's and pyinstrument's
tables are not made, while the recording of asyncio-trace is written and closed. `measuring` runs them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from asyncio_trace.tracer import session

HERE = Path(__file__).parent
COROUTINES = ("yielding", "answering", "asking", "nothing", "tree", "talk", "part", "_work")
"""Names of what the workloads make tasks of; OpenTelemetry's instrumentation must be told."""

Around = Callable[[Path, str], AbstractContextManager[None]]
"""Given an empty folder and the name of a core: what is entered before the workload's loop is made, and left after it."""


class Tool(NamedTuple):
    """A tool, and what its time is compared with."""

    title: str
    around: Around
    packages: tuple[str, ...] = ()
    """What must be installed for it."""
    base: str = "plain"
    """Name of the tool, in `TOOLS`, that its ratio is over."""
    loop: str = "asyncio"
    debug: bool = False


@contextlib.contextmanager
def _nothing(folder: Path, core: str) -> Iterator[None]:
    yield


@contextlib.contextmanager
def _asyncio_trace(folder: Path, core: str) -> Iterator[None]:
    trace = session.record_to(str(folder / "trace.atrace"), core=core)
    try:
        yield
    finally:
        failure = trace.end()
    if failure is not None:
        raise RuntimeError(f"the trace failed: {failure}")


def _viztracer(**options: Any) -> Around:
    @contextlib.contextmanager
    def around(folder: Path, core: str) -> Iterator[None]:
        tracer = importlib.import_module("viztracer").VizTracer(
            verbose=0, output_file=str(folder / "viztracer.json"), **options
        )
        tracer.start()
        try:
            yield
        finally:
            tracer.stop()

    return around


@contextlib.contextmanager
def _yappi(folder: Path, core: str) -> Iterator[None]:
    yappi: Any = importlib.import_module("yappi")
    yappi.set_clock_type("wall")  # the clock that its manual recommends for coroutines
    yappi.start()
    try:
        yield
    finally:
        yappi.stop()


@contextlib.contextmanager
def _pyinstrument(folder: Path, core: str) -> Iterator[None]:
    os.environ["PYINSTRUMENT_IGNORE_OVERHEAD_WARNING"] = "1"
    profiler = importlib.import_module("pyinstrument").Profiler(async_mode="enabled")
    profiler.start()
    try:
        yield
    finally:
        profiler.stop()


@contextlib.contextmanager
def _opentelemetry(folder: Path, core: str) -> Iterator[None]:
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")

    class Nowhere(export.SpanExporter):  # type: ignore[misc]
        """Takes spans, so that the cost of making them is measured and not that of a collector."""

        def export(self, spans: object) -> Any:
            """Take them."""
            return export.SpanExportResult.SUCCESS

    provider = importlib.import_module("opentelemetry.sdk.trace").TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(Nowhere()))
    os.environ["OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE"] = ",".join(COROUTINES)
    instrumentor = importlib.import_module("opentelemetry.instrumentation.asyncio").AsyncioInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()
        provider.shutdown()


@contextlib.contextmanager
def _debug_mode(folder: Path, core: str) -> Iterator[None]:
    log = logging.getLogger("asyncio")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of every slow callback, on our stderr
    try:
        yield
    finally:
        log.setLevel(level)


TOOLS: dict[str, Tool] = {
    "plain": Tool("plain asyncio", _nothing),
    "asyncio-trace": Tool("**asyncio-trace**", _asyncio_trace),
    "uvloop": Tool("uvloop, untraced", _nothing, ("uvloop",), loop="uvloop"),
    "asyncio-trace-uvloop": Tool(
        "**asyncio-trace** on uvloop, over uvloop", _asyncio_trace, ("uvloop",), base="uvloop", loop="uvloop"
    ),
    "opentelemetry": Tool(
        "opentelemetry-instrumentation-asyncio",
        _opentelemetry,
        ("opentelemetry-instrumentation-asyncio",),
    ),
    "viztracer-one-file": Tool(
        "viztracer, the program's files, no C functions",
        _viztracer(include_files=[str(HERE / "workloads.py"), str(HERE / "service.py")], ignore_c_function=True),
        ("viztracer",),
    ),
    "viztracer": Tool("viztracer `log_async`, all functions", _viztracer(log_async=True), ("viztracer",)),
    "yappi": Tool("yappi", _yappi, ("yappi",)),
    "pyinstrument": Tool("pyinstrument, async mode", _pyinstrument, ("pyinstrument",)),
    "asyncio-debug": Tool("asyncio debug mode", _debug_mode, debug=True),
}
"""Every tool by the name that options take; "plain" is none."""


def missing(name: str) -> str | None:
    """Why a tool can't be measured here, in one line; None if it can. Imports nothing: that would change what others cost."""
    for package in TOOLS[name].packages:
        try:
            importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            return f"{name} is left out: {package} is not installed; pip install -e '.[bench]' does it"
    return None
