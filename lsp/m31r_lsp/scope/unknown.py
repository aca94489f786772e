"""Names that a suggestion uses and nobody declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tree_sitter import Node

from m31r_core.syntax import parse
from m31r_lsp.context.words import KEYWORDS

# In characters.
_BEFORE = 3_000
_AFTER = 1_000
_SHORTEST = 3
_LEAVES = frozenset({"identifier", "type_identifier", "field_identifier"})
# Of these nodes, the field that declares names.
_BINDS = {
    "let_declaration": "pattern",
    "let_condition": "pattern",
    "parameter": "pattern",
    "for_expression": "pattern",
    "match_arm": "pattern",
    "function_item": "name",
    "function_signature_item": "name",
    "struct_item": "name",
    "enum_item": "name",
    "union_item": "name",
    "trait_item": "name",
    "type_item": "name",
    "associated_type": "name",
    "const_item": "name",
    "static_item": "name",
    "mod_item": "name",
    "macro_definition": "name",
    "enum_variant": "name",
    "field_declaration": "name",
    "use_as_clause": "alias",
    "extern_crate_declaration": "name",
    "const_parameter": "name",
    "type_parameter": "name",
}
_DECLARES_ALL = frozenset({"closure_parameters", "label", "lifetime"})
_ENDS = frozenset({"block", "declaration_list", "source_file", "match_block"})
# Where the tree is broken the word before says it.
_DECLARING = re.compile(
    r"(?:\b(?:let|mut|fn|struct|enum|union|trait|type|const|static|mod|for|as|ref|macro_rules!)\s+"
    r"|\|[^|\n]*)\Z"
)


def unknown_names(
    before: str, text: str, after: str, known: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return the names that `text` uses between the two and that are not `known`.

    What the file itself says is known, and so is what the text declares. A name that is declared,
    cut off at the end of the text, or among the free words of a macro is not looked at.
    """
    head, tail = before[-_BEFORE:], after[:_AFTER]
    source = (head + text + tail).encode()
    start = len(head.encode())
    end = start + len(text.encode())
    used: dict[str, None] = {}
    declared: set[str] = set()
    for node in _leaves(parse(source).root_node, start, end):
        name = source[node.start_byte : node.end_byte].decode(errors="replace")
        if _declares(node, source):
            declared.add(name)
        elif node.end_byte <= end and _is_use(node, source):
            used[name] = None
    return tuple(
        name
        for name in used
        if len(name) >= _SHORTEST
        and name not in declared
        and name not in KEYWORDS
        and not name.startswith("_")
        and not known(name)
        and not _stands_in(name, before)
        and not _stands_in(name, after)
    )


def _leaves(node: Node, start: int, end: int) -> Iterator[Node]:
    """Yield the names that reach into the bytes from `start` to `end`."""
    if node.end_byte <= start or node.start_byte >= end:
        return
    if node.type in _LEAVES:
        yield node
    for child in node.children:
        yield from _leaves(child, start, end)


def _declares(node: Node, source: bytes) -> bool:
    child, parent = node, node.parent
    while parent is not None:
        field = _BINDS.get(parent.type)
        if field is not None and parent.child_by_field_name(field) == child:
            return field != "pattern" or (node.type == "identifier" and _is_lower(node, source))
        if parent.type in _DECLARES_ALL:
            return True
        if parent.type in _ENDS:
            break
        child, parent = parent, parent.parent
    line = source[: node.start_byte].rpartition(b"\n")[2]
    return _DECLARING.search(line.decode(errors="replace")) is not None


def _is_lower(node: Node, source: bytes) -> bool:
    return source[node.start_byte : node.start_byte + 1].islower()


def _is_use(node: Node, source: bytes) -> bool:
    """Say whether a name must exist: in a macro's words only what is called or belongs to one."""
    parent = node.parent
    if parent is None or parent.type not in ("token_tree", "attribute"):
        return True
    before, after = source[: node.start_byte].rstrip(), source[node.end_byte :].lstrip()
    return before.endswith((b".", b"::")) or after.startswith(b"::")


def _stands_in(name: str, text: str) -> bool:
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not (_word(text[at - 1 : at]) or _word(text[end : end + 1])):
            return True
        at = text.find(name, at + 1)
    return False


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"
