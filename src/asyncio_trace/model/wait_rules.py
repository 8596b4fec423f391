"""What a wait inside a library is called: rules on the await stack, ours and those of plug-ins, found as entry points.

asyncio's own frames tell the kind of a wait, which is one of a fixed list. But who waits for a response of aiohttp's waits on a
plain future, and who waits for one of redis' reads a stream: what it is to a person, the library's frames tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from asyncio_trace.model.tables import Site

GROUP = "asyncio_trace.waits"
"""Entry point group. Each entry is an iterable of `WaitRule`."""

_BELOW = frozenset(("asyncio", "anyio", "contextlib", "async_timeout"))
"""Packages whose frames may stand below that of any rule."""


@dataclass(frozen=True, slots=True)
class WaitRule:
    """Waits below a library's function have a label, as long as no code but its own and what it is built on is in between."""

    module: str
    function: str
    """Qualified name."""
    label: str
    """What a person calls it: `http response`, `connection pool`."""
    through: tuple[str, ...] = ()
    """Other packages that the library is built on; asyncio and anyio need not be named."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Rules that could not be had."""

    name: str
    package: str
    reason: str


class WaitRules:
    """Rules by the function that they are for."""

    def __init__(self, rules: Iterable[WaitRule] = (), failures: Iterable[Failure] = ()) -> None:
        self._rules = {(rule.module, rule.function): rule for rule in rules}
        self.failures = tuple(failures)

    def label(self, stack: tuple[Site, ...]) -> str | None:
        """The label that a stack, outermost frame first, has from the innermost rule that holds; None if none does.

        A library's rule comes before those of what it is built on: who waits for a response receives from a socket, too.
        """
        below: set[str] = set()
        basic: str | None = None
        for site in reversed(stack):
            package = site.module.partition(".")[0]
            rule = self._rules.get((site.module, site.function))
            if rule is not None and below <= {package, *rule.through}:
                if package not in _BELOW:
                    return rule.label
                basic = basic or rule.label
            if package not in _BELOW:
                below.add(package)
        return basic


@cache
def installed() -> WaitRules:
    """All rules that are installed. An entry that fails costs its own labels only; see `WaitRules.failures`."""
    rules: list[WaitRule] = []
    failures: list[Failure] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            loaded = list(entry.load())
            if not all(isinstance(rule, WaitRule) for rule in loaded):
                raise TypeError("not an iterable of WaitRule")
            rules += loaded
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            failures.append(Failure(entry.name, entry.dist.name if entry.dist else entry.value, reason))
    return WaitRules(rules, failures)
