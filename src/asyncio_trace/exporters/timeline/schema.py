"""Generates the JSON Schema of the timeline from `asyncio_trace.exporters.timeline.document`.

The package ships the result beside this module. After a change of the document's shape, renew it:

    python -m asyncio_trace.exporters.timeline.schema > src/asyncio_trace/exporters/timeline/timeline.schema.json
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from asyncio_trace.exporters.timeline import document

Schema = dict[str, Any]

_SIMPLE = {int: "integer", str: "string", bool: "boolean", NoneType: "null"}


def generate() -> Schema:
    """The schema of `document.Timeline`, with a definition for each class that it uses. Unknown keys are allowed everywhere."""
    descriptions = _descriptions()
    definitions: dict[str, Schema] = {}
    root = _object(document.Timeline, definitions, descriptions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "asyncio-trace timeline, version 1",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as the text of its file."""
    return json.dumps(generate(), indent=2, ensure_ascii=False) + "\n"


def _object(shape: Any, definitions: dict[str, Schema], descriptions: dict[str, str]) -> Schema:
    properties: Schema = {}
    for key, hint in get_type_hints(shape, include_extras=True).items():
        properties[key] = _schema(hint, definitions, descriptions)
        if about := descriptions.get(f"{shape.__name__}.{key}"):
            properties[key] = {"description": about, **properties[key]}
    described: Schema = {"description": descriptions[shape.__name__], "type": "object", "properties": properties}
    return described | {"required": list(properties)}


def _schema(hint: Any, definitions: dict[str, Schema], descriptions: dict[str, str]) -> Schema:
    """The schema of one type."""
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if is_typeddict(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # Holds the place while the class refers to itself.
            definitions[hint.__name__] = _object(hint, definitions, descriptions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        minimum: document.Minimum = arguments[1]
        return _schema(arguments[0], definitions, descriptions) | {"minimum": minimum.value}
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], definitions, descriptions)}
    if origin in (Union, UnionType):
        options = [_schema(argument, definitions, descriptions) for argument in arguments]
        if all(isinstance(option.get("type"), str) for option in options):
            merged: Schema = {}
            for option in options:
                merged |= option
            return merged | {"type": [option["type"] for option in options]}
        return {"anyOf": options}
    raise TypeError(f"no JSON Schema for {hint!r}")


def _descriptions() -> dict[str, str]:
    """The text beneath each class and key of the document's module, by `Class` and `Class.key`."""
    found: dict[str, str] = {}
    for node in ast.parse(inspect.getsource(document)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        found[node.name] = inspect.cleandoc(ast.get_docstring(node) or "")
        for key, about in zip(node.body, node.body[1:], strict=False):
            if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(about, ast.Expr):
                value = about.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[f"{node.name}.{key.target.id}"] = inspect.cleandoc(value.value)
    return found


if __name__ == "__main__":
    sys.stdout.write(text())
