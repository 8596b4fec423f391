"""`asyncio-trace export --follow`: send from a recording while another process writes it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from asyncio_trace.errors import InputError, OutputError

PATIENCE_S = 5.0
"""Seconds for which the file may lack its header."""
PERIOD_S = 0.5
"""Seconds between two looks at the process."""


def follow(file: str, endpoint: str, say: Callable[[str], None]) -> None:
    """Send what is over in the recording `file` to `endpoint` until its trace or its process has ended, then the rest.

    Ctrl-C, or SIGTERM, ends the following early, a second one the sending.

    Raises:
        InputError: There is no such file, or it is not a recording.
        OutputError: Not all was sent.
    """
    from asyncio_trace.exporters.otlp.live import LiveExport

    pid = _writer(file)
    over = threading.Event()
    export = LiveExport(endpoint)
    thread = threading.Thread(target=export.run, args=(file, pid, over), name="asyncio-trace-live", daemon=True)

    def stop(number: int, frame: FrameType | None) -> None:
        if over.is_set():
            export.give_up()
        over.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    thread.start()
    while thread.is_alive():
        thread.join(PERIOD_S)
        if not _is_alive(pid):
            over.set()
    if export.failure:
        raise OutputError(f"can't send spans: {export.failure}")
    if export.dropped:
        raise OutputError(export.summary)
    say(export.summary)


def _writer(file: str) -> int:
    """Id of the process that writes a recording, from its header."""
    from asyncio_trace.recording.reader import RecordingReader

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with RecordingReader(Path(file)) as reader:
                pid = reader.header.get("pid")
                if type(pid) is int:
                    return pid
                raise InputError(f"{file}: the recording's header is damaged; export it without --follow")
        except InputError:
            # A recording that is just being begun is empty for a moment.
            if not os.path.exists(file) or os.path.getsize(file) > 0 or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A process that has ended but that nobody has asked for writes no more either.
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
