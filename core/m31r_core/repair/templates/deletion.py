"""The last resort: leave out what the compiler rejects. Every candidate carries its caution."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.problem import Problem
from m31r_core.repair.source import ITEMS, STATEMENTS, SourceText

_LISTED = frozenset(
    {
        "parameter",
        "type_parameter",
        "lifetime_parameter",
        "const_parameter",
        "field_initializer",
        "shorthand_field_initializer",
        "field_declaration",
        "field_pattern",
        "enum_variant",
        "match_arm",
        "where_predicate",
        "self_parameter",
    }
)
_MODIFIERS = re.compile(
    r"(?:pub(?:\s*\([^)]*\))?|unsafe|async|const|mut|ref|static|move|dyn|default|extern|'\w+:?|\?|"
    r"#!?\[.*\]|where .*|\.\.\.?=?|=.*)",
    re.S,
)


def leave_out(problem: Problem) -> Iterator[Candidate]:
    """Leave out the text of a span, then ever more of what is around it."""
    seen: set[Edit] = set()
    for span in problem.spans():
        source = problem.source(span.path)
        text = source.slice(span.byte_start, span.byte_end)
        weight = 0.12 if span.is_primary else 0.06
        if text.strip() and len(text) < 300:
            edit = Edit(span.path, span.byte_start, span.byte_end, "")
            decoration = bool(_MODIFIERS.fullmatch(text.strip()))
            if decoration:
                end = span.byte_end
                while source.text[end : end + 1] == b" ":
                    end += 1
                start = span.byte_start
                joined = re.search(rb"\s*\+\s*$", source.text[max(0, start - 8) : start])
                if joined:
                    start, end = start - len(joined[0]), span.byte_end
                edit = Edit(span.path, start, end, "")
            if edit not in seen:
                seen.add(edit)
                yield problem.propose(
                    f"leave out `{_short(text)}`", edit, 0.45 if decoration else weight
                )
        for node, edit in _enclosing(source, source.node(span.byte_start, span.byte_end)):
            if edit in seen or edit.end - edit.start > 4_000:
                continue
            seen.add(edit)
            annotation = node.type in (
                "attribute_item",
                "inner_attribute_item",
                "visibility_modifier",
            )
            generic = node.type in ("lifetime", "lifetime_parameter", "where_predicate")
            yield problem.propose(
                f"leave out `{_short(source.of(node))}`",
                edit,
                0.47 if generic else 0.35 if annotation else weight / 2,
            )
            weight *= 0.7


def _enclosing(source: SourceText, start: Node) -> Iterator[tuple[Node, Edit]]:
    node: Node | None = start
    while node is not None and node.parent is not None:
        if node.type in _LISTED or (
            node.parent.type
            in ("arguments", "type_arguments", "trait_bounds", "parameters", "meta_arguments")
        ):
            if node.parent.type == "trait_bounds":
                yield node, _remove_bound(source, node)
            else:
                yield node, source.remove_from_list(node)
        elif (
            node.type in ITEMS
            or node.type in STATEMENTS
            or node.type
            in (
                "attribute_item",
                "inner_attribute_item",
                "visibility_modifier",
                "where_clause",
                "type_parameters",
                "type_arguments",
                "function_modifiers",
                "extern_modifier",
                "label",
            )
        ):
            yield node, source.remove(node)
        node = node.parent


def _remove_bound(source: SourceText, node: Node) -> Edit:
    start, end = node.start_byte, node.end_byte
    before, after = node.prev_sibling, node.next_sibling
    if before is not None and before.type == "+":
        start = before.start_byte
    elif after is not None and after.type == "+":
        end = after.end_byte
    elif before is not None and before.type == ":":
        start = before.start_byte
    return Edit(source.path, start, end, "")


def replace_by_nothing(problem: Problem) -> Iterator[Candidate]:
    """Put `todo!()` where an expression is wrong, or leave the body of its function to do."""
    node: Node | None = problem.node
    here = problem.here
    if node is not None and (
        "expression" in node.type
        or node.type in ("identifier", "scoped_identifier", "macro_invocation")
    ):
        yield problem.propose(
            f"leave `{_short(problem.code)}` to do",
            here.replace(node, "todo!()"),
            0.03,
        )


def _short(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= 40 else first[:39] + "…"
