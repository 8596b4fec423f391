"""The page: self-contained, closed to the network and to whatever a program calls its things; and its modules."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from asyncio_trace.exporters.html import page as page_module
from asyncio_trace.exporters.html.exporter import HtmlExporter
from asyncio_trace.model import load
from viewer.needed import node
from viewer.pages import JS, contended, finding, recorded, written

MODULES = Path(page_module.__file__).parent / "viewer"


def test_the_page_is_closed_to_the_network_and_to_other_scripts(tmp_path: Path) -> None:
    """Its policy allows this script and this style by hash, and else nothing; and nothing in it names another address."""
    text = written(contended(), tmp_path).read_text("utf-8")
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for name, body in ("script-src", script), ("style-src", style):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert rules.pop(name) == f"'sha256-{digest}'"
    assert set(rules.values()) == {"'none'"}
    assert not re.findall(r"https?://", text)
    assert not re.findall(r"<(?:link|img|iframe|script src|object|embed|base)\b", text)


def test_what_a_program_is_called_never_becomes_markup(tmp_path: Path) -> None:
    """Names with tags, comments and ends of scripts stand in the page as escaped JSON, wherever they come from."""
    evil = "</script><script>alert(1)</script><!--<script>"
    trace = contended((evil, f"{evil}'\"&"), coroutine=evil)
    trace.program.argv = [evil]
    plain = written(contended(), tmp_path, [finding()], "plain.html").read_text("utf-8")
    text = written(trace, tmp_path, [finding(evil)]).read_text("utf-8")
    assert "alert(1)" in text
    for tag in "<script", "</script", "<!--":
        assert text.count(tag) == plain.count(tag)


def test_names_that_are_no_unicode_are_written(tmp_path: Path) -> None:
    """A lone surrogate, which file names may hold, does not stop the page from being written."""
    HtmlExporter().export(contended(("\udcff", "b")), str(tmp_path / "page.html"))
    assert "\\udcff" in (tmp_path / "page.html").read_text("utf-8")


def test_source_lines_are_embedded_only_if_asked_for(tmp_path: Path) -> None:
    """The page holds the lines that the trace names, and no others, if the exporter is told to; else none."""
    trace = load(recorded("lock", tmp_path))
    exporter = HtmlExporter()
    exporter.export(trace, str(tmp_path / "without.html"))
    exporter.embed_source = True
    exporter.export(trace, str(tmp_path / "with.html"))
    line = "async with lock"
    assert line not in (tmp_path / "without.html").read_text("utf-8")
    text = (tmp_path / "with.html").read_text("utf-8")
    assert line in text
    assert "Plain asyncio" not in text


def test_modules_share_one_scope_without_clashes() -> None:
    """No name is declared in two modules: the page joins them into one."""
    names: Counter[str] = Counter()
    for module in MODULES.glob("*.js"):
        declared = re.findall(r"^(?:export )?(?:async )?(?:function\*?|const|let|class) (\w+)", module.read_text("utf-8"), re.M)
        names.update(declared)
    assert [name for name, times in names.items() if times > 1] == []


def test_modules_are_small_and_all_of_them_are_in_the_page(tmp_path: Path) -> None:
    """None has more than 400 lines, each says first what it is for, and each reaches the page (but one of types alone)."""
    text = written(contended(), tmp_path).read_text("utf-8")
    for module in MODULES.glob("*.js"):
        body = module.read_text("utf-8")
        assert len(body.splitlines()) <= 400, module.name
        assert body.startswith("// "), module.name
        assert module.name == "actions.js" or body.splitlines()[0] in text, module.name


def test_no_module_sets_markup() -> None:
    """Nothing in the viewer turns text into markup or code."""
    for module in MODULES.glob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", module.read_text()
        )
        assert found == [], module.name


def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    """Two pages of one trace are equal, byte for byte."""
    assert (
        written(contended(), tmp_path, name="a.html").read_bytes() == written(contended(), tmp_path, name="b.html").read_bytes()
    )


def test_modules_pass_their_own_tests() -> None:
    """What stands in tests/viewer/js passes in Node."""
    done = subprocess.run(
        [node(), "--test", *map(str, sorted(JS.glob("*.test.js")))], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^# pass [1-9]", done.stdout, re.M), done.stdout


def test_modules_are_typed() -> None:
    """The TypeScript compiler finds no fault with the types in the modules' comments."""
    compiler = MODULES / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("no TypeScript: npm install in src/asyncio_trace/exporters/html/viewer")
    assert shutil.which("node")
    done = subprocess.run([str(compiler), "-p", str(MODULES)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
