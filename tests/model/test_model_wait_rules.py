"""Rules of plug-ins name waits inside libraries; a set of rules that fails costs its labels only, and a finding says so."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from asyncio_trace.analysis.rules import find_all
from asyncio_trace.model import Program, Site, Trace, wait_rules
from asyncio_trace.model.wait_rules import WaitRule, WaitRules

RULES = WaitRules(
    [
        WaitRule("carrots.pool", "Pool.acquire", "connection pool"),
        WaitRule("carrots.pool", "Pool.get", "outer"),
        WaitRule("carrots.client", "call", "carrots response", ("wire",)),
        WaitRule("anyio.sockets", "receive", "socket receive"),
    ]
)
NOT_RULES = ["a text"]


def frames(*places: str) -> tuple[Site, ...]:
    """A stack of `module:function`s, outermost first."""
    return tuple(Site(function, "/x.py", 1, module) for module, _, function in (place.partition(":") for place in places))


@pytest.mark.parametrize(
    ("stack", "label"),
    [
        (("app:main", "carrots.pool:Pool.acquire"), "connection pool"),
        (("app:main", "carrots.pool:Pool.acquire", "carrots.deep:wait", "asyncio.locks:Event.wait"), "connection pool"),
        (("app:main", "carrots.pool:Pool.get", "carrots.pool:Pool.acquire"), "connection pool"),
        (("app:main", "carrots.pool:Pool.acquire", "app:hook", "asyncio.tasks:sleep"), None),
        (("app:main", "carrots.client:call", "wire:read"), "carrots response"),
        (("app:main", "carrots.client:call", "wires:read"), None),
        (("app:main", "carrots.client:call", "anyio.sockets:receive", "asyncio.locks:Event.wait"), "carrots response"),
        (("app:main", "anyio.sockets:receive", "asyncio.locks:Event.wait"), "socket receive"),
        (("app:main",), None),
        ((), None),
    ],
    ids=str,
)
def test_a_rule_holds_for_waits_of_its_library(stack: tuple[str, ...], label: str | None) -> None:
    """The innermost that holds, a library's before those of what it is built on; none beyond the program's own frames."""
    assert RULES.label(frames(*stack)) == label


@pytest.mark.parametrize("value", ["no_such_module:RULES", f"{__name__}:NOT_RULES"])
def test_rules_that_fail_are_told(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding names them and what is missing; the others are there."""

    def entries(group: str) -> list[Any]:
        good = EntryPoint("good", "asyncio_trace.model.library_waits:REDIS", group)
        return [EntryPoint("bad", value, group), good] if group == wait_rules.GROUP else []

    monkeypatch.setattr(wait_rules, "entry_points", entries)
    wait_rules.installed.cache_clear()
    try:
        findings = [finding for finding in find_all(Trace(Program())) if "wait rules bad" in finding.message]
        label = wait_rules.installed().label(frames("redis.asyncio.connection:AbstractConnection.read_response"))
    finally:
        wait_rules.installed.cache_clear()
    assert label == "redis response"
    assert [finding.rule for finding in findings] == ["rule-failed"]
    assert "labels of waits are missing" in findings[0].message
