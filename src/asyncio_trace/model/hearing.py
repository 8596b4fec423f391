"""Takes in the records of what the tracer saw with its own eyes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncio_trace.events import records as r
from asyncio_trace.model.places import Places
from asyncio_trace.model.witnesses import LostCoroutine, LostException, Sample, Witnesses
from asyncio_trace.recording.tables import Tables


class Hearing:
    """Makes `Witnesses` of records, whose `takers` are called with one each."""

    def __init__(self, tables: Tables, places: Places) -> None:
        self._tables = tables
        self._places = places
        self.witnesses = Witnesses()
        self.takers: dict[type, Callable[[Any], None]] = {
            r.Blocked: self._blocked,
            r.NeverAwaited: self._never_awaited,
            r.NeverRetrieved: self._never_retrieved,
            r.CancelIgnored: self._cancel_ignored,
        }

    def _blocked(self, record: r.Blocked) -> None:
        stack = self._places.stack(record.stack)
        since = min(record.since_ns, record.ns)
        self.witnesses.samples.append(Sample(record.loop, record.task or None, record.ns, since, stack, record.late_ns))

    def _never_awaited(self, record: r.NeverAwaited) -> None:
        name = self._tables.string(record.coroutine)
        made, defined = self._places.site(record.site), self._places.site(record.defined)
        self.witnesses.lost_coroutines.append(LostCoroutine(record.ns, name, made, defined))

    def _never_retrieved(self, record: r.NeverRetrieved) -> None:
        string = self._tables.string
        self.witnesses.lost_exceptions.append(
            LostException(
                record.ns,
                record.task or None,
                string(record.name),
                string(record.coroutine),
                string(record.exception),
                self._places.site(record.site),
            )
        )

    def _cancel_ignored(self, record: r.CancelIgnored) -> None:
        self.witnesses.ignored_cancels.append((record.task, record.ns))
