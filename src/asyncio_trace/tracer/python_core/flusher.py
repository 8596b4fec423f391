"""Writes what has gathered while the program does not come back to its loop: it may be killed in a step that blocks, or asleep.

The loop itself writes when it is about to sleep, but not each time, since that would cost a system call for each message of a
busy server. What it leaves behind must not wait for the end of an hour's sleep, nor for that of a step that never ends. A
thread sees to it, unless the program keeps the GIL to itself. The same thread watches for runs that block.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import time
import weakref

from asyncio_trace.tracer.loop_state import LoopState
from asyncio_trace.tracer.recorder import Recorder
from asyncio_trace.tracer.watchdog import Watch

PERIOD = 0.25
"""Seconds that an event waits at most, about."""

_LONG_AGO = -(1 << 62)
_PATIENCE = 0.1

_running: weakref.WeakSet[Flusher] = weakref.WeakSet()


class Flusher:
    """The thread of one recorder. It is none of `threading`'s, which shows its own to the program."""

    def __init__(self, recorder: Recorder, watch: Watch | None = None) -> None:
        self._recorder = recorder
        self._watch = watch
        self._wake: _thread.LockType | None = None
        """Held while the thread runs; released to end it."""
        self._over = _thread.allocate_lock()
        """Held until the thread has ended."""
        self._thread_id = 0
        self._pid = os.getpid()

    def watch(self, loop: LoopState) -> None:
        """Notice when this loop is blocked."""
        if self._watch is not None:
            self._watch.add(loop)

    def unwatch(self, loop: LoopState) -> None:
        """The loop is closed."""
        if self._watch is not None:
            self._watch.remove(loop)

    def start(self) -> None:
        """Begin, if it is not running; where no thread can be had, it goes without."""
        if self._wake is not None or not self._recorder.active or os.getpid() != self._pid:
            return
        wake, over = _thread.allocate_lock(), _thread.allocate_lock()
        wake.acquire()
        over.acquire()
        self._wake, self._over = wake, over
        self._recorder.flushed = None
        try:
            _thread.start_new_thread(self._run, (wake, over))
        except RuntimeError:
            self._wake = None
        _running.add(self)

    def stop(self) -> None:
        """End the thread, and wait until it has."""
        wake, self._wake = self._wake, None
        _running.discard(self)
        self._recorder.flushed = None
        if wake is None or os.getpid() != self._pid:
            return
        wake.release()
        self._over.acquire(timeout=1)  # a fork must not hang on us
        self._wait_for_system()

    def pause(self) -> None:
        """Before a fork: write all, and end the thread, so that the program has as many as without us. With the next event it
        starts again: the loop takes what it has to write to be old.
        """
        if self._wake is not None:
            self.stop()
            self._recorder.flush()
            self._recorder.flushed_ns = _LONG_AGO
            self._recorder.flushed = self.start

    def _run(self, wake: _thread.LockType, over: _thread.LockType) -> None:
        try:
            if hasattr(signal, "pthread_sigmask"):  # the program's signals are for the program's threads
                signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            self._thread_id = _thread.get_native_id()
            watch, period = self._watch, PERIOD if self._watch is None else self._watch.period
            until_flush = PERIOD
            if watch is not None:
                watch.look()  # it may have got the GIL only now, from a step that blocks
            while not wake.acquire(timeout=period):
                if watch is not None:
                    watch.look()
                until_flush -= period
                if until_flush <= 0:
                    until_flush = PERIOD
                    if self._recorder.buffer:
                        self._recorder.flush_if_free()
        finally:
            over.release()

    def _wait_for_system(self) -> None:
        """Until the system, too, has forgotten the thread: Python warns of a fork where there are several."""
        with contextlib.suppress(OSError):
            deadline = time.monotonic() + _PATIENCE
            while os.path.exists(f"/proc/self/task/{self._thread_id}") and time.monotonic() < deadline:
                time.sleep(0)


def _pause_all() -> None:
    for flusher in list(_running):
        flusher.pause()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pause_all)
