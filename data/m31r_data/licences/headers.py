"""SPDX headers: what a source file says about its own licence, in its comments only."""

from __future__ import annotations

import re

from tree_sitter import Node

from m31r_core.syntax import parse
from m31r_data.licences.expression import all_of, normal

_TAG = "SPDX-License-Identifier:"
# A tag in quotes is about headers, it is none.
_ANYWHERE = re.compile(rf"(?<![\"'`\w]){_TAG}[ \t]*([^\n]*)")
_LINE_START = re.compile(rf"^[\s/*!]*{_TAG}[ \t]*([^\n]*)", re.MULTILINE)
_COMMENTS = ("line_comment", "block_comment")
_ABOVE_CODE = (*_COMMENTS, "inner_attribute_item", "shebang")


def spdx_headers(text: str) -> tuple[str, str]:
    """Return the licences that the comments name above the code and among the code.

    Each is an SPDX expression, or empty. Several tags all hold. Those among the code are snippets
    of others: they hold beside the licence of the file.
    """
    if _TAG not in text:
        return "", ""
    source = text.removeprefix("\ufeff").encode("utf-8", errors="replace")
    root = parse(source).root_node
    above: list[str] = []
    among: list[str] = []
    tops = root.children
    first_code = next(
        (node.start_byte for node in tops if node.type not in _ABOVE_CODE), len(source)
    )
    for comment in _comments(root):
        content = source[comment.start_byte : comment.end_byte].decode("utf-8", errors="replace")
        if comment.start_byte < first_code:
            above += _expressions(_ANYWHERE, content)
        else:
            among += _expressions(_LINE_START, content)
    return all_of(above), all_of(among)


def _expressions(pattern: re.Pattern[str], comment: str) -> list[str]:
    found = (match[1].strip().removesuffix("*/").strip() for match in pattern.finditer(comment))
    return [normal(expression) for expression in found if expression]


def _comments(root: Node) -> list[Node]:
    """Return the comments of the tree that hold a tag, in order."""
    found: list[Node] = []
    pending = [root]
    while pending:
        node = pending.pop()
        if node.type in _COMMENTS:
            found.append(node)
        else:
            pending.extend(reversed(node.children))
    return found
