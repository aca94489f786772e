"""Paths of the standard library, as short as a file's imports allow."""

from __future__ import annotations

import re

_PATH = re.compile(r"\b(?:std|core|alloc)::(?:\w+::)*([A-Z]\w*)")
_MODULES = ("fmt", "io", "cmp", "hash", "mem")


def shortened(text: str, file: bytes) -> str:
    """Return code with paths like `std::fmt::Result` as a file that imports `std::fmt` says it."""

    def name_alone(match: re.Match[str]) -> str:
        name = match[1].encode()
        used = re.search(rb"\buse (?:std|core|alloc)::[^;]*\b" + name + rb"\b(?!::)[^;]*;", file)
        return match[1] if used else match[0]

    for module in _MODULES:
        if _imports_module(file, module):
            text = text.replace(f"std::{module}::", f"{module}::")
    return _PATH.sub(name_alone, text)


def _imports_module(file: bytes, module: str) -> bool:
    name = module.encode()
    return bool(
        re.search(rb"\buse (?:std|core)::" + name + rb"\s*;", file)
        or re.search(rb"\buse (?:std|core)::" + name + rb"::\{[^}]*\bself\b", file)
        or re.search(rb"\buse (?:std|core)::\{[^}]*\b" + name + rb"\b(?!::)", file)
    )
