"""`run --otlp` of a program that goes on: a thread of the command sends what is over while the rest still runs."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio_trace.exporters.otlp.live import LiveExport

LIVE_AFTER_S = 5.0
"""A program that is over sooner is sent as a whole: in one trace, if it fits."""


class LiveSending:
    """Sends to `endpoint` ("" is the default one) from a program that has run for a while."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._export: LiveExport | None = None

    def start(self, recording: str, pid: int) -> None:
        """The program runs as process `pid`, and writes the file `recording`, which may not be there yet."""
        self._thread = threading.Thread(target=self._run, args=(recording, pid), name="asyncio-trace-live", daemon=True)
        if not hasattr(signal, "pthread_sigmask"):
            self._thread.start()
            return
        # The program's messenger waits for signals in the main thread: none may come to this one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def finish(self) -> LiveExport | None:
        """The program is over: send what is left of it, for as long as the collector takes it. Ctrl-C ends that.

        Returns the export, for what became of it; None if the program was over too soon for one.
        """
        self._over.set()
        if self._thread is None:
            return None
        try:
            self._thread.join()
        except KeyboardInterrupt:
            if self._export is not None:
                self._export.give_up()
                self._thread.join()
        return self._export

    def _run(self, recording: str, pid: int) -> None:
        if self._over.wait(LIVE_AFTER_S):
            return
        # Here, because it takes half a second to import, and most programs are over by now.
        from asyncio_trace.exporters.otlp.live import LiveExport

        self._export = LiveExport(self._endpoint)
        self._export.run(recording, pid, self._over)
