"""What `run` is asked to run, as the words that Python takes."""

from __future__ import annotations

import os
from typing import NamedTuple

from asyncio_trace.cli.main import nearest
from asyncio_trace.errors import UsageError


class Target(NamedTuple):
    """A program to run."""

    name: str
    """Short name for files and headings."""
    words: list[str]
    """What follows `python` on its command line."""
    shown: list[str]
    """The same as its user wrote it."""


def resolve(module: str | None, code: str | None, rest: tuple[str, ...]) -> Target:
    """The program that the command line names.

    Raises:
        UsageError: There is none.
    """
    if module is not None:
        words = ["-m", module, *rest]
        return Target(module.rpartition(".")[2], words, words)
    if code is not None:
        words = ["-c", code, *rest]
        return Target("code", words, words)
    if not rest:
        raise UsageError("nothing to run; name a scenario (asyncio-trace scenarios lists them), a script, -m MODULE or -c CODE")
    word, args = rest[0], rest[1:]
    if os.path.exists(word):
        stem = os.path.splitext(os.path.basename(os.path.abspath(word)))[0]
        return Target(stem, [word, *args], [word, *args])
    from asyncio_trace.scenarios.registry import names

    scenarios = names()
    if word in scenarios:
        return Target(word, ["-m", scenarios[word], *args], [word, *args])
    near = nearest(word, scenarios) or "; asyncio-trace scenarios lists the scenarios"
    raise UsageError(f"{word!r} is neither a file nor a scenario{near}")


def is_own_scenario(word: str) -> bool:
    """Whether a target is a scenario that comes with this package, whose options are known."""
    if word.startswith("-") or os.path.exists(word):
        return False
    from asyncio_trace.scenarios import registry

    return registry.names().get(word, "").startswith(f"{registry.__package__}.")
