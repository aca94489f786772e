"""Middles to fill in that are whole nodes of the syntax tree (AST-FIM; Gong et al. 2025).

Cuts at random characters teach a model to go on anywhere; cuts at nodes teach it what belongs
together and where to stop. Which node is drawn in two steps, so that the many small nodes do not
crowd out the few large ones: first its group by `_WEIGHTS`, then its size, then one of that size.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tree_sitter import Node, QueryCursor

from m31r_core.prompt import prefix_suffix_middle, suffix_first
from m31r_core.syntax import kind_query, parse
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DeriveConfig
from m31r_data.derive.window import Lines, lines_of

# Completions are asked for at ends of lines and of blocks most, then inside expressions: so weigh
# the groups. A run of statements is what is missing where somebody asks for a whole block.
_WEIGHTS = {
    "statement": 0.24,
    "statements": 0.16,
    "expression": 0.16,
    "arguments": 0.12,
    "block": 0.10,
    "body": 0.10,
    "arm": 0.06,
    "item": 0.06,
}
_GROUP = {
    "let_declaration": "statement",
    "expression_statement": "statement",
    "call_expression": "expression",
    "binary_expression": "expression",
    "closure_expression": "expression",
    "if_expression": "expression",
    "match_expression": "expression",
    "struct_expression": "expression",
    "reference_expression": "expression",
    "try_expression": "expression",
    "arguments": "arguments",
    "parameters": "arguments",
    "block": "block",
    "match_arm": "arm",
    "function_item": "item",
    "struct_item": "item",
    "use_declaration": "item",
    "field_declaration": "item",
    "enum_variant": "item",
}
_QUERY = tuple(_GROUP)
_STATEMENTS = frozenset({"let_declaration", "expression_statement"})
_LONGEST_RUN = 6
_SMALLEST = 4
# Sizes, in bytes, are told apart by powers of this.
_SIZE_STEP = 4
# A middle takes at most this share of an example's tokens.
_MAX_MIDDLE = 0.5
_SMALLEST_WINDOW = 0.25
_BEFORE = (0.5, 0.9)
# Tokens that a header and the cuts in lines may take.
_ROOM = 40


@dataclass(frozen=True)
class Middle:
    """Bytes [start, end) of a node, or of a run of statements, and the group that it is of."""

    start: int
    end: int
    group: str


def middles(source: bytes) -> list[Middle]:
    """Return every middle that `source` offers, in order of place, without those in errors."""
    found = QueryCursor(kind_query(_QUERY)).captures(parse(source).root_node).get("it", [])
    nodes = [node for node in found if node.end_byte - node.start_byte >= _SMALLEST]
    nodes = [node for node in nodes if not node.has_error]
    all_of_them = {Middle(node.start_byte, node.end_byte, _group(node)) for node in nodes}
    for node in nodes:
        if node.type == "block":
            all_of_them.update(_runs(node))
    return sorted(all_of_them, key=lambda middle: (middle.start, middle.end, middle.group))


def fim_examples(
    tokenizer: Tokenizer, path: str, text: str, config: DeriveConfig, rng: random.Random
) -> Iterator[list[int]]:
    """Yield about `config.fim` examples for every 1,000 tokens of `text`, each another middle.

    Each has at most `config.max_tokens` ids: a window of whole lines around the middle, of a size
    and a place around it that are drawn, `config.fim_psm` of them in prefix-suffix-middle order
    and the others suffix first.
    """
    if config.fim == 0 or not text:
        return
    lines = lines_of(tokenizer, text)
    wanted = config.fim * lines.total / 1000
    count = int(wanted) + (rng.random() < wanted % 1)
    if not count:
        return
    for middle in _draw(middles(lines.source), count, rng):
        example = _example(tokenizer, path, lines, middle, config, rng)
        if example is not None:
            yield example


def _draw(candidates: list[Middle], count: int, rng: random.Random) -> Iterator[Middle]:
    """Yield `count` of the candidates, none twice."""
    strata: dict[str, dict[int, list[Middle]]] = {}
    for middle in candidates:
        by_size = strata.setdefault(middle.group, {})
        by_size.setdefault(_size(middle), []).append(middle)
    for _ in range(min(count, len(candidates))):
        groups = sorted(strata)
        group = rng.choices(groups, [_WEIGHTS[name] for name in groups])[0]
        size = rng.choice(sorted(strata[group]))
        chosen = strata[group][size]
        yield chosen.pop(rng.randrange(len(chosen)))
        if not chosen:
            del strata[group][size]
        if not strata[group]:
            del strata[group]


def _example(
    tokenizer: Tokenizer,
    path: str,
    lines: Lines,
    middle: Middle,
    config: DeriveConfig,
    rng: random.Random,
) -> list[int] | None:
    """Return the ids of one example, or None for a middle that is too long."""
    size = config.max_tokens * _SMALLEST_WINDOW ** (1 - rng.random())
    before, psm = rng.uniform(*_BEFORE), rng.random() < config.fim_psm
    first, last = lines.line(middle.start), lines.line(middle.end - 1) + 1
    if lines.tokens(first, last) > config.max_tokens * _MAX_MIDDLE:
        return None
    room = max(int(size) - _ROOM, lines.tokens(first, last))
    window = lines.around(middle.start, middle.end, room, before)
    if window is None:
        return None
    cuts = (window[0], middle.start, middle.end, window[1])
    prefix, text, suffix = (lines.source[a:b].decode() for a, b in pairwise(cuts))
    if psm:
        ids = prefix_suffix_middle(tokenizer, path, prefix, text, suffix)
    else:
        ids = suffix_first(tokenizer, path, prefix + text, suffix)
    return ids if len(ids) <= config.max_tokens else None


def _group(node: Node) -> str:
    if node.type == "block" and node.parent is not None and node.parent.type == "function_item":
        return "body"
    return _GROUP[node.type]


def _runs(block: Node) -> Iterator[Middle]:
    """Yield the runs of two or more statements that stand in `block` side by side."""
    children = block.named_children
    for i, first in enumerate(children):
        for last in children[i : i + _LONGEST_RUN]:
            if last.type not in _STATEMENTS or last.has_error:
                break
            if last is not first:
                yield Middle(first.start_byte, last.end_byte, "statements")


def _size(middle: Middle) -> int:
    size, step = 0, middle.end - middle.start
    while step >= _SIZE_STEP:
        size, step = size + 1, step // _SIZE_STEP
    return size
