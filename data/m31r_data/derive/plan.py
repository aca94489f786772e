"""Plan comments: code in which a short line before a statement says what the statement does.

`// borrow the map`, `// propagate the error`: a model that has seen them plans in Rust's own terms.
They come from the syntax tree and say no more than it does for certain; a special token before
each keeps them apart from comments that people wrote (`m31r_core.plans`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tree_sitter import Node, QueryCursor

from m31r_core.plans import plan_ids
from m31r_core.prompt import left_to_right, suffix_first
from m31r_core.syntax import kind_query, parse
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DeriveConfig
from m31r_data.derive.statements import statement_plan
from m31r_data.derive.window import Lines, lines_of

_SUFFIX_FIRST = 0.5
# Of what a piece of an example has room for, the smallest share that is drawn.
_SMALLEST_PIECE = 0.25
_FEWEST = 0.25
# Tokens that a header and special tokens may take.
_ROOM = 40

Comments = list[tuple[int, str]]


def plan_comments(text: str) -> Comments:
    """Return a plan for every statement of `text` that one can be told for.

    A plan is (byte at which the statement's line starts, a line comment), in order of place.
    """
    source = text.encode()
    blocks = QueryCursor(kind_query(("block",))).captures(parse(source).root_node).get("it", [])
    found: dict[int, str] = {}
    for block in blocks:
        before: Node | None = None
        for statement in block.named_children:
            start = source.rfind(b"\n", 0, statement.start_byte) + 1
            if not source[start : statement.start_byte].strip() and _alone(statement, before):
                said = statement_plan(statement)
                if said is not None:
                    found[start] = f"// {said}"
            before = statement
    return sorted(found.items())


def plan_examples(
    tokenizer: Tokenizer, path: str, text: str, config: DeriveConfig, rng: random.Random
) -> Iterator[list[int]]:
    """Yield examples with plans: `config.plan` of the pieces that `text` is cut into.

    Plans take at most `config.plan_tokens` of an example's ids, which are at most
    `config.max_tokens`. Half of the examples have a suffix, without plans as in a prompt, and end
    their middle where a statement's line ends; half go from left to right.
    """
    if config.plan == 0 or not text:
        return
    lines = lines_of(tokenizer, text)
    comments: Comments | None = None
    first = 0
    while first < len(lines):
        room = int((config.max_tokens - _ROOM) * (1 - config.plan_tokens))
        room = max(int(room * _SMALLEST_PIECE ** (1 - rng.random())), 1)
        end = max(lines.reach(first, room), first + 1)
        if rng.random() < config.plan and lines.tokens(first, end) <= room:
            comments = plan_comments(text) if comments is None else comments
            example = _example(tokenizer, path, lines, (first, end), comments, config, rng)
            if example is not None:
                yield example
        first = end


def _alone(statement: Node, before: Node | None) -> bool:
    """Say whether nobody has said anything about the statement, and it can be read."""
    if statement.has_error:
        return False
    if before is None:
        return True
    return not (before.type.endswith("comment") or before.type == "attribute_item")


def _example(
    tokenizer: Tokenizer,
    path: str,
    lines: Lines,
    piece: tuple[int, int],
    comments: Comments,
    config: DeriveConfig,
    rng: random.Random,
) -> list[int] | None:
    """Return the lines of `piece` as an example, or None where no plan fits."""
    start, end = lines.start(piece[0]), lines.start(piece[1])
    inside = [(at, said) for at, said in comments if start <= at < end]
    cut = end
    if rng.random() < _SUFFIX_FIRST and inside:
        last = lines.line(rng.choice(inside)[0])
        cut = lines.start(last + 1)
        inside = [(at, said) for at, said in inside if at < cut]
    share = config.plan_tokens * rng.uniform(_FEWEST, 1)
    chosen = _choose(tokenizer, inside, share * lines.tokens(*piece), rng)
    if not chosen:
        return None
    before, after = lines.source[start:cut].decode(), lines.source[cut:end].decode()
    plans = [(len(lines.source[start:at].decode()), said) for at, said in chosen]
    if cut == end:
        whole = piece[1] == len(lines)
        ids = left_to_right(tokenizer, path, before, ends=whole, plans=plans)
    else:
        # The suffix begins with the newline, as it does where somebody asks at a line's end.
        ids = suffix_first(tokenizer, path, before[:-1], "\n" + after, plans=plans)
    return ids if len(ids) <= config.max_tokens else None


def _choose(tokenizer: Tokenizer, comments: Comments, room: float, rng: random.Random) -> Comments:
    """Return some of the comments, in order, none like the one before it, in `room` tokens."""
    chosen: set[int] = set()
    for i in rng.sample(range(len(comments)), len(comments)):
        near = [comments[j][1] for j in (i - 1, i + 1) if j in chosen]
        cost = len(plan_ids(tokenizer, comments[i][1]))
        if cost <= room and comments[i][1] not in near:
            chosen.add(i)
            room -= cost
    return [comments[i] for i in sorted(chosen)]
