"""The arms that a match misses, with what the other arms suggest that they do."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.engine import Completer, CompletionRequest
from m31r_core.repair.candidates import Candidate, Caution, Source
from m31r_core.repair.edits import Edit, lay
from m31r_core.repair.fixes import Fix
from m31r_core.repair.rewrite.checking import Checker
from m31r_core.repair.rewrite.places import arms_of, catches_all, unfinished_arm
from m31r_core.repair.rewrite.signature import Definitions, Variant, bare, snake
from m31r_core.repair.source import SourceText, field

_ROUNDS = 8
_MOST_CHOICES = 8
_WRITTEN = 3
_TODO = "todo!()"
_CAUTION: frozenset[Caution] = frozenset(["adds todo!()"])
_PLAIN = re.compile(
    r"(?:\{\s*\}|\(\)|None|true|false|return\b[^{}]*|continue|break|Err\([^{}]*\)|"
    r"Default::default\(\)|Ok\(\(\)\)|unreachable!\(\))"
)


@dataclass(frozen=True)
class _Match:
    """A match to be completed: where its arms go, and those that stay."""

    source: SourceText
    node: Node
    body: Node
    kept: tuple[Node, ...]
    dropped: Node | None

    @property
    def indent(self) -> str:
        """The white space before an arm."""
        if self.kept and self.kept[0].start_point[0] != self.node.start_point[0]:
            return self.source.indent(self.kept[0].start_byte)
        return self.source.indent(self.node.start_byte) + "    "

    def edit(self, arms: Sequence[str]) -> Edit:
        """Return the edit that writes `arms` behind those that are kept."""
        close = self.body.end_byte - 1
        last = self.kept[-1].end_byte if self.kept else self.body.start_byte + 1
        start, end = last, close
        between = self.source.slice(last, close)
        if self.dropped is not None:
            start, end = self.dropped.start_byte, self.dropped.end_byte
            lines = f"\n{self.indent}".join(arms)
            return Edit(self.source.path, start, end, lines)
        comma = ""
        if self.kept and not self.source.of(self.kept[-1]).rstrip().endswith((",", "}")):
            comma = ","
        if between.strip():
            start = end = last
        tail = "" if between.strip() else f"\n{self.source.indent(self.node.start_byte)}"
        lines = "".join(f"\n{self.indent}{arm}" for arm in arms)
        return Edit(self.source.path, start, end, f"{comma}{lines}{tail}")


def missing_arms(
    checker: Checker,
    source: SourceText,
    node: Node,
    definitions: Definitions,
    completer: Completer | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[Fix]:
    """Yield the match `node` with all arms that rustc misses, where it misses any."""
    body = field(node, "body")
    assert body is not None
    arms = arms_of(body)
    dropped = next(
        (arm for arm in arms if catches_all(source, arm) and unfinished_arm(source, arm)), None
    )
    if dropped is not None and dropped.id != arms[-1].id:
        return
    kept = tuple(arm for arm in arms if dropped is None or arm.id != dropped.id)
    match = _Match(source, node, body, kept, dropped)
    error = _uncovered(checker.compiler.errors, match)
    if dropped is not None:
        verdict = checker.verdict(lay([match.edit([])], checker.compiler.text))
        error = _uncovered(verdict.new, match) if verdict else None
    if error is None:
        return
    patterns = _all_patterns(checker, match, error, definitions)
    if not patterns:
        return
    choices = []
    written: set[str] = set()
    for pattern in patterns:
        found = list(_choices(match, pattern, definitions))
        if completer is not None:
            more = list(_written(completer, match, pattern, cancelled))
            written.update(each for each in more if each not in found)
            found += more
        choices.append([*list(dict.fromkeys(found))[:_MOST_CHOICES], f"{pattern} => {_TODO},"])
    own = [error] if dropped is None else []
    yield from _complete(checker, match, patterns, choices, written, own)


def _complete(
    checker: Checker,
    match: _Match,
    patterns: Sequence[str],
    choices: Sequence[list[str]],
    written: Collection[str],
    own: list[Diagnostic],
) -> Iterator[Fix]:
    """Try the first choices together, then each arm's alone, with `todo!()` in the others."""
    title = f"add {'arms' if len(patterns) > 1 else 'an arm'} for {_listed(patterns)}"

    def candidate(arms: Sequence[str]) -> Candidate:
        unfinished = any(arm.endswith(f" => {_TODO},") for arm in arms)
        cautions = _CAUTION if unfinished and match.dropped is None else frozenset[Caution]()
        weight = 0.3 if unfinished else 0.7
        by: Source = "model" if any(arm in written for arm in arms) else "template"
        return Candidate(title, (match.edit(arms),), by, weight, cautions)

    firsts = [each[0] for each in choices]
    for passed in checker.passing([candidate(firsts)], own):
        yield checker.fix(*passed)
        return
    stubs = [each[-1] for each in choices]
    chosen = list(stubs)
    for i, options in enumerate(choices):
        tries = [candidate([*stubs[:i], option, *stubs[i + 1 :]]) for option in options]
        first = next(checker.passing(tries, own), None)
        if first is not None:
            chosen[i] = options[tries.index(first[0])]
    for passed in checker.passing([candidate(chosen)], own):
        yield checker.fix(*passed)


def _uncovered(errors: Sequence[Diagnostic], match: _Match) -> Diagnostic | None:
    """Return the error that says that this match misses patterns."""
    value = field(match.node, "value")
    assert value is not None
    for error in errors:
        span = error.primary
        if (
            error.code == "E0004"
            and span is not None
            and span.path == match.source.path
            and (span.byte_start, span.byte_end) == (value.start_byte, value.end_byte)
        ):
            return error
    return None


def _all_patterns(
    checker: Checker, match: _Match, error: Diagnostic, definitions: Definitions
) -> list[str]:
    """Ask rustc again until it misses nothing: it names three patterns at a time."""
    patterns = _named(match, error)
    patterns += [each for each in _variants(match, patterns, definitions) if each not in patterns]
    for _ in range(_ROUNDS):
        arms = [f"{pattern} => {_TODO}," for pattern in patterns]
        verdict = checker.verdict(lay([match.edit(arms)], checker.compiler.text))
        more = _uncovered(verdict.errors, match) if verdict else None
        if more is None:
            return patterns if verdict is not None else []
        fresh = [each for each in _named(match, more) if each not in patterns]
        if not fresh:
            return []
        patterns += fresh
    return []


def _named(match: _Match, error: Diagnostic) -> list[str]:
    """Return the patterns of the message, as the other arms would write them."""
    named = re.findall(r"`([^`]+)`", error.message.partition("not covered")[0])
    kept = [match.source.of(field(arm, "pattern") or arm) for arm in match.kept]
    if not any(pattern.startswith("&") for pattern in kept):
        named = [pattern.lstrip("&") for pattern in named]  # as default binding modes allow
    return [_as_arms_do(match, pattern) for pattern in named if pattern != "_"]


def _as_arms_do(match: _Match, pattern: str) -> str:
    """Write the path of a variant as the other arms do."""
    path = re.match(r"((?:\w+::)+)(\w+)", pattern)
    if path is None:
        return pattern
    enum = path[1].split("::")[-2]
    kept = [match.source.of(field(arm, "pattern") or arm) for arm in match.kept]
    for other in kept:
        used = re.match(r"&?((?:\w+::)*)[A-Z]\w*", other)
        if used and (used[1].endswith((f"{enum}::", "Self::")) or not used[1]):
            return used[1] + pattern[len(path[1]) :]
    return pattern


def _variants(match: _Match, patterns: Sequence[str], definitions: Definitions) -> Iterator[str]:
    """Yield the other variants of the user's enum that no arm names."""
    head = re.match(r"((?:\w+::)*)(\w+)", patterns[0]) if patterns else None
    definition = _enum_of(match, head[1], definitions) if head else None
    if definition is None or head is None:
        return
    kept = " ".join(match.source.of(field(arm, "pattern") or arm) for arm in match.kept)
    for variant in definition:
        if not re.search(rf"\b{variant.name}\b", kept):
            yield f"{head[1]}{variant.name}{_rest(variant)}"


def _enum_of(match: _Match, prefix: str, definitions: Definitions) -> tuple[Variant, ...] | None:
    name = prefix.split("::")[-2] if prefix else ""
    if name == "Self":
        block = match.source.around(match.node.start_byte, match.node.end_byte, "impl_item")
        type_ = field(block, "type")
        name = bare(match.source.of(type_)) if type_ else ""
    definition = definitions(name) if name else None
    return definition.variants if definition is not None and definition.is_enum else None


def _rest(variant: Variant) -> str:
    if variant.shape == "tuple":
        return f"({', '.join('_' for _ in variant.fields)})"
    return {"unit": "", "struct": " { .. }"}[variant.shape]


def _choices(match: _Match, pattern: str, definitions: Definitions) -> Iterator[str]:
    """Yield arms for a pattern: an arm like it with the names exchanged, then what is plain."""
    head = re.match(r"((?:\w+::)*)(\w+)", pattern)
    if head is not None:
        variants = _enum_of(match, head[1], definitions) or ()
        shapes = {variant.name: variant for variant in variants}
        for arm in reversed(match.kept):
            like = _like(match, arm, pattern, head[1], head[2], shapes)
            if like is not None:
                yield like
    values = [
        match.source.of(node) for arm in match.kept if (node := field(arm, "value")) is not None
    ]
    for value in sorted(dict.fromkeys(values), key=lambda each: -values.count(each)):
        if _PLAIN.fullmatch(value.strip()) or values.count(value) > max(1, len(values) // 2):
            comma = "" if value.strip().endswith("}") else ","
            yield f"{pattern} => {value.strip()}{comma}"
    yield f"{pattern} => {{}}"
    if head is not None and not match.kept:
        yield f'{pattern} => "{snake(head[2])}",'


def _like(
    match: _Match, arm: Node, new: str, prefix: str, name: str, shapes: dict[str, Variant]
) -> str | None:
    """Return `arm` rewritten for the variant `name`, where its value speaks of its variant."""
    pattern, value = field(arm, "pattern"), field(arm, "value")
    if pattern is None or value is None:
        return None
    text, does = match.source.of(pattern), match.source.of(value)
    own = re.match(rf"{re.escape(prefix)}(\w+)", text)
    changed = _exchange(does, own[1], name) if own else does
    if own is None or changed == does:
        return None
    if _fields(shapes.get(own[1])) == _fields(shapes.get(name)):
        new = _exchange(text, own[1], name)
    elif value.type != "string_literal":
        return None  # what its pattern binds is not there
    return f"{new} => {changed}{'' if changed.endswith('}') else ','}"


def _fields(variant: Variant | None) -> tuple[str, ...] | None:
    return None if variant is None else tuple(each.name for each in variant.fields)


def _exchange(text: str, old: str, new: str) -> str:
    """Put one name in the place of another, in every way to write names."""
    ways: tuple[Callable[[str], str], ...] = (
        str,
        snake,
        lambda name: snake(name).upper(),
        lambda name: snake(name).replace("_", "-"),
        lambda name: snake(name).replace("_", " "),
        lambda name: snake(name).replace("_", " ").capitalize(),
        str.lower,
        str.upper,
    )
    for way in ways:
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(way(old))}(?![A-Za-z0-9])", way(new), text)
    return text


def _written(
    completer: Completer,
    match: _Match,
    pattern: str,
    cancelled: Callable[[], bool] | None,
) -> Iterator[str]:
    """Yield arms whose value the model writes."""
    edit = match.edit([f"{pattern} => "])
    text = match.source.text
    written = edit.text.rstrip()
    before = text[: edit.start].decode("utf-8", "replace") + written + " "
    after = text[edit.end :].decode("utf-8", "replace")
    request = CompletionRequest(match.source.path, before, "\n" + after, max_new_tokens=32)
    for completion in completer.candidates(request, _WRITTEN, cancelled=cancelled):
        value = completion.text.strip().rstrip(",")
        if value and not re.search(r"todo!|unimplemented!|panic!|unreachable!|unsafe", value):
            yield f"{pattern} => {value}{'' if value.endswith('}') else ','}"


def _listed(patterns: Sequence[str]) -> str:
    quoted = [f"`{pattern}`" for pattern in patterns[:3]]
    if len(patterns) > 3:
        return f"{', '.join(quoted)} and {len(patterns) - 3} more"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
