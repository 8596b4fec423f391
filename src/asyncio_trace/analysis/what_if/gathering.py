"""Serial awaits made into concurrent ones: each becomes a task of its own, and the task that did them waits for all."""

from __future__ import annotations

from asyncio_trace.analysis.what_if.graph import Action, Graph, Life, Step, Until
from asyncio_trace.analysis.what_if.places import Place
from asyncio_trace.model import Site, Wait
from asyncio_trace.model.kinds import is_asyncio

_Inner = tuple[Site, ...]
_FIRST_STEP_NS = 20_000
"""What making a task and running it up to its first await takes, about; so they begin in their order, as they would."""


def gather(graph: Graph, where: Place) -> tuple[int, int]:
    """Do together what tasks await at `where` one after another.

    Returns:
        How many groups there were, and how many awaits in them.
    """
    groups = together = 0
    for life in list(graph.lives.values()):
        for first, last in reversed(_stretches(life, where)):
            branches = _branches(life, where, first, last)
            if len(branches) > 1:
                _split(graph, life, branches)
                groups, together = groups + 1, together + len(branches)
    return groups, together


def _split_stack(wait: Wait | None, where: Place) -> tuple[Site, _Inner] | None:
    """The frame of a wait that is at the place, and the frames inside it; None if it has none there."""
    stack = wait.stack if wait is not None else ()
    for number, site in enumerate(stack):
        if not is_asyncio(site) and where.has(site):
            return site, stack[number + 1 :]
    return None


def _stretches(life: Life, where: Place) -> list[tuple[int, int]]:
    """First and last of neighbouring steps that end with an await there."""
    found: list[tuple[int, int]] = []
    for number, step in enumerate(life.steps[:-1]):
        if step.ending is None or _split_stack(step.after, where) is None:
            continue
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def _branches(life: Life, where: Place, first: int, last: int) -> list[tuple[int, int]]:
    """First and last of the steps that belong to one await of the place.

    A call that awaits several times is one branch: it ends where another line of the place awaits, or where an await comes
    again that it began with.
    """
    branches: list[tuple[int, int]] = []
    begin: tuple[Site, _Inner] | None = None
    for number in range(first, last + 1):
        split = _split_stack(life.steps[number].after, where)
        if begin is None or split is None or split[0] != begin[0] or split == begin:
            branches.append((number, number))
            begin = split
        else:
            branches[-1] = branches[-1][0], number
    return branches


def _split(graph: Graph, life: Life, branches: list[tuple[int, int]]) -> None:
    """Move each branch into a task of its own.

    What ran between two branches goes with the first of them: as one loop runs it all, where it stands matters little.
    """
    opening = life.steps[branches[0][0]]
    tokens = set()
    for place, (first, last) in enumerate(branches):
        number = graph.new_number()
        child = Life(number, f"{life.coroutine} (gathered)", life.loop, made_up=True)
        child.steps = [Step(_FIRST_STEP_NS, 0, [], life.steps[first].ending, None, life.steps[first].after)]
        child.steps += life.steps[first + 1 : last + 1]
        if place + 1 < len(branches):
            over = life.steps[last + 1]
            child.steps.append(Step(over.cost_ns, over.overhead_ns, over.actions, None, over.before))
        else:
            child.steps.append(Step(0))
        graph.lives[number] = child
        tokens.add(("end", number))
        opening.actions.append(Action(opening.cost_ns, "create", number))
    opening.ending = Until(frozenset(tokens), 2)
    del life.steps[branches[0][0] + 1 : branches[-1][1] + 1]
