"""Tasks of a program that still runs, held until all that one of them set off is over: then they can be told as a whole.

A tree is a task and all that it creates, directly or not. When the last of it ends, it is let go. What lives for long is no
request: a main task that serves, a worker, a connection that stays open. After `long_lived_ns` such a task is on its own, and
what it creates are trees; so what is held is what was begun in the last while.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from asyncio_trace.model.tables import Job, Run, Site, Task, Wait
from asyncio_trace.model.witnesses import Sample

MOST_ROWS = 500
"""Waits of one task that are held, the longest; and blocking steps and jobs, the first."""
TREE_ROWS = 10_000
"""Rows of one tree that are held; of what ends beyond, tasks that created none are only counted."""


@dataclass(slots=True)
class LeftOut:
    """What is known of a task only in numbers. Times in nanoseconds."""

    short_waits: int = 0
    """Waits below the threshold."""
    short_waits_ns: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Number of what was let go to bound memory, by kind: `wait`, `step`, `job`."""
    ns: Counter[str] = field(default_factory=Counter)
    """How long those took, by kind."""
    tasks: Counter[str] = field(default_factory=Counter)
    """Number of tasks that it created and that were let go, by coroutine."""
    tasks_ns: int = 0

    def add(self, kind: str, ns: int) -> None:
        """Count one wait, step or job."""
        self.counts[kind] += 1
        self.ns[kind] += ns


@dataclass(frozen=True, slots=True)
class StepPlaces:
    """Where a blocking step was."""

    before: Site | None
    """The program's own line that awaited what the task came back from; None at its beginning, and for a callback."""
    after: Site | None
    """The one that awaited next."""
    sample: Sample | None
    """Where it stood while it blocked, if that was seen."""


class Node:
    """A task with what belongs to it."""

    __slots__ = ("_seq", "_waits", "around", "children", "creator", "jobs", "left_out", "others", "runs", "task", "tree")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.children: dict[int, Node] = {}
        self.creator: Node | None = None
        self.tree: Tree | None = None
        """None once the task is on its own."""
        self._waits: list[tuple[int, int, Wait]] = []
        self._seq = count()
        self.runs: list[Run] = []
        """Blocking steps."""
        self.around: dict[tuple[int, int], StepPlaces] = {}
        """Where the blocking steps were, by loop and start."""
        self.jobs: list[Job] = []
        self.others: dict[int, Task] = {}
        """Tasks of any tree that are named in its waits."""
        self.left_out = LeftOut()

    @property
    def waits(self) -> list[Wait]:
        """Its waits, by their start."""
        return sorted((wait for _, _, wait in self._waits), key=lambda wait: wait.start_ns)

    def add_wait(self, wait: Wait, ns: int) -> None:
        """Hold a wait that took `ns`, or count it if there are many longer ones."""
        entry = (ns, next(self._seq), wait)
        if len(self._waits) < MOST_ROWS:
            heapq.heappush(self._waits, entry)
        else:
            self.left_out.add("wait", heapq.heappushpop(self._waits, entry)[0])

    def add_run(self, run: Run, places: StepPlaces) -> None:
        """Hold a blocking step, or count it."""
        if len(self.runs) < MOST_ROWS:
            self.runs.append(run)
            self.around[run.loop, run.start_ns] = places
        else:
            self.left_out.add("step", run.end_ns - run.start_ns)

    def add_job(self, job: Job) -> None:
        """Hold a job, or count it."""
        if len(self.jobs) < MOST_ROWS:
            self.jobs.append(job)
        else:
            self.left_out.add("job", 0)

    @property
    def rows(self) -> int:
        """Rows held for it."""
        return 1 + len(self._waits) + len(self.runs) + len(self.jobs)


class Tree:
    """A task and all that it created, while some of it lives."""

    __slots__ = ("alive", "root", "rows")

    def __init__(self, root: Node) -> None:
        self.root: Node | None = root
        """None once it has been let go or taken apart."""
        self.alive = 0
        self.rows = 0


class Trees:
    """All trees of a program."""

    def __init__(self, long_lived_ns: int) -> None:
        self._long_lived_ns = long_lived_ns
        self._due: list[tuple[int, int, Tree]] = []
        """When each tree is to be taken apart, the next first."""
        self._seq = count()
        self._over: list[list[Node]] = []

    def begin(self, node: Node, creator: Node | None) -> None:
        """A task was created, by a task or by none."""
        if creator is None or creator.tree is None:
            self._plant(node).alive = 1
        else:
            node.tree, node.creator = creator.tree, creator
            creator.children[node.task.id] = node
            node.tree.alive += 1

    def end(self, node: Node) -> None:
        """A task ended."""
        tree = node.tree
        if tree is None:
            self._over.append([node])
            return
        tree.alive -= 1
        tree.rows += node.rows
        if not tree.alive:
            assert tree.root is not None
            self._let_go(tree.root)
            tree.root = None
        elif tree.rows > TREE_ROWS and not node.children and node.creator is not None:
            tree.rows -= node.rows
            _count(node, node.creator)

    def advance(self, now: int) -> None:
        """It is `now`, in nanoseconds since the trace began: take apart what is old."""
        while self._due and self._due[0][0] <= now:
            _, _, tree = heapq.heappop(self._due)
            root, tree.root = tree.root, None
            if root is not None:
                self._take_apart(root)

    def take(self) -> list[list[Node]]:
        """The trees that are over since this was last asked."""
        over, self._over = self._over, []
        return over

    def _plant(self, node: Node) -> Tree:
        tree = node.tree = Tree(node)
        node.creator = None
        heapq.heappush(self._due, (node.task.created_ns + self._long_lived_ns, next(self._seq), tree))
        return tree

    def _let_go(self, root: Node) -> None:
        nodes = list(_walk(root))
        for node in nodes:
            node.children, node.creator = {}, None  # else they would be a circle, and wait for the collector
        self._over.append(nodes)

    def _take_apart(self, root: Node) -> None:
        """The root goes on by itself if it lives; if it has ended, so do those who live and have outlived their creators."""
        over: list[Node] = []
        tops: list[Node] = []
        if root.task.ended_ns is None:
            root.tree = None
            tops, root.children = list(root.children.values()), {}
        else:
            left = [root]
            while left:
                node = left.pop()
                over.append(node)
                for child in node.children.values():
                    (tops if child.task.ended_ns is None else left).append(child)
                node.children, node.creator = {}, None
            self._over.append(over)
        for top in tops:
            nodes = list(_walk(top))
            alive = sum(node.task.ended_ns is None for node in nodes)
            if not alive:
                top.creator = None
                self._let_go(top)
                continue
            tree = self._plant(top)
            tree.alive = alive
            tree.rows = sum(node.rows for node in nodes if node.task.ended_ns is not None)
            for node in nodes:
                node.tree = tree


def _walk(root: Node) -> Iterator[Node]:
    """A node and all below it."""
    left = [root]
    while left:
        node = left.pop()
        yield node
        left.extend(node.children.values())


def _count(node: Node, creator: Node) -> None:
    """Let a task go that has ended, and count it and what belongs to it where it was created."""
    task = node.task
    del creator.children[task.id]
    account = creator.left_out
    account.tasks += node.left_out.tasks
    account.tasks[task.coroutine] += 1
    account.tasks_ns += node.left_out.tasks_ns + (task.ended_ns or task.created_ns) - task.created_ns
    for wait in node.waits:
        account.add("wait", (wait.end_ns or wait.start_ns) - wait.start_ns)
    for run in node.runs:
        account.add("step", run.end_ns - run.start_ns)
    for _ in node.jobs:
        account.add("job", 0)
    account.counts += node.left_out.counts
    account.ns += node.left_out.ns
