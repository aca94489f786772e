"""REUSE.toml: licences by path, as https://reuse.software/spec-3.3/ defines them."""

from __future__ import annotations

import re
import tomllib

from m31r_data.licences.expression import all_of, normal
from m31r_data.licences.licence import Licence, Rule

_PLACE = "REUSE.toml"
# Escaped characters, wildcards, and everything else.
_PARTS = re.compile(r"\\.|\*\*/|\*{2,}|\*|[^\\*]+|\\", re.DOTALL)


def reuse_rules(text: str, folder: str) -> tuple[Rule, ...]:
    """Return the annotations of a REUSE.toml that lies in `folder`, the strongest (last) first.

    With `precedence` `aggregate`, and with `override` too, the licence holds beside the one in the
    file itself: nobody can take back what a file's author wrote there.
    """
    try:
        annotations = tomllib.loads(text).get("annotations", [])
    except (ValueError, RecursionError):
        return ()
    rules: list[Rule] = []
    for annotation in annotations if isinstance(annotations, list) else ():
        if isinstance(annotation, dict):
            rules += _annotation_rules(annotation, folder)
    return tuple(reversed(rules))


def _annotation_rules(annotation: dict[str, object], folder: str) -> list[Rule]:
    expressions = _strings(annotation.get("SPDX-License-Identifier"))
    if not expressions:
        return []
    licence = Licence(all_of(map(normal, expressions)), _PLACE)
    adds = annotation.get("precedence") in ("aggregate", "override")
    return [
        Rule(folder, re.split(r"[*\\]", glob, maxsplit=1)[0], _pattern(glob), licence, adds)
        for glob in _strings(annotation.get("path"))
    ]


def _strings(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str)]


def _pattern(glob: str) -> re.Pattern[str]:
    """`*` stays within a folder, `**` does not; a backslash takes a wildcard's meaning away."""
    return re.compile("".join(_meaning(part) for part in _PARTS.findall(glob)), re.DOTALL)


def _meaning(part: str) -> str:
    if part == "**/":
        return "(?:.*/)?"
    if part.startswith("**"):
        return ".*"
    if part == "*":
        return "[^/]*"
    return re.escape(part[1:] if len(part) == 2 and part[0] == "\\" else part)
