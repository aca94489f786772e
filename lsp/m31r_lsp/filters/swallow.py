"""Take the place of closing brackets behind the cursor that the text has too, and goes on behind.

foo(a¦)     with `, b)?;` becomes     foo(a, b)?;
"""

from __future__ import annotations

from m31r_core.brackets import brackets, is_closer, matches
from m31r_lsp.filters.cursor import Cursor


def swallowed(text: str, cursor: Cursor) -> int:
    """Return how many characters behind the cursor `text`, of one line, is to replace.

    None unless the text goes on behind the last of them, and otherwise than the line does.
    """
    rest = cursor.line_after
    if "\n" in text or not rest or not is_closer(rest[0]):
        return 0
    count, last = 0, -1
    own: list[str] = []
    for index, bracket in brackets(text):
        if not is_closer(bracket):
            own.append(bracket)
        elif own:
            if not matches(own.pop(), bracket):
                break
        elif rest[count : count + 1] == bracket:
            count, last = count + 1, index
        else:
            break
    behind = text[last + 1 :].strip()
    if not count or not behind or rest[count:].strip().startswith(behind):
        return 0
    return count
