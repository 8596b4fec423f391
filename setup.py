"""Builds the native core and the gatherer of records, if they can be built; the rest is in pyproject.toml.

Without a compiler the package works in Python alone. Two environment variables decide otherwise: ASYNCIO_TRACE_NO_NATIVE=1
leaves the extensions out on purpose, ASYNCIO_TRACE_REQUIRE_NATIVE=1 fails where they can't be built (releases, CI).
"""

import os
import platform
from pathlib import Path

from setuptools import Extension, setup

SOURCES = sorted(str(path) for path in Path("src/asyncio_trace/native").glob("*.c"))
REQUIRED = os.environ.get("ASYNCIO_TRACE_REQUIRE_NATIVE") == "1"
LEFT_OUT = os.environ.get("ASYNCIO_TRACE_NO_NATIVE") == "1"
CAN_BE_HAD = platform.python_implementation() == "CPython" and os.name == "posix"

extensions = []
if not LEFT_OUT and (CAN_BE_HAD or REQUIRED):
    extensions.append(
        Extension(
            "asyncio_trace.tracer.native_core._native",
            SOURCES,
            depends=[str(path) for path in Path("src/asyncio_trace/native").glob("*.h")],
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wno-deprecated-declarations", "-fvisibility=hidden", "-pthread"],
            extra_link_args=["-pthread"],
            define_macros=[("_GNU_SOURCE", "1")],
            optional=not REQUIRED,
        )
    )
    extensions.append(
        Extension(
            "asyncio_trace.recording._gather",
            ["src/asyncio_trace/native/reading/gather.c"],
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-fvisibility=hidden"],
            optional=not REQUIRED,
        )
    )

setup(ext_modules=extensions)
