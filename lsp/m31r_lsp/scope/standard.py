"""The names of the standard library: read from a list that comes with the server.

`scripts/std_names.py` makes the list from the library's sources.
"""

from __future__ import annotations

import lzma
from functools import cache
from importlib.resources import files

LIST = "std_names.txt.xz"


@cache
def standard_names() -> frozenset[str]:
    """Return the names of items, methods, fields, variants and macros of core, alloc and std."""
    data = files("m31r_lsp.scope").joinpath(LIST).read_bytes()
    return frozenset(lzma.decompress(data).decode().split())
