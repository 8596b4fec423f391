"""What is lost without a word to the program: exceptions that nobody asks for, and coroutines that nobody awaits.

Python notices both when it throws the object away, and says so on stderr. We listen in the two places that it says it to, the
loop's `call_exception_handler` and a function of `warnings`; what they say is said as without us.
"""

from __future__ import annotations

import dis
import inspect
import sys
import warnings
from types import CodeType, FrameType, FunctionType
from typing import Any

from asyncio_trace.events.records import NeverAwaited, NeverRetrieved
from asyncio_trace.tracer import sites
from asyncio_trace.tracer.causes import callback_name
from asyncio_trace.tracer.core import Method
from asyncio_trace.tracer.loop_state import ATTRIBUTE
from asyncio_trace.tracer.python_core.runs import hide
from asyncio_trace.tracer.recorder import Recorder, line_of

_NEVER_RETRIEVED = "exception was never retrieved"
_HOOK = "_warn_unawaited_coroutine"
"""Name in `warnings` of what Python calls when it throws away a coroutine that was never begun."""
_SKIPPED_BY_WARNINGS = "<frozen importlib._bootstrap> asyncio_trace"
"""File name of our frame. `warnings` counts the frames between itself and the line to name, and leaves out those of files named
like this one: so it names the line that it names without us."""
_AWAITS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_MOST_FRAMES = 20
"""Frames from the one that throws a coroutine away outwards that are searched for the line that made it."""


def exception_handler_method(recorder: Recorder, id_of: Any, original: Method) -> Method:
    """Replacement for `call_exception_handler`; `id_of` gives a task's or future's id, or 0."""

    def call_exception_handler(self: Any, context: Any) -> Any:
        if getattr(self, ATTRIBUTE, None) and recorder.active and type(context) is dict:
            try:
                message = context.get("message")
                if type(message) is str and message.endswith(_NEVER_RETRIEVED):
                    _record_exception(recorder, id_of, context)
            except Exception as error:
                recorder.failed(error, lost=1)
        try:
            return original(self, context)
        except BaseException as error:
            hide(error)
            raise
        finally:
            del self, context

    return call_exception_handler


def _record_exception(recorder: Recorder, id_of: Any, context: dict[str, Any]) -> None:
    future, error = context.get("future"), context.get("exception")
    if future is None or not isinstance(error, BaseException):
        return
    name = coroutine = 0
    get_name, get_coro = getattr(future, "get_name", None), getattr(future, "get_coro", None)
    if get_name is not None and get_coro is not None:
        name, coroutine = recorder.name(str(get_name())), recorder.string(callback_name(get_coro()))
    kind = type(error)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    exception = recorder.string(prefix + kind.__qualname__)
    recorder.add(NeverRetrieved, id_of(future), recorder.now(), name, coroutine, exception, _raised_at(recorder, error))


def _raised_at(recorder: Recorder, error: BaseException) -> int:
    """Site of the innermost line of the program's that an exception passed through; 0 if there is none."""
    site = 0
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if sites.role_of(code) is sites.PROGRAM:
            site = recorder.site(code, traceback.tb_lasti, traceback.tb_frame.f_globals.get("__name__"))
        traceback = traceback.tb_next
    return site


class UnawaitedHook:
    """Stands in the way of Python's warning of a coroutine that was never awaited, while a trace runs."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._original: Any = getattr(warnings, _HOOK, None)
        self._ours = self._build(self._original)
        if self._original is not None:
            setattr(warnings, _HOOK, self._ours)

    def remove(self) -> None:
        """Put the original back, unless somebody else has put something there."""
        if getattr(warnings, _HOOK, None) is self._ours and self._original is not None:
            setattr(warnings, _HOOK, self._original)

    def _build(self, original: Any) -> Any:
        recorder = self._recorder

        def _warn_unawaited_coroutine(coro: Any) -> None:
            try:
                if recorder.active:
                    _record_coroutine(recorder, coro, sys._getframe(1))
            except Exception as error:
                recorder.failed(error, lost=1)
            try:
                original(coro)
            except BaseException as error:
                hide(error)
                raise
            finally:
                del coro

        plain = _warn_unawaited_coroutine
        code = plain.__code__.replace(co_filename=_SKIPPED_BY_WARNINGS)
        return FunctionType(code, plain.__globals__, plain.__name__, None, plain.__closure__)


def _record_coroutine(recorder: Recorder, coro: Any, frame: FrameType | None) -> None:
    code: CodeType = coro.cr_code
    inner = coro.cr_frame
    module = None if inner is None else inner.f_globals.get("__name__")
    recorder.add(
        NeverAwaited,
        recorder.now(),
        recorder.string(callback_name(coro)),
        _made_at(recorder, code.co_name, frame),
        recorder.site(code, -1, module),
    )


def _made_at(recorder: Recorder, name: str, frame: FrameType | None) -> int:
    """Site that called the coroutine function of this name: the one line that does so in the function that throws the coroutine
    away, or in one that called that; 0 if it is not certain.
    """
    for _ in range(_MOST_FRAMES):
        if frame is None or sites.role_of(frame.f_code) is sites.RUN_FOREVER:
            return 0
        code = frame.f_code
        if name in code.co_names or name in code.co_freevars or name in code.co_varnames:
            found = [made for made in dis.get_instructions(code) if made.argval == name and made.opname.startswith("LOAD_")]
            lines = {line_of(code, made.offset) for made in found}
            module = frame.f_globals.get("__name__")
            if len(lines) == 1:
                return recorder.site(code, found[0].offset, module)
            if line_of(code, frame.f_lasti) in lines:
                return recorder.site(code, frame.f_lasti, module)
            return 0
        back = frame.f_back
        if code.co_flags & _AWAITS and not (back is not None and back.f_code.co_flags & _AWAITS):
            return 0  # a task's outermost frame: what lies beneath runs the loop
        frame = back
    return 0
