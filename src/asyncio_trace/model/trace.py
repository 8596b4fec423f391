"""A trace: everything that a recording says, as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from asyncio_trace.model.interned import Sites, Stacks, Strings, WaitKinds
from asyncio_trace.model.kinds import KINDS
from asyncio_trace.model.table import Table
from asyncio_trace.model.tables import (
    Callback,
    Future,
    Hold,
    Idle,
    Iteration,
    Job,
    Level,
    Member,
    Program,
    Resource,
    Run,
    Task,
    Wait,
    Wake,
)
from asyncio_trace.model.witnesses import Witnesses

if TYPE_CHECKING:
    from asyncio_trace.model.columns import (
        CallbackColumns,
        Columns,
        FutureColumns,
        HoldColumns,
        IdleColumns,
        IterationColumns,
        JobColumns,
        LevelColumns,
        MemberColumns,
        ResourceColumns,
        RunColumns,
        TaskColumns,
        WaitColumns,
        WakeColumns,
    )

R = TypeVar("R")
C = TypeVar("C")


class _Held(Generic[R, C]):
    """An attribute that is a table, and may be set to a list of rows."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __set_name__(self, owner: type[Trace], name: str) -> None:
        self._name = f"_{name}"

    @overload
    def __get__(self, trace: None, owner: type[Trace]) -> _Held[R, C]: ...
    @overload
    def __get__(self, trace: Trace, owner: type[Trace]) -> Table[R, C]: ...
    def __get__(self, trace: Trace | None, owner: type[Trace]) -> Table[R, C] | _Held[R, C]:
        if trace is None:
            return self
        table: Table[R, C] = trace.__dict__[self._name]
        return table

    def __set__(self, trace: Trace, rows: Iterable[R]) -> None:
        trace.__dict__[self._name] = Table[R, C](self._kind, trace, list(rows))


class Trace:
    """Everything that a recording says. Rows are ordered by their start.

    Each table can be read as rows and as columns, and may be set to a list of rows.
    """

    tasks: _Held[Task, TaskColumns] = _Held("TaskColumns")
    runs: _Held[Run, RunColumns] = _Held("RunColumns")
    """Runs of one loop do not overlap: what was interrupted by an eager task's first step is in two rows."""
    waits: _Held[Wait, WaitColumns] = _Held("WaitColumns")
    futures: _Held[Future, FutureColumns] = _Held("FutureColumns")
    jobs: _Held[Job, JobColumns] = _Held("JobColumns")
    idle: _Held[Idle, IdleColumns] = _Held("IdleColumns")
    callbacks: _Held[Callback, CallbackColumns] = _Held("CallbackColumns")
    resources: _Held[Resource, ResourceColumns] = _Held("ResourceColumns")
    holds: _Held[Hold, HoldColumns] = _Held("HoldColumns")
    levels: _Held[Level, LevelColumns] = _Held("LevelColumns")
    members: _Held[Member, MemberColumns] = _Held("MemberColumns")

    def __init__(
        self,
        program: Program,
        tasks: Iterable[Task] = (),
        runs: Iterable[Run] = (),
        waits: Iterable[Wait] = (),
        futures: Iterable[Future] = (),
        jobs: Iterable[Job] = (),
        idle: Iterable[Idle] = (),
        dropped_events: int = 0,
        complete: bool = True,
        cut: bool = False,
        gaps: int = 0,
        lost_bytes: int = 0,
        *,
        callbacks: Iterable[Callback] = (),
        resources: Iterable[Resource] = (),
        holds: Iterable[Hold] = (),
        levels: Iterable[Level] = (),
        members: Iterable[Member] = (),
        witnesses: Witnesses | None = None,
    ) -> None:
        self.program = program
        self.strings = Strings()
        """The texts that columns name by number."""
        self.sites = Sites()
        """The places in code that columns name by number."""
        self.stacks = Stacks()
        """The await stacks that columns name by number."""
        self.wait_kinds = WaitKinds(KINDS)
        """The kinds of waits that columns name by number."""
        self.parent_spans: dict[int, tuple[int, int, int]] = {}
        """Task to `Task.parent_span`, for tasks of a recording that have one."""
        self.tasks = tasks
        self.runs = runs
        self.waits = waits
        self.futures = futures
        self.jobs = jobs
        self.idle = idle
        self.callbacks = callbacks
        self.resources = resources
        self.holds = holds
        self.levels = levels
        self.members = members
        self.dropped_events = dropped_events
        self.complete = complete
        """False if anything is missing between the recording's begin and its end."""
        self.cut = cut
        """True if the recording ends before the trace did."""
        self.gaps = gaps
        """Places in the recording, before its end, at which something is missing because the file is damaged there."""
        self.lost_bytes = lost_bytes
        """Bytes of the file that are damaged and were left out."""
        self.witnesses = Witnesses() if witnesses is None else witnesses
        """What the tracer saw with its own eyes: stacks of runs that block, what nobody awaited or asked for."""

    def hold(self, **tables: Columns) -> None:
        """Set tables to columns, which name what they name by number in `strings`, `sites`, `stacks` and `wait_kinds`."""
        for name, columns in tables.items():
            self.__dict__[f"_{name}"] = Table[Any, Any](type(columns).__name__, self, columns=columns)

    @property
    def wakes(self) -> Table[Wake, WakeColumns]:
        """Which run made which wait ready, in the order of the waits; waits without a waker have none."""
        from asyncio_trace.model.joins import wakes

        return Table("WakeColumns", self, columns=wakes(self))

    @property
    def iterations(self) -> Table[Iteration, IterationColumns]:
        """What each loop did between two waits in its selector, ordered by loop and start."""
        from asyncio_trace.model.joins import iterations

        return Table("IterationColumns", self, columns=iterations(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _COMPARED)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Trace of {len(self.tasks):,} tasks, {len(self.runs):,} runs, {len(self.waits):,} waits>"


_COMPARED = (
    "program", "tasks", "runs", "waits", "futures", "jobs", "idle", "callbacks", "resources", "holds",
    "levels", "members", "dropped_events", "complete", "cut", "gaps", "lost_bytes", "witnesses",
)  # fmt: skip
