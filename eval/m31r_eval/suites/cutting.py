"""Where tasks can be cut: a function for each kind, from a file to places in it.

A cut is a byte range of the file: the cursor is at its start, the middle is what lies in it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tree_sitter import Node

from m31r_core.prompt import Chunk
from m31r_eval.building import find_cursor
from m31r_eval.settings import TaskSettings
from m31r_eval.suites.code import SourceFile, attributes, text_of, walk
from m31r_eval.tasks import Kind

BRACES = frozenset(
    {
        "block",
        "match_block",
        "field_declaration_list",
        "enum_variant_list",
        "field_initializer_list",
    }
)
EXPRESSIONS = frozenset(
    {
        "arguments",
        "binary_expression",
        "closure_expression",
        "if_expression",
        "match_expression",
        "match_arm",
        "struct_expression",
        "macro_invocation",
        "let_declaration",
        "expression_statement",
    }
)
NAMES = frozenset({"identifier", "field_identifier", "type_identifier"})
ITEMS = frozenset(
    {
        "function_item",
        "function_signature_item",
        "struct_item",
        "enum_item",
        "trait_item",
        "const_item",
        "static_item",
        "type_item",
    }
)

_LONGEST_CHUNK = 700
_LONGEST_LINE = 100


@dataclass(frozen=True)
class Cut:
    """Bytes `start` to `end` of a file as the middle of a task."""

    file: SourceFile
    start: int
    end: int
    kind: Kind
    context: tuple[Chunk, ...] = ()

    @property
    def middle(self) -> str:
        """The text to be written."""
        return self.file.source[self.start : self.end].decode()


def lines(file: SourceFile, chance: random.Random, settings: TaskSettings) -> Iterator[Cut]:
    """Yield the rest of lines from random columns in code on."""
    used: set[int] = set()
    for _ in range(file.text.count("\n") // 8 + 1):
        cursor = find_cursor(file.text, used, chance, settings)
        if cursor is None:
            return
        used.add(cursor.line)
        start = len(file.text[: cursor.offset].encode())
        yield Cut(file, start, line_end(file.source, start), "line")


def tokens(file: SourceFile) -> Iterator[Cut]:
    """Yield names in code, each written from its beginning."""
    for node in walk(file.tree.root_node):
        if node.type in NAMES and node.end_byte - node.start_byte >= 3:
            yield Cut(file, node.start_byte, node.end_byte, "token")


def blocks(file: SourceFile) -> Iterator[Cut]:
    """Yield the insides of braces, and whole expressions: middles at syntax-tree nodes."""
    for node in walk(file.tree.root_node):
        if node.type in BRACES:
            cut = _inside(file, node)
            if cut is not None and 20 <= len(cut.middle) <= 600:
                yield cut
        elif node.type in EXPRESSIONS and 12 <= node.end_byte - node.start_byte <= 240:
            yield Cut(file, node.start_byte, node.end_byte, "block")


def bodies(file: SourceFile) -> Iterator[Cut]:
    """Yield the bodies of documented functions."""
    for node in walk(file.tree.root_node):
        if node.type != "function_item":
            continue
        documented = any(text_of(each).startswith("///") for each in attributes(node))
        body = node.child_by_field_name("body")
        if documented and body is not None:
            cut = _inside(file, body)
            if cut is not None and 20 <= len(cut.middle) <= 900:
                yield cut


def uses(file: SourceFile) -> Iterator[Cut]:
    """Yield the rest of lines from the name of a called method or associated function on."""
    for node in walk(file.tree.root_node):
        if node.type != "call_expression":
            continue
        called = node.child_by_field_name("function")
        name = None
        if called is not None and called.type == "field_expression":
            name = called.child_by_field_name("field")
        elif called is not None and called.type == "scoped_identifier":
            name = called.child_by_field_name("name")
        if name is not None and name.type in NAMES:
            yield from _rest_of_line(file, name.start_byte)


def needing(files: Sequence[SourceFile]) -> Iterator[Cut]:
    """Yield rests of lines that begin with a name which only another file of the crate has.

    It stands nowhere else in the file; the item that defines it is the context.
    """
    defined: dict[str, list[tuple[SourceFile, Node]]] = {}
    for file in files:
        for node in walk(file.tree.root_node):
            if node.type in ITEMS and not file.leaves_out(node.start_byte):
                name = text_of(node.child_by_field_name("name"))
                defined.setdefault(name, []).append((file, node))
    for file in files:
        counts = Counter(text_of(node) for node in walk(file.tree.root_node) if node.type in NAMES)
        for node in walk(file.tree.root_node):
            name = text_of(node) if node.type in NAMES else ""
            places = defined.get(name, [])
            if len(name) < 5 or counts[name] != 1 or len(places) != 1 or places[0][0] is file:
                continue
            if _within(node, "use_declaration"):
                continue
            chunk = Chunk(places[0][0].path, signature(*places[0]))
            for cut in _rest_of_line(file, node.start_byte):
                yield replace(cut, context=(chunk,))


def signature(file: SourceFile, node: Node) -> str:
    """Return an item with its documentation, functions without their bodies, shortened."""
    start = min((each.start_byte for each in attributes(node)), default=node.start_byte)
    body = node.child_by_field_name("body")
    is_function = node.type == "function_item" and body is not None
    end = body.start_byte if is_function and body is not None else node.end_byte
    head = file.source[start : node.start_byte].decode()
    text = file.source[node.start_byte : end].decode().rstrip()
    room = _LONGEST_CHUNK - len(text)
    # What is nearest to the item says most about it.
    head = head[-room:] if room > 0 else ""
    return (head + text)[:_LONGEST_CHUNK]


def line_end(source: bytes, start: int) -> int:
    """Return where the line of the byte `start` ends, white space at its end left out."""
    end = source.find(b"\n", start)
    end = len(source) if end < 0 else end
    return start + len(source[start:end].rstrip())


def by_name(kind: str) -> Kind:
    """Return what the tasks of a suite file are to the runner."""
    kinds: Mapping[str, Kind] = {"token": "token", "block": "block", "body": "block"}
    return kinds.get(kind, "line")


def _inside(file: SourceFile, braces: Node) -> Cut | None:
    """Return what is between the braces, white space at both ends left out."""
    if braces.child_count < 2 or text_of(braces.children[0]) != "{":
        return None
    start, end = braces.children[0].end_byte, braces.children[-1].start_byte
    inner = file.source[start:end]
    if b"\n" not in inner or not inner.strip():
        return None
    start += len(inner) - len(inner.lstrip())
    return Cut(file, start, end - (len(inner) - len(inner.rstrip())), "block")


def _rest_of_line(file: SourceFile, start: int) -> Iterator[Cut]:
    end = line_end(file.source, start)
    if 3 <= end - start <= _LONGEST_LINE and b"//" not in file.source[start:end]:
        yield Cut(file, start, end, "line")


def _within(node: Node, kind: str) -> bool:
    current: Node | None = node
    while current is not None:
        if current.type == kind:
            return True
        current = current.parent
    return False
