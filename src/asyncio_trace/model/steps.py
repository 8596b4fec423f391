"""The steps of all tasks in their order, and the waits between them.

An event here is a step, or a `TaskAlive` that says something new: where the recording begins or behind a gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from asyncio_trace.events import records as r
from asyncio_trace.model.codes import NONE
from asyncio_trace.model.columns import Int32, Int64
from asyncio_trace.model.gaps import Gaps
from asyncio_trace.model.known import KnownTasks
from asyncio_trace.model.lookup import first_places
from asyncio_trace.model.recorded import Fields


class Events:
    """Events of tasks, in the order of their records."""

    def __init__(self, steps: Fields, yielded: Fields, alive: Fields, tasks: KnownTasks) -> None:
        self._parts = (steps, yielded, alive)
        lengths = (len(steps), len(yielded), len(alive))
        self._bounds = np.cumsum((0, *lengths))
        ids = np.concatenate([part.task for part in self._parts])
        seq = np.concatenate([part.seq for part in self._parts])
        rows = tasks.rows(ids, seq)
        if len(alive):
            rows[self._bounds[2] :] = tasks.rows(alive.task, alive.seq, itself=True)
        mixed = sum(map(bool, lengths)) > 1
        order = np.argsort(seq, kind="stable").astype(np.int32) if mixed else np.arange(len(seq), dtype=np.int32)
        told = rows[order] != NONE
        strangers = order[~told]
        strangers = strangers[strangers < self._bounds[2]]
        names = tasks.housekeeping(ids[strangers], seq[strangers])
        self.housekeeping_names = names[names != NONE]
        """Of each step of a housekeeping task the name that it goes by."""
        self._housekeeping = strangers[names != NONE]
        chosen = order[told]
        self._source = chosen
        """Where each event's record stands, of all those that there are."""
        self.rows = rows[chosen]
        self.seq = seq[chosen]
        self.gaps_before: Int64 | None = None
        """How many gaps there were before each event; None if there is none."""
        self._link()

    def split_at(self, gaps: Gaps, tasks: KnownTasks) -> None:
        """Take note of gaps, and leave out what says nothing new."""
        if gaps.number:
            self.gaps_before = gaps.before(self.seq)
        if len(self._parts[2]):
            creates = self.is_alive & (tasks.seq[self.rows] == self.seq)
            kept = ~self.is_alive | creates | self._heard_anew(tasks, gaps)
            self._source, self.rows, self.seq = self._source[kept], self.rows[kept], self.seq[kept]
            if self.gaps_before is not None:
                self.gaps_before = self.gaps_before[kept]
            self._link()

    def __len__(self) -> int:
        return len(self._source)

    @property
    def is_alive(self) -> Any:
        """Which events are no steps."""
        return self._source >= self._bounds[2]

    def of(self, events: Any, step: str | int, yielded: str | int, alive: str | int) -> Int64:
        """Something of the chosen events: a field's name, or a number, for each of the three kinds of records."""
        return self._fields(self._source[events], (step, yielded, alive))

    def of_housekeeping(self, step: str | int, yielded: str | int) -> Int64:
        """Something of the steps of housekeeping tasks."""
        return self._fields(self._housekeeping, (step, yielded, 0))

    def _fields(self, source: Int32, what: tuple[str | int, ...]) -> Int64:
        out = np.empty(len(source), np.int64)
        for part, field, low, high in zip(self._parts, what, self._bounds, self._bounds[1:], strict=False):
            if low == high:
                continue
            alone = high - low == self._bounds[-1]
            mine = slice(None) if alone else (source >= low) & (source < high)
            out[mine] = getattr(part, field)[source[mine] - low] if isinstance(field, str) else field
        return out

    def at(self, rows: Int32, seq: Int64) -> Int32:
        """The last events of tasks, given by their rows, before records, given by their numbers; `NONE` where there is none."""
        if not len(rows) or not len(self):
            return np.full(len(rows), NONE, np.int32)
        order = np.argsort(self.rows, kind="stable").astype(np.int32)
        keys = self.rows[order].astype(np.int64) << 32 | self.seq[order]
        place = np.searchsorted(keys, rows.astype(np.int64) << 32 | seq) - 1
        found = order[place]
        found[(place < 0) | (rows == NONE) | (self.rows[found] != rows)] = NONE
        return found

    def ends(self) -> tuple[Int64, Int64]:
        """Numbers of the records of steps, and when the steps ended."""
        steps = np.flatnonzero(~self.is_alive)
        return self.seq[steps], self.of(steps, "end_ns", "end_ns", 0)

    def housekeeping_ends(self) -> tuple[Int64, Int64]:
        """The same of housekeeping tasks."""
        return self.of_housekeeping("seq", "seq"), self.of_housekeeping("end_ns", "end_ns")

    def first_starts(self) -> tuple[Int32, Int64]:
        """The rows of the tasks that had a step, and when the first began."""
        new = self.previous == NONE
        if len(self._parts[2]):
            new = ~self.is_alive & (new | self.is_alive[self.previous])
        firsts = np.flatnonzero(new)
        firsts = firsts[first_places(self.rows[firsts])]
        return self.rows[firsts], self.of(firsts, "start_ns", "start_ns", 0)

    def last_heard(self, tasks: KnownTasks, gaps: Gaps) -> Int64:
        """How many gaps there were when each task was last heard of."""
        heard = gaps.before(tasks.seq)
        if self.gaps_before is not None:
            heard[self.rows] = self.gaps_before  # of several, the last stays
        return heard

    def uncovered(self, tasks: KnownTasks, gaps: Gaps) -> Int64:
        """Nanoseconds of each task's life of which nothing is known."""
        lost: Int64 = np.maximum(0, tasks.since_ns - tasks.created_ns)
        if self.gaps_before is not None:
            anew = np.flatnonzero(self._heard_anew(tasks, gaps))
            start = self.of(anew, "start_ns", "start_ns", "since_ns")
            queued = self.of(anew, "ready_ns", 0, "since_ns")
            since = np.minimum(np.where(queued == 0, start, queued), start)
            until = gaps.known_until(self._heard_before(tasks, gaps)[anew])
            np.add.at(lost, self.rows[anew], np.maximum(0, since - until))
        return lost

    def _heard_before(self, tasks: KnownTasks, gaps: Gaps) -> Int64:
        """How many gaps there were when the task of each event was heard of before, or made known by it."""
        assert self.gaps_before is not None
        heard: Int64 = np.where(self.previous == NONE, gaps.before(tasks.seq[self.rows]), self.gaps_before[self.previous])
        return heard

    def _heard_anew(self, tasks: KnownTasks, gaps: Gaps) -> Any:
        """Which events are the first that is heard of a known task behind a gap."""
        if self.gaps_before is None:
            return np.zeros(len(self), np.bool_)
        return self._heard_before(tasks, gaps) != self.gaps_before

    def _link(self) -> None:
        """Find each event's neighbours of the same task."""
        rows = self.rows
        order = np.argsort(rows.astype(np.uint16) if not len(rows) or rows.max() < 1 << 16 else rows, kind="stable").astype(
            np.int32
        )
        same = rows[order[1:]] == rows[order[:-1]]
        self.previous = np.full(len(rows), NONE, np.int32)
        """The event before, of the same task."""
        self.next = np.full(len(rows), NONE, np.int32)
        """The event after, of the same task."""
        self.previous[order[1:][same]] = order[:-1][same]
        self.next[order[:-1][same]] = order[1:][same]


class WaitSpans:
    """The waits that begin with events, in the order of those. All arrays have a place for each wait.

    Args:
        events: The events.
        gaps: The gaps of the recording.
        asked: Some events, for which it is told in which wait their tasks are behind each.
    """

    def __init__(self, events: Events, gaps: Gaps, asked: Int32) -> None:
        ends = events.of(slice(None), "end", r.StepEnd.YIELDED, 0)
        alive = events.is_alive
        states = events.of(slice(None), 0, 0, "state") if alive.any() else ends
        opens = np.where(alive, states == r.TaskState.WAITING, (ends == r.StepEnd.WAITING) | (ends == r.StepEnd.YIELDED))
        del ends
        opener = np.where(opens, np.arange(len(events), dtype=np.int32), np.int32(NONE))
        """The event with which the wait began that the task is in after each event."""
        closer = np.where(opens, events.next, np.int32(NONE))
        cut = np.broadcast_to(np.int32(NONE), len(events))
        """For each wait of which nothing is known from a gap on, how many gaps there were when it was last heard of."""
        if events.gaps_before is not None:
            closer[:], cut = NONE, cut.copy()
            self._over_gaps(events, opener, closer, cut, states, gaps.number)
        self.events = np.flatnonzero(opener == np.arange(len(events), dtype=np.int32)).astype(np.int32)
        """The event that began each."""
        openers = opener[asked] if len(opener) else np.full(len(asked), NONE, np.int32)
        self.asked = np.where((asked == NONE) | (openers == NONE), NONE, np.searchsorted(self.events, openers))
        """For each event that was asked for the wait behind it, or `NONE`."""
        del opens, opener, states
        self.rows = events.rows[self.events]
        self.start_ns = events.of(self.events, "end_ns", "end_ns", "since_ns")
        self.closer = closer[self.events]
        """The step that ended each."""
        self.cut = cut[self.events] if cut.strides[0] else cut[: len(self.events)]
        self.yielded = events.of(self.events, "end", r.StepEnd.YIELDED, r.StepEnd.WAITING) == r.StepEnd.YIELDED
        self.awaited = events.of(self.events, "awaited", 0, "awaited")
        made = events.of(self.events, "made", 0, "made")
        self.makers = np.flatnonzero(made)
        """The waits that made a future of their own."""
        self.made = made[self.makers]
        """The ids of those."""

    def _over_gaps(self, events: Events, opener: Any, closer: Any, cut: Any, states: Int64, number: int) -> None:
        gaps_before = events.gaps_before
        assert gaps_before is not None
        since = events.of(slice(None), "end_ns", "end_ns", "since_ns")
        yields = events.of(slice(None), "end", r.StepEnd.YIELDED, r.StepEnd.WAITING) == r.StepEnd.YIELDED
        alive = events.is_alive
        for event in np.flatnonzero(alive & (events.previous != NONE)).tolist():
            wait = opener[events.previous[event]]
            if wait != NONE:
                state = r.TaskState.QUEUED if yields[wait] else r.TaskState.WAITING
                if since[wait] == since[event] and states[event] == state:
                    opener[event] = wait
                else:
                    cut[wait] = gaps_before[events.previous[event]]
        last = np.flatnonzero((opener != NONE) & ((events.next == NONE) | ~alive[events.next]))
        following = events.next[last]
        gaps_then = np.where(following == NONE, number, gaps_before[following])
        known = gaps_before[last] == gaps_then
        ended = known & (following != NONE)
        closer[opener[last[ended]]] = following[ended]
        cut[opener[last[~known]]] = gaps_before[last[~known]]
