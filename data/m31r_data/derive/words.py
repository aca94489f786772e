"""From Rust's names to the words of a plan."""

from __future__ import annotations

import re

from tree_sitter import Node

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")
_PLAIN = re.compile(r"(?:r#)?([A-Za-z0-9_]+)")
_CAMEL = re.compile(r"[A-Z][A-Z0-9]*[a-z]")
_ASKING = re.compile(r"(is|has|can|should|was|needs|wants)_")
_MAX_WORDS = 3
_SHORT = 2
_TYPES = {
    "BTreeMap": "ordered map",
    "BTreeSet": "ordered set",
    "OsString": "system string",
    "PathBuf": "path",
    "Vec": "vector",
    "VecDeque": "deque",
}
# What these give is spoken of by the name of what they are called on.
_TRANSPARENT = re.compile(
    r"as_(bytes|deref|deref_mut|mut|mut_slice|path|ref|slice|str)|borrow(_mut)?|by_ref|clone[d]?"
    r"|copied|deref|expect|into|into_iter|iter|iter_mut|lock|to_owned|to_string|unwrap"
)
_PARTS = {
    "bytes": "bytes",
    "char_indices": "characters",
    "chars": "characters",
    "keys": "keys",
    "len": "length",
    "lines": "lines",
    "split_whitespace": "words",
    "values": "values",
}
_LONGEST_NUMBER = 6
_INNER = ("parenthesized_expression", "reference_expression", "try_expression", "await_expression")


def text_of(node: Node) -> str:
    """Return the source text of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def child(node: Node, i: int) -> Node | None:
    """Return the named child `i` of a node, comments left out, if there are so many."""
    children = [each for each in node.named_children if not each.type.endswith("comment")]
    return children[i] if i < len(children) else None


def words(name: str) -> str | None:
    """Return the words of an identifier, in lower case; None for what is not plain or long."""
    match = _PLAIN.fullmatch(name)
    if match is None:
        return None
    parts = _WORDS.findall(match[1])
    return " ".join(parts).lower() if 0 < len(parts) <= _MAX_WORDS else None


def the(name: str) -> str | None:
    """Return `the open file` for `open_file`, `done` for `Done` and `is new` for `is_new`.

    Names of one or two letters stay as they are.
    """
    found = words(name)
    if found is None or len(found) <= _SHORT or _CAMEL.match(name) or _ASKING.match(name):
        return found
    return f"the {found}"


def a(name: str) -> str | None:
    """Return `a parser` for `Parser`, `an entry` for `Entry` and `options` for `Options`."""
    found = _TYPES.get(name) or words(name)
    if found is None or (found.endswith("s") and not found.endswith(("ss", "us", "is"))):
        return found
    return f"{'an' if found[0] in 'aeio' else 'a'} {found}"


def last_name(node: Node | None) -> str | None:
    """Return the last name of a path or type: `Map` for `std::Map<K, V>`."""
    while node is not None:
        if node.type in ("identifier", "type_identifier", "field_identifier", "self"):
            return text_of(node)
        if node.type in ("primitive_type",):
            return text_of(node)
        if node.type in ("scoped_identifier", "scoped_type_identifier"):
            node = node.child_by_field_name("name")
        elif node.type in ("generic_type", "generic_type_with_turbofish"):
            node = node.child_by_field_name("type")
        elif node.type == "generic_function":
            node = node.child_by_field_name("function")
        else:
            return None
    return None


def method_of(call: Node) -> tuple[Node, str] | None:
    """Return receiver and name of a method call."""
    function = call.child_by_field_name("function")
    if function is not None and function.type == "generic_function":
        function = function.child_by_field_name("function")
    if function is None or function.type != "field_expression":
        return None
    receiver, name = function.child_by_field_name("value"), function.child_by_field_name("field")
    return None if receiver is None or name is None else (receiver, text_of(name))


def arguments_of(call: Node) -> list[Node]:
    """Return the arguments of a call, without comments."""
    arguments = call.child_by_field_name("arguments")
    children = arguments.named_children if arguments is not None else []
    return [child for child in children if not child.type.endswith("comment")]


def noun(node: Node | None) -> str | None:
    """Return how to speak of the value of an expression, or None for one without a plain name."""
    if node is None:
        return None
    kind = node.type
    if kind == "identifier":
        return the(text_of(node))
    if kind == "self":
        return "self"
    if kind == "scoped_identifier":
        return the(last_name(node) or "")
    if kind == "field_expression":
        return _field(node)
    if kind in _INNER:
        return noun(_inner(node))
    if kind == "unary_expression":
        return noun(child(node, 0)) if text_of(node).startswith("*") else None
    if kind == "call_expression":
        return _called(node)
    if kind == "index_expression":
        return _indexed(node)
    return _literal(node)


def _inner(node: Node) -> Node | None:
    value = node.child_by_field_name("value")
    return value if value is not None else child(node, 0)


def _field(node: Node) -> str | None:
    name = node.child_by_field_name("field")
    if name is None or name.type == "integer_literal":
        return None
    return the(text_of(name))


def _called(node: Node) -> str | None:
    method, arguments = method_of(node), arguments_of(node)
    if method is None:
        return None
    receiver, name = method
    if _TRANSPARENT.fullmatch(name) and len(arguments) == (name == "expect"):
        return noun(receiver)
    owner = noun(receiver)
    if name in _PARTS and not arguments and owner is not None:
        return f"the {_PARTS[name]} of {owner}"
    return None


def _indexed(node: Node) -> str | None:
    base, place = noun(child(node, 0)), child(node, 1)
    if base is None or place is None:
        return None
    return f"a part of {base}" if place.type == "range_expression" else f"an element of {base}"


def _literal(node: Node) -> str | None:
    text = text_of(node)
    if node.type == "integer_literal":
        return text.lower() if len(text) <= _LONGEST_NUMBER else "a number"
    if node.type == "boolean_literal":
        return text
    if node.type == "char_literal":
        return text if len(text) <= _LONGEST_NUMBER and text == text.lower() else "a character"
    return {
        "array_expression": "an array",
        "closure_expression": "a closure",
        "float_literal": "a number",
        "raw_string_literal": "a string",
        "string_literal": "a string",
        "tuple_expression": "a tuple",
        "unit_expression": "unit",
    }.get(node.type)
