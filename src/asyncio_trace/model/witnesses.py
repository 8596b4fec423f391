"""What the tracer saw with its own eyes, beside the tables: there are few of these, so they are lists of rows.

A rule can work out from the tables that a step was long; which line it stood at, the tracer looked up while it lasted. That
nobody asked for an exception shows when Python throws it away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio_trace.model.tables import Site


@dataclass(frozen=True, slots=True)
class Sample:
    """Where a run stood while it kept its loop from everything else."""

    loop: int
    task: int | None
    """The task whose step it was; None for a callback."""
    ns: int
    since_ns: int
    """When the run began, or was first seen."""
    stack: tuple[Site, ...]
    """The frames that were running, outermost first."""
    late_ns: int
    """0 if it stood there; else it kept the GIL for so long before it could be looked at, and may have gone on a little."""


@dataclass(frozen=True, slots=True)
class LostCoroutine:
    """A coroutine object that was thrown away before anybody began to await it."""

    ns: int
    coroutine: str
    """Qualified name."""
    made_at: Site | None
    """The line that called the coroutine function, where that is certain."""
    defined_at: Site | None


@dataclass(frozen=True, slots=True)
class LostException:
    """An exception of a task or future that was thrown away before anybody asked for it."""

    ns: int
    id: int | None
    """Id of the task or future, where it is known."""
    name: str
    """The task's name; empty for a future."""
    coroutine: str
    """Qualified name of the task's coroutine; empty for a future."""
    exception: str
    """Qualified name of its type."""
    raised_at: Site | None
    """The program's innermost line that it passed through."""


@dataclass(slots=True)
class Witnesses:
    """All that was seen, each in the order of time."""

    samples: list[Sample] = field(default_factory=list)
    lost_coroutines: list[LostCoroutine] = field(default_factory=list)
    lost_exceptions: list[LostException] = field(default_factory=list)
    ignored_cancels: list[tuple[int, int]] = field(default_factory=list)
    """(task, ns): ended otherwise than by the cancellation that was asked of it, and took none of it back."""

    @property
    def last_ns(self) -> int:
        """The last instant that they tell of; a program may be killed in a step that blocks."""
        instants = [sample.ns for sample in self.samples[-1:]]
        instants += [coroutine.ns for coroutine in self.lost_coroutines[-1:]]
        instants += [exception.ns for exception in self.lost_exceptions[-1:]]
        return max(instants, default=0)
