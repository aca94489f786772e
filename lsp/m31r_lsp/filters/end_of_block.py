"""Stop at the end of the block: what comes behind its bracket is somewhere else."""

from __future__ import annotations

from m31r_core.blocks import cut_block, whole_statements
from m31r_lsp.filters.cursor import Cursor


def end_of_block(text: str, cursor: Cursor) -> str:
    """Cut `text` of several lines at the end of the block that the cursor is in.

    Where it does not get that far it ends with the last statement that is whole, or, without any,
    with its first line.
    """
    if "\n" not in text:
        return text
    cut = cut_block(cursor.prefix, text, cursor.suffix)
    if cut != text or text.rstrip().endswith("}"):
        return cut if "\n" in cut else cut.rstrip()
    whole = whole_statements(cursor.prefix, text)
    return whole or text.partition("\n")[0]
