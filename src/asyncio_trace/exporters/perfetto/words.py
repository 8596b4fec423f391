"""What a slice of a wait is called and says: what it is on, where, and what ended it."""

from __future__ import annotations

from asyncio_trace.exporters.perfetto import wire
from asyncio_trace.model import WAKER_KINDS, Site, Trace
from asyncio_trace.model.kinds import is_asyncio


class Words:
    """Fields of events for the waits of one trace; each text is made once."""

    def __init__(self, trace: Trace, interner: wire.Interner) -> None:
        self._trace = trace
        self._interner = interner
        waits = trace.waits.columns
        self._kinds, self._labels = waits.kind.tolist(), waits.awaited_label.tolist()
        self._stacks = waits.stack.tolist()
        waker = waits.waker
        self._wakers = list(zip(waker.kind.tolist(), waker.at.tolist(), waker.label.tolist(), strict=True))
        self._names: dict[tuple[int, int], bytes] = {}
        self._places: dict[int, bytes] = {}
        self._causes: dict[tuple[int, int, int], bytes] = {}

    def of_wait(self, row: int) -> bytes:
        """Name and annotations of a wait's slice."""
        key = self._kinds[row], self._labels[row]
        name = self._names.get(key)
        if name is None:
            label = self._trace.strings[key[1]] if key[1] >= 0 else ""
            name = self._names[key] = wire.number(10, self._interner.number(wire.Interner.NAMES, self._called(key[0], label)))
        stack = self._stacks[row]
        place = self._places.get(stack)
        if place is None:
            place = self._places[stack] = self._stack(stack)
        waker = self._wakers[row]
        cause = self._causes.get(waker)
        if cause is None:
            cause = self._causes[waker] = self._cause(*waker)
        return name + place + cause

    def _called(self, kind: int, label: str) -> str:
        return f"waiting: {label or self._trace.wait_kinds[kind]}"

    def _stack(self, number: int) -> bytes:
        sites = self._trace.stacks[number]
        own = next((site for site in reversed(sites) if not is_asyncio(site)), sites[-1] if sites else None)
        if own is None:
            return b""
        stack = " > ".join(_told(site) for site in sites)
        return self._annotation("at", _told(own)) + self._annotation("stack", stack)

    def _cause(self, kind: int, at: int, label: int) -> bytes:
        if not kind:
            return b""
        words = [WAKER_KINDS[kind]]
        if label >= 0:
            words.append(self._trace.strings[label])
        if at >= 0:
            words.append(f"at {_told(self._trace.sites[at])}")
        return self._annotation("woken by", " ".join(words))

    def _annotation(self, name: str, value: str) -> bytes:
        names, values = wire.Interner.ANNOTATIONS, wire.Interner.VALUES
        body = wire.number(1, self._interner.number(names, name)) + wire.number(17, self._interner.number(values, value))
        return wire.message(4, body)


def _told(site: Site) -> str:
    return f"{site.function} ({site.file}:{site.line})"
