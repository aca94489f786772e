"""What the model would write as a body, and how likely it finds the bodies of others."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from tree_sitter import Node

from m31r_core.engine import Completer, CompletionRequest
from m31r_core.repair.rewrite.bodies import Body
from m31r_core.repair.source import SourceText, field
from m31r_core.syntax import parse

# How the model's likelihood and the template's weight count; docs/rewrite.md says how chosen.
LIKELIHOOD_SHARE = 0.15
MODEL_WEIGHT = 0.3
_REFUSED = re.compile(r"\b(?:todo|unimplemented|panic|unreachable)!|\bunsafe\b")
_MOST_SCORED = 48


def written_bodies(
    completer: Completer,
    source: SourceText,
    function: Node,
    *,
    n: int,
    cancelled: Callable[[], bool] | None = None,
) -> list[Body]:
    """Return up to `n` bodies that the model writes, cut where the syntax tree ends them."""
    before, after, indent = _around(source, function)
    request = CompletionRequest(
        source.path, f"{before}\n{indent}    ", f"\n{indent}}}{after}", kind="block"
    )
    name = re.escape(source.of(field(function, "name") or function))
    endless = re.compile(rf"[sS]elf(?:\.|::){name}\([^()]*\);?")
    found: dict[str, Body] = {}
    for completion in completer.candidates(request, n, cancelled=cancelled):
        text = closed(completion.text)
        if text and not _REFUSED.search(text) and not endless.fullmatch(text.strip()):
            text = _outdent(text, indent + "    ")
            found.setdefault(text, Body(text, MODEL_WEIGHT))
    return list(found.values())


def rank(
    completer: Completer,
    source: SourceText,
    function: Node,
    bodies: Sequence[Body],
    *,
    cancelled: Callable[[], bool] | None = None,
) -> list[Body]:
    """Return the bodies in the order in which their weights and the model's likelihood put them."""
    bodies = bodies[:_MOST_SCORED]
    before, after, indent = _around(source, function)
    texts = [in_block(body.text, indent)[1:-1] for body in bodies]
    scores = completer.score(source.path, before, texts, "}" + after, cancelled=cancelled)
    if not scores:
        return list(bodies)
    values = [
        math.log(body.weight) + LIKELIHOOD_SHARE * score
        for body, score in zip(bodies, scores, strict=True)
    ]
    return [bodies[i] for i in sorted(range(len(bodies)), key=lambda i: -values[i])]


def in_block(text: str, indent: str) -> str:
    """Return statements as a block that closes at `indent`."""
    lines = "".join(f"{indent}    {line}\n" if line else "\n" for line in text.split("\n"))
    return f"{{\n{lines}{indent}}}"


def closed(text: str) -> str:
    """Return the longest run of whole lines from the start that parses as a body."""
    lines = text.rstrip().split("\n")
    while lines:
        body = "\n".join(lines).rstrip()
        root = parse(f"fn f() {{\n{body}\n}}".encode()).root_node
        if body and not root.has_error and root.named_child_count == 1:
            return body
        lines.pop()
    return ""


def _around(source: SourceText, function: Node) -> tuple[str, str, str]:
    """Return the text up to the body's opening brace, that behind its closing one, and indent."""
    body = field(function, "body")
    assert body is not None
    text = source.text
    before = text[: body.start_byte + 1].decode("utf-8", "replace")
    return (
        before,
        text[body.end_byte :].decode("utf-8", "replace"),
        source.indent(function.start_byte),
    )


def _outdent(text: str, indent: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first.strip(), *[line.removeprefix(indent).rstrip() for line in rest]])
