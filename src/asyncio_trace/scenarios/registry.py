"""Which scenarios are installed, and what each teaches: read from the entry points, without importing any of them.

A package adds a scenario by an entry point in the group ``asyncio_trace.scenarios`` that names a module which can be run
with ``python -m``. The first line of the module's docstring is its summary.
"""

from __future__ import annotations

from typing import NamedTuple

GROUP = "asyncio_trace.scenarios"


class Scenario(NamedTuple):
    """A program to run: the name that users type, the module behind it and the line that says what it teaches."""

    name: str
    module: str
    summary: str


def names() -> dict[str, str]:
    """Return the module of every scenario by the scenario's name, in the alphabetical order of the names.

    Our own scenarios keep their names: a plug-in can add names but can't take one of these over.
    """
    # Here, since `importlib.metadata` costs more than all the rest and a script's path can be run without it.
    from importlib.metadata import entry_points

    found: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        module = entry.value.partition(":")[0].strip()
        if entry.name not in found or module.startswith(f"{__package__}."):
            found[entry.name] = module
    return dict(sorted(found.items()))


def available() -> dict[str, Scenario]:
    """Return every scenario by its name; one that can't be read is there too, and its summary says why."""
    return {name: Scenario(name, module, _summary(module)) for name, module in names().items()}


def _summary(module: str) -> str:
    # A plug-in may be broken in any way, and finding a module imports the packages above it: nothing may escape from here.
    try:
        docstring = _docstring(module)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return f"(can't be read: {reason})"
    lines = (docstring or "").strip().splitlines()
    return lines[0].strip() if lines else "(no description)"


def _docstring(module: str) -> str | None:
    # Here, since `names` does without them.
    import ast
    from importlib.util import find_spec

    spec = find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"no module named {module!r}")
    get_source = getattr(spec.loader, "get_source", None)
    source = get_source(spec.name) if get_source is not None else None
    if source is None:
        raise ImportError(f"{module!r} has no source")
    return ast.get_docstring(ast.parse(source, spec.origin or module))
