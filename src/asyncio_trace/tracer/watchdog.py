"""Which line blocks a loop, taken while it does: from a thread beside the loop's, which looks at short intervals.

A run that has lasted for two looks is sampled, again and again until it ends, more seldom as it lasts. What gives up the GIL
(`time.sleep`, a socket, a loop in Python, in time) is found where it stands. C code that keeps the GIL lets the sample be taken
only once it is over; a call hands the GIL on before the next instruction, so that the line is right all the same. Where it was
no call (`10 ** 10_000_000`), the sample says that it came late.
"""

from __future__ import annotations

import asyncio
import opcode
import os
import sys
from types import CodeType, FrameType
from typing import Any

from asyncio_trace.events.records import Blocked
from asyncio_trace.tracer import sites
from asyncio_trace.tracer.loop_state import LoopState
from asyncio_trace.tracer.recorder import Recorder

DEFAULT_THRESHOLD_NS = 100_000_000
"""A run that is longer blocks its loop."""

_LOOKS = 4
"""Looks in the time that the threshold says."""
_SHORTEST_NS, _LONGEST_NS = 5_000_000, 50_000_000
"""Between two looks."""
_OFTEN = 8
"""Samples of one run that are taken at every look."""
_SELDOM = 10
"""Looks between two later ones."""
_MOST_FRAMES = 200
_PATIENCE = 4
"""Switch intervals after which a thread that wants the GIL has it, unless C code keeps it."""
_GIVES_UP = ("CALL", "RESUME", "JUMP_BACKWARD", "INSTRUMENTED_CALL", "SEND", "YIELD_VALUE")
_QUICK = (
    "LOAD_", "STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "PUSH_", "POP_", "PRECALL", "KW_NAMES", "CACHE", "<0>",
    "NOP", "COPY", "SWAP", "BUILD_", "MAKE_", "EXTENDED_ARG", "RETURN_GENERATOR", "SET_FUNCTION", "NOT_TAKEN",
)  # fmt: skip
"""Instructions that take no time worth the name."""

_HERE = os.path.dirname(__file__) + os.sep
_RECORDING = frozenset(f"{_HERE}{name}.py" for name in ("recorder", "tasks", "futures", "causes", "await_stack", "sites"))
"""Files of ours whose functions call none of the program's."""
_LOST = f"{_HERE}lost.py"

Place = tuple[CodeType, int, object]
"""Code, instruction, module of a frame."""


def period_ns(threshold_ns: int) -> int:
    """How long to wait between two looks, for runs beyond this threshold to be sampled more than once."""
    return min(max(threshold_ns // _LOOKS, _SHORTEST_NS), _LONGEST_NS)


class Samples:
    """Makes records of what was seen."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def blocked(self, loop: LoopState, places: list[Place], about: tuple[int, int, int]) -> None:
        """Record where a run stands.

        Args:
            loop: The loop that it keeps busy.
            places: Its frames, innermost first.
            about: Id of the task whose step it is, or 0; when it began, and how long the watcher had to wait for the GIL, as
                the clock gives them. All of it is from one moment, which is over when this is called.
        """
        recorder = self._recorder
        task, since, waited = about
        places = _of_run(places, _outermost_code(loop))
        if not places or not recorder.active:
            return
        late = 0
        if waited > _PATIENCE * 1e9 * sys.getswitchinterval():
            places, certain = _while_it_kept_the_gil(places)
            late = 0 if certain else waited
        stack = recorder.stack(tuple(recorder.site(*place) for place in reversed(places)))
        recorder.add(Blocked, loop.id, recorder.now(), task, since - recorder.origin, stack, late)


def _while_it_kept_the_gil(places: list[Place]) -> tuple[list[Place], bool]:
    """Where a run stood that kept the GIL, and gave it up only now; and whether that is certain.

    The interpreter gives up the GIL after a call, at a jump back, and where a function begins. So what took so long came after
    the last such place, and if the call is the one thing since that can take long, it was the call.
    """
    while len(places) > 1 and _operation(*places[0][:2]).startswith("RESUME"):
        places = places[1:]  # it has only just begun
    code, lasti, _ = places[0]
    if "CALL" not in _operation(code, lasti):
        return places, False
    for at in range(lasti - 2, -2, -2):
        name = _operation(code, at)
        if name.startswith(_GIVES_UP):
            break
        if not name.startswith(_QUICK):
            return places, False
    return places, True


def _operation(code: CodeType, lasti: int) -> str:
    """Name of an instruction; empty if there is none."""
    instructions = code.co_code
    return opcode.opname[instructions[lasti]] if 0 <= lasti < len(instructions) else ""


def _outermost_code(loop: LoopState) -> object:
    """Code of the coroutine or the callback that is running; None if it has none."""
    callback: Any = loop.callback
    if loop.current is not None:
        task = asyncio.current_task(loop.reference())
        callback = None if task is None else task.get_coro()
    for name in ("cr_code", "gi_code", "__code__"):
        code = getattr(callback, name, None)
        if type(code) is CodeType:
            return code
    return None


def _of_run(places: list[Place], outermost: object) -> list[Place]:
    """The frames without those that lie beneath the run."""
    for at, (code, _, _) in enumerate(places):
        if code.co_filename in _RECORDING or (code.co_filename == _LOST and code.co_name.startswith("_record")):
            return _of_run(places[at + 1 :], outermost)  # it is we who are at work
    found: list[Place] = []
    keep = 0
    for place in places:
        code = place[0]
        role = sites.role_of(code)
        if role is sites.HANDLE_RUN or role is sites.RUN_FOREVER:
            break
        found.append(place)
        if code is outermost:
            keep = len(found)
    if keep:
        return found[:keep]
    while found and sites.role_of(found[-1][0]) is not sites.PROGRAM:
        found.pop()
    return found


class Watch:
    """Looks at loops of the Python core, whose flusher calls it."""

    def __init__(self, recorder: Recorder, threshold_ns: int) -> None:
        self._recorder = recorder
        self._samples = Samples(recorder)
        self._loops: dict[LoopState, list[int]] = {}
        """Each loop with: its `run_end` at the last look, when the run was first seen, looks that it lasted, looks to skip."""
        self._looked = 0
        """When the last look began."""
        self.period = period_ns(threshold_ns) / 1e9
        """Seconds between two looks."""

    def add(self, loop: LoopState) -> None:
        """Look at this loop, too."""
        self._loops[loop] = [0, 0, 0, 0]

    def remove(self, loop: LoopState) -> None:
        """It is closed."""
        self._loops.pop(loop, None)

    def look(self) -> None:
        """Sample what has been running for two looks."""
        now = self._recorder.clock()
        late = max(0, now - (self._looked or now) - int(1e9 * self.period))
        self._looked = now
        for loop, seen in list(self._loops.items()):
            try:
                if self._is_due(loop, seen, now):
                    began, state = self._began(loop) or seen[1], loop.current
                    places = _frames(loop.ident)
                    if loop.run_end == seen[0]:
                        self._samples.blocked(loop, places, (0 if state is None else state.id, began, late))
            except Exception as error:
                self._recorder.failed(error)

    def _is_due(self, loop: LoopState, seen: list[int], now: int) -> bool:
        running = loop.current is not None or loop.cause is not None
        if not running or not seen[1] or loop.run_end != seen[0]:
            seen[:] = loop.run_end, now if running else 0, 0, 0
            began = self._began(loop)
            if not running or not began or now - began < 2e9 * self.period:
                return False
        if seen[3]:
            seen[3] -= 1
            return False
        seen[2] += 1
        seen[3] = 0 if seen[2] < _OFTEN else _SELDOM - 1
        return True

    def _began(self, loop: LoopState) -> int:
        """When the run began that is on; 0 if that is not known."""
        if loop.current is not None:
            return loop.step_start
        return 0 if loop.foreign else max(loop.run_end, loop.select_end + self._recorder.origin)


def _frames(ident: int) -> list[Place]:
    """The frames of a thread, innermost first. The frames themselves are let go of at once, since they hold their locals."""
    frame: FrameType | None = sys._current_frames().get(ident)
    places: list[Place] = []
    while frame is not None and len(places) < _MOST_FRAMES:
        places.append((frame.f_code, frame.f_lasti, frame.f_globals.get("__name__")))
        frame = frame.f_back
    return places
