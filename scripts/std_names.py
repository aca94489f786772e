"""Make the list of the standard library's names that the scope check knows.

    python scripts/std_names.py LIBRARY

LIBRARY is the folder `library` of Rust's sources (the component rust-src has one). Writes
lsp/m31r_lsp/scope/std_names.txt.xz.
"""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

from m31r_lsp.scope.public import declared_names
from m31r_lsp.scope.standard import LIST

CRATES = ("core", "alloc", "std", "proc_macro", "test")
TO = Path(__file__).parents[1] / "lsp" / "m31r_lsp" / "scope" / LIST


def main() -> int:
    """Read the sources and write the list."""
    library = Path(sys.argv[1])
    names: set[str] = set()
    for crate in CRATES:
        for file in sorted((library / crate / "src").rglob("*.rs")):
            names |= declared_names(file.read_text(encoding="utf-8"))
    if not names:
        print(f"{library}: no sources of {', '.join(CRATES)} there", file=sys.stderr)
        return 1
    TO.write_bytes(lzma.compress("\n".join(sorted(names)).encode(), preset=9))
    print(f"{len(names)} names, {TO.stat().st_size} bytes: {TO}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
