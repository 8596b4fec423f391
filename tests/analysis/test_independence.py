"""Which awaits of a source are taken to be independent: only what plainly is."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from asyncio_trace.analysis.independence import groups_of


def lines_in_groups(body: str, folder: Path) -> dict[int, set[int]]:
    """First line of each group to its lines; the body begins at line 2."""
    path = folder / "app.py"
    path.write_text("async def main():\n" + indent(body, "    "))
    found: dict[int, set[int]] = {}
    for line, group in groups_of(str(path)).items():
        found.setdefault(group.line, set()).add(line)
    return found


@pytest.mark.parametrize(
    ("body", "groups"),
    [
        ("a = await fetch(1)\nb = await fetch(2)\nc = await count(3)\n", {2: {2, 3, 4}}),
        ("a = await fetch(\n    1,\n)\nb = await fetch(2)\n", {2: {2, 3, 4, 5}}),
        ("for key in keys:\n    pages.append(await fetch(key))\n", {3: {3}}),
        ("for key in keys:\n    pages[key] = await client.get(key)\n", {3: {3}}),
        ("for key in keys:\n    total += await fetch(key)\n", {3: {3}}),
        ("pages = [await fetch(key) for key in keys]\n", {2: {2}}),
        ("pages = {key: await fetch(key) for key in keys}\n", {2: {2}}),
        ("for path in paths:\n    texts.append(await asyncio.to_thread(load, path))\n", {3: {3}}),
    ],
)
def test_plain_cases(body: str, groups: dict[int, set[int]], tmp_path: Path) -> None:
    """Adjacent assignments, loops that keep a result, comprehensions."""
    assert lines_in_groups(body, tmp_path) == groups


@pytest.mark.parametrize(
    "body",
    [
        "a = await fetch(1)\nb = await fetch(a)\n",
        "a = await fetch(1)\nprint(a)\nb = await fetch(2)\n",
        "await fetch(1)\nawait fetch(2)\n",
        "a = await fetch(1)\nb = await fetch(1)\n",
        "a = await reader.readline()\nb = await reader.readexactly(4)\n",
        "a = await fetch(conn, 1)\nb = await fetch(conn, 2)\n",
        "a = await asyncio.sleep(1)\nb = await asyncio.sleep(2)\n",
        "a = await task\nb = await other\n",
        "for key in keys:\n    await fetch(key)\n",
        "for key in keys:\n    page = await fetch(key)\n    if page:\n        break\n",
        "for _ in range(3):\n    cursor = await fetch(cursor)\n",
        "for _ in range(3):\n    pages.append(await fetch())\n",
        "for key in keys:\n    pages.append(await fetch(key, pages))\n",
        "for task in asyncio.as_completed(tasks):\n    pages.append(await task)\n",
        "for line in lines:\n    done.append(await send(line))\n",
        "while more:\n    pages.append(await fetch(key))\n",
        "pages = [await fetch() for _ in keys]\n",
        "pages = [await fetch(key) async for key in keys]\n",
    ],
)
def test_what_may_need_its_order(body: str, tmp_path: Path) -> None:
    """Results that are used, the same call again, one connection, things that send or read, tasks that run already."""
    assert lines_in_groups(body, tmp_path) == {}


def test_what_can_not_be_read_has_no_groups(tmp_path: Path) -> None:
    """A file that is gone, empty, or no Python is no error."""
    assert groups_of(str(tmp_path / "gone.py")) == {}
    assert groups_of("<string>") == {}
    (tmp_path / "no.py").write_text("no python at all")
    assert groups_of(str(tmp_path / "no.py")) == {}
    (tmp_path / "empty.py").write_text("")
    assert groups_of(str(tmp_path / "empty.py")) == {}
