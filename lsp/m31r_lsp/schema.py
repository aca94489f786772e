"""The settings as a JSON schema, for editors and for `m31r.toml`."""

from __future__ import annotations

import dataclasses
import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from m31r_lsp.settings import Settings

_SCALARS: dict[object, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    Path: "string",
}


def schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of the settings, with every default."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "M31R",
        **_table(Settings),
    }


def print_schema() -> int:
    """Print the schema."""
    print(json.dumps(schema(), indent=2))
    return 0


def _table(table: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(table)
    return {
        "description": " ".join((table.__doc__ or "").split()),
        "type": "object",
        "additionalProperties": False,
        "properties": {
            field.name: _field(field, hints[field.name]) for field in dataclasses.fields(table)
        },
    }


def _field(field: dataclasses.Field[Any], kind: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return _table(kind)
    return {**_kind(kind), "default": field.default}


def _kind(kind: Any) -> dict[str, Any]:
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) in (Union, types.UnionType):
        return {
            "type": ["null" if each is type(None) else _SCALARS[each] for each in get_args(kind)]
        }
    return {"type": _SCALARS[kind]}
