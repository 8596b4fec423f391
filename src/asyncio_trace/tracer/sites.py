"""Which of the program's own lines did something: walks from the hook outwards to the first frame that is neither asyncio's
plumbing nor ours. anyio, which is to its users what asyncio is to others, is plumbing too.

The walk ends at the frame that runs a handle (one of ours), because what lies beyond is the program's call of `run`, which did
not do it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import selectors
import signal
import threading
from types import CodeType, FrameType

from asyncio_trace.tracer.recorder import Recorder

PROGRAM = 1
PLUMBING = 2
HANDLE_RUN = 3

_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_PLUMBING_FOLDERS = (
    os.path.dirname(str(asyncio.__file__)) + os.sep,
    os.path.dirname(str(concurrent.futures.__file__)) + os.sep,
    os.path.join(_PACKAGE, "tracer") + os.sep,
)
_PLUMBING_FILES = frozenset(str(module.__file__) for module in (contextlib, functools, selectors, signal, threading))


class _Roles(dict[str, int]):
    """File name to role, worked out when first asked for."""

    def __missing__(self, filename: str) -> int:
        plumbing = filename.startswith(("<frozen ", *_PLUMBING_FOLDERS)) or filename in _PLUMBING_FILES or _is_anyio(filename)
        role = self[filename] = PLUMBING if plumbing else PROGRAM
        return role


def _is_anyio(filename: str) -> bool:
    folder, found, _ = filename.partition(f"{os.sep}anyio{os.sep}")
    return bool(found) and folder.endswith(("site-packages", "dist-packages"))


_roles = _Roles()
_SPECIAL = frozenset(("run_forever", "_on_sigint"))

SIGINT_HANDLER = -1
"""`find` returns this where asyncio's own handler for Ctrl-C was on the stack."""


RUN_FOREVER = 4
"""Role of code beyond which lies the program's call of `run`."""
ON_SIGINT = 5
"""Role of asyncio's own handler for Ctrl-C."""


def role_of(code: CodeType) -> int:
    """What a frame of this code means to the walk: `PROGRAM`, `PLUMBING`, `HANDLE_RUN`, `RUN_FOREVER` or `ON_SIGINT`."""
    role = _roles[code.co_filename]
    if role is PLUMBING and code.co_name in _SPECIAL:
        return ON_SIGINT if code.co_name == "_on_sigint" else RUN_FOREVER
    return role


def runs_handles(filename: str) -> None:
    """Declare that every function of a file is a frame that runs a handle: walks end there."""
    _roles[filename] = HANDLE_RUN


def find(recorder: Recorder, frame: FrameType | None) -> int:
    """Number of the site of the innermost program frame from `frame` outwards; 0 if there is none before the handle's run;
    `SIGINT_HANDLER` if asyncio's handler for Ctrl-C comes first.
    """
    while frame is not None:
        code = frame.f_code
        role = _roles[code.co_filename]
        if role is PLUMBING:
            name = code.co_name
            if name in _SPECIAL:
                return SIGINT_HANDLER if name == "_on_sigint" else 0
            frame = frame.f_back
        elif role is PROGRAM:
            return recorder.site(code, frame.f_lasti, frame.f_globals.get("__name__"))
        else:
            return 0
    return 0
