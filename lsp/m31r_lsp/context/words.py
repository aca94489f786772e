"""Names in Rust text."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = """
as async await box break const continue crate dyn else enum extern false fn for gen if impl in
let loop macro macro_rules match mod move mut pub ref return self Self static struct super
trait true try type union unsafe use where while yield bool char str u8 u16 u32 u64 u128 usize
i8 i16 i32 i64 i128 isize f32 f64 Some None Ok Err
"""
KEYWORDS = frozenset(_KEYWORDS.split())


def names(text: str) -> Iterator[str]:
    """Yield the names of `text` in their order, those in strings and comments too, no keywords."""
    for match in _NAME.finditer(text):
        name = match[0]
        if len(name) > 1 and name not in KEYWORDS:
            yield name
