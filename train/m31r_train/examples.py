"""From a piece of a file to training examples: where it is cut, and in which order it is shown."""

from __future__ import annotations

import random

from m31r_core import prompt
from m31r_core.syntax import node_ends
from m31r_core.tokenizer import Tokenizer
from m31r_train.config import LoaderConfig

_NODES = frozenset(
    {
        "arguments",
        "block",
        "call_expression",
        "expression_statement",
        "field_declaration",
        "function_item",
        "let_declaration",
        "match_arm",
        "parameters",
        "struct_item",
        "use_declaration",
    }
)
_MIDDLE_MEAN = 60


def make_example(
    tokenizer: Tokenizer,
    path: str,
    text: str,
    config: LoaderConfig,
    rng: random.Random,
    *,
    ends: bool,
) -> list[int]:
    """Return the ids of one example made of all of `text`; `ends` says the file ends with it."""
    if rng.random() >= config.fim_share or len(text) < 2:
        return prompt.left_to_right(tokenizer, path, text, ends=ends)
    end = _middle_end(text, config, rng)
    if rng.random() >= config.psm_share:
        return prompt.suffix_first(tokenizer, path, text[:end], text[end:])
    start = max(0, end - 1 - int(rng.expovariate(1 / _MIDDLE_MEAN)))
    return prompt.prefix_suffix_middle(tokenizer, path, text[:start], text[start:end], text[end:])


def _middle_end(text: str, config: LoaderConfig, rng: random.Random) -> int:
    """Choose the character at which the middle ends, 1 to len(text)."""
    draw = rng.random()
    if draw < config.line_share:
        ends = [i for i in _line_ends(text) if i > 0 and _is_code_line(text, i)]
    elif draw < config.line_share + config.node_share:
        source = text.encode()
        ends = [len(source[:i].decode(errors="ignore")) for i in node_ends(source, _NODES)]
    else:
        ends = []
    return rng.choice(ends) if ends else rng.randrange(1, len(text) + 1)


def _line_ends(text: str) -> list[int]:
    return [i for i, character in enumerate(text) if character == "\n"]


def _is_code_line(text: str, end: int) -> bool:
    line = text[text.rfind("\n", 0, end) + 1 : end].strip()
    return len(line) > 3 and not line.startswith("//")
