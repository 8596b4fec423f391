"""What reports call the things that waits, steps and findings are about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from asyncio_trace.model import Site
from asyncio_trace.terminal.wording import Names, Wording

_OUTER_FUNCTIONS = re.compile(r"\S*<locals>\.")


def waited_on(kind: str, label: str, wording: Wording, resource: int | None = None) -> str:
    """`sleep`, `Queue.get #8`, `task fetch`: the label where it says the kind, else both."""
    label = _OUTER_FUNCTIONS.sub("", label)
    if label.lower() in ("", kind):
        text = kind
    elif kind == "other" or (kind != "task" and label.lower().startswith(kind.partition(".")[0])):
        text = label
    else:
        text = f"{kind} {label}"
    return wording.clean(text if resource is None else f"{text} #{resource}")


def coroutine_names(qualified: Sequence[str], names: Names, wording: Wording) -> dict[str, str]:
    """The coroutines without the functions that they are defined in, unless that would make two of them one."""
    often = Counter(names.coroutine(name) for name in qualified)
    return {name: short if often[short := names.coroutine(name)] == 1 else wording.clean(name) for name in qualified}


def place(site: Site | None, wording: Wording, *, function: bool) -> str:
    """`app.py:12`, after the function if that is asked for."""
    if site is None:
        return ""
    where = f"{PurePath(site.file).name or site.file}:{site.line}"
    return wording.clean(f"{site.function.rpartition('<locals>.')[2]} {where}".strip() if function else where)
