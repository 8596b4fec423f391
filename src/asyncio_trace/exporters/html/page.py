"""One HTML file from the viewer's parts and a document.

The viewer is plain JavaScript modules, checked and tested as such. A page from a file can't import modules from files, so they
are joined here in the order in which they need each other, less their `import` lines and the word `export`: they share one
scope, in which no name is declared twice (a test holds them to it). The policy in the page lets nothing run but this script and
this style, by their hashes, and lets nothing be fetched from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from asyncio_trace.exporters.html.encode import Document

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:\{\};\n|(?=function|const|class|async function))", re.MULTILINE)
_SLOT = re.compile(r"\{\{(policy|style|head|columns|script)\}\}")


def page(document: Document) -> Iterator[str]:
    """The page's text, in pieces."""
    script, style = _script(), _part("style.css")
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    for number, piece in enumerate(_SLOT.split(_part("page.html"))):
        if number % 2 == 0:
            yield piece
        elif piece == "policy":
            yield html.escape(policy, quote=True)
        elif piece == "style":
            yield style
        elif piece == "script":
            yield script
        elif piece == "head":
            yield _json(document.head)
        else:
            for column in document.columns:
                yield f'<script type="text/plain" data-column="{column.name}" data-count="{column.rows}" '
                yield f'data-width="{column.width}">{column.text}</script>\n'


def _json(head: object) -> str:
    """JSON that holds nothing that could end a script element or begin a comment in one."""
    text = json.dumps(head, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(name: str) -> str:
    return files("asyncio_trace.exporters.html").joinpath("viewer", name).read_text("utf-8")


@cache
def _script() -> str:
    """The modules of the viewer as one."""
    joined: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        text = _part(f"{name}.js")
        for needed in _IMPORT.findall(text):
            add(needed)
        joined.append(_EXPORT.sub("", _IMPORT.sub("", text)))

    add("main")
    return "\n".join(joined)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
