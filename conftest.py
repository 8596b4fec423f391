"""What holds for all tests: nothing that CI requires is skipped, and Ctrl-C means what it means in a terminal.

The latter also where the tests were started in the background.
"""

import importlib.util
import os
import signal

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # a shell ignores it for what it starts in the background, and every process that a test starts would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)

NATIVE = "asyncio_trace.tracer.native_core._native"
_NEEDS = {
    "uvloop": ("uvloop",),
    "real": ("aiohttp", "uvicorn", "starlette", "aiosmtpd"),
    "native": (NATIVE,),
    "transparency": ("test", "test.test_asyncio"),
}
"""What must be there for the tests of a kind, which skip where it is not."""


def pytest_configure() -> None:
    """Fail at once if ASYNCIO_TRACE_REQUIRE names a kind of test that would skip: in CI a skip is no pass."""
    for kind in os.environ.get("ASYNCIO_TRACE_REQUIRE", "").replace(",", " ").split():
        for module in _NEEDS.get(kind, ()):
            if importlib.util.find_spec(module) is None:
                raise pytest.UsageError(f"ASYNCIO_TRACE_REQUIRE asks for {kind}, and {module} is not installed")
