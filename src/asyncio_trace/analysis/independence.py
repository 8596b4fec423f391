"""Which awaits of a source file don't need one another's results, so that they could be done together.

A trace shows that things were done one after another; whether they had to be is in the code. So this reads it, and takes for
independent only what is plainly so: calls in adjacent assignments, in the body of a `for` loop, or in a comprehension, whose
results are kept and are not used by the next call. Calls on what looks like one connection, stream, cursor or queue are taken
to need their order, as is whatever reads, sends or waits by its name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

_ORDERED_THINGS = re.compile(
    r"(?i)(^|_)(conn|connection|cur|cursor|sock|socket|streams?|reader|writer|ws|websocket|channel|chan|transport|proto|protocol|"
    r"lock|sem|semaphore|queue|tx|transaction|redis|pipe|pipeline|db|database|proc|process|file|fp|fh|serial|bus|device)\d*$"
)
"""Names of things that do one thing at a time."""
_ORDERED_ACTS = re.compile(
    r"(?i)^_?(read|recv|receive|send|write|put|pop|push|next|drain|acquire|wait|sleep|commit|execute|fetch(one|many|all|row|val)|"
    r"close|connect|start|stop|begin|end|lock|step|tick|log|print)"
)
"""Names of functions whose calls mean an order."""
_KEEPS = frozenset(("append", "add", "extend", "update", "setdefault", "insert"))
"""Methods that keep a result."""
_SMALLEST_FILE, _LARGEST_FILE = 1, 2_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """Awaits that could be done together."""

    line: int
    """Of the first."""
    is_loop: bool
    """They are one place in the code, for each item of a loop or a comprehension."""


def groups_of(path: str) -> dict[int, Group]:
    """The groups of a file, by the lines of their awaits; none if it can't be read or is no Python."""
    try:
        with open(path, "rb") as file:
            source = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError):
        return {}
    return _groups(source) if _SMALLEST_FILE <= len(source) <= _LARGEST_FILE else {}


@lru_cache(maxsize=64)
def _groups(source: bytes) -> dict[int, Group]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[int, Group] = {}
    for node in ast.walk(tree):
        for calls, is_loop in _candidates(node):
            group = Group(min(call.lineno for call in calls), is_loop)
            for call in calls:
                for line in range(call.lineno, (call.end_lineno or call.lineno) + 1):
                    found.setdefault(line, group)
    return found


def _candidates(node: ast.AST) -> Iterator[tuple[list[ast.Await], bool]]:
    if isinstance(node, ast.For) and not node.orelse:
        calls = _of_loop(node)
        if calls:
            yield calls, True
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
        calls = _of_comprehension(node)
        if calls:
            yield calls, True
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            for calls in _of_block(block):
                yield calls, False


def _kept_await(statement: ast.stmt) -> tuple[ast.Await, set[str]] | None:
    """The await whose result a statement keeps, with the names that it changes; None if it is anything else."""
    value: ast.expr | None = None
    changed: set[str] = set()
    if isinstance(statement, ast.Assign):
        value = statement.value
        for target in statement.targets:
            changed |= _changed(target)
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        value = statement.value
        changed = _changed(statement.target)
    elif (
        isinstance(statement, ast.Expr)
        and isinstance(call := statement.value, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in _KEEPS
        and len(call.args) == 1
    ):
        value = call.args[0]
        changed = _names(call.func.value)
    if not isinstance(value, ast.Await):
        return None
    return value, changed


def _changed(target: ast.expr) -> set[str]:
    """The names whose values an assignment changes: of `pages[key]` it is `pages`."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return set().union(*map(_changed, target.elts))
    if isinstance(target, (ast.Subscript, ast.Attribute, ast.Starred)):
        return _changed(target.value)
    return _names(target)


def _of_block(block: list[ast.stmt]) -> Iterator[list[ast.Await]]:
    """Runs of adjacent statements that each keep the result of a call and use none of the others'."""
    calls: list[ast.Await] = []
    changed: set[str] = set()
    for statement in [*block, None]:
        kept = None if statement is None else _kept_await(statement)
        fits = kept is not None and _may_be_moved(kept[0]) and not isinstance(statement, ast.AugAssign)
        if calls and (kept is None or not fits or _names(kept[0]) & changed or _same(kept[0], calls)):
            if len(calls) > 1:
                yield calls
            calls, changed = [], set()
        if kept is not None and fits:
            calls.append(kept[0])
            changed |= kept[1]


def _of_loop(loop: ast.For) -> list[ast.Await]:
    items = _names(loop.target)
    kept = [_kept_await(statement) for statement in loop.body]
    if not kept or any(_has_await(loop.iter) or one is None for one in kept):
        return []
    pairs = [one for one in kept if one is not None]
    changed = set().union(*(names for _, names in pairs))
    calls = [call for call, _ in pairs]
    for call in calls:
        read = _names(call)
        if not _may_be_moved(call) or not read & items or read & changed:
            return []
    return calls


def _of_comprehension(node: ast.ListComp | ast.SetComp | ast.DictComp) -> list[ast.Await]:
    if len(node.generators) != 1 or node.generators[0].is_async or _has_await(node.generators[0]):
        return []
    call = node.value if isinstance(node, ast.DictComp) else node.elt
    if isinstance(call, ast.Await) and _may_be_moved(call) and _names(call) & _names(node.generators[0].target):
        return [call]
    return []


def _may_be_moved(node: ast.Await) -> bool:
    """Whether it is a call that begins something of its own, by its looks."""
    call = node.value
    if not isinstance(call, ast.Call) or any(_has_await(argument) for argument in ast.iter_child_nodes(call)):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    base = _base(call.func)
    if base == "asyncio":
        return name == "to_thread"
    return bool(name) and not _ORDERED_ACTS.match(name) and not any(_ORDERED_THINGS.search(used) for used in _words(call))


def _same(node: ast.Await, others: Iterable[ast.Await]) -> bool:
    """Whether a call is the same, word for word, as another: it is made for what it changes."""
    return any(ast.dump(node.value) == ast.dump(other.value) for other in others)


def _has_await(node: ast.AST) -> bool:
    return any(isinstance(inner, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)) for inner in ast.walk(node))


def _base(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _words(node: ast.Call) -> set[str]:
    """Names and attributes that a call reads, but for the name of what is called."""
    parts: list[ast.AST] = [*node.args, *node.keywords]
    if isinstance(node.func, ast.Attribute):
        parts.append(node.func.value)
    words = {inner.attr for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Attribute)}
    return words | {name for part in parts for name in _names(part)}
