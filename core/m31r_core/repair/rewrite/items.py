"""The items that an impl of a trait misses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.engine import Completer
from m31r_core.repair.candidates import Candidate, Caution, Source
from m31r_core.repair.edits import Edit, lay
from m31r_core.repair.fixes import Fix
from m31r_core.repair.rewrite.bodies import Body, likely_bodies
from m31r_core.repair.rewrite.checking import Checker
from m31r_core.repair.rewrite.imports import shortened
from m31r_core.repair.rewrite.signature import Definitions, bare, place_of, snake, squeeze
from m31r_core.repair.rewrite.traits import STANDARD
from m31r_core.repair.rewrite.written import in_block, rank, written_bodies
from m31r_core.repair.source import SourceText, field, walk
from m31r_core.repair.values import plain_value, split_arguments

_TODO = "todo!()"
_CAUTION: frozenset[Caution] = frozenset(["adds todo!()"])
_MOST_BODIES = 10
_MOST_TYPES = 6


@dataclass(frozen=True)
class _Missing:
    """The impl, where its items end, and rustc's complaint."""

    source: SourceText
    node: Node
    error: Diagnostic
    trait: str
    arguments: tuple[str, ...]
    owner: str

    def edit(self, items: Sequence[str]) -> Edit:
        """Return the edit that writes items behind those that are there."""
        body = field(self.node, "body")
        assert body is not None
        outer = self.source.indent(self.node.start_byte)
        last = body.named_children[-1].end_byte if body.named_children else body.start_byte + 1
        separator = "\n\n" if body.named_children else "\n"
        written = []
        for i, item in enumerate(items):
            lines = "\n".join(f"{outer}    {line}" if line else "" for line in item.split("\n"))
            blank = i and not (item.startswith("type") and items[i - 1].startswith("type"))
            written.append(("\n" if blank else "") + lines)
        text = f"{separator}{chr(10).join(written)}\n{outer}"
        return Edit(self.source.path, last, body.end_byte - 1, text)


def missing_items(
    checker: Checker,
    source: SourceText,
    node: Node,
    definitions: Definitions,
    completer: Completer | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[Fix]:
    """Yield the impl `node` with the items that rustc misses, where it misses any."""
    error = _complaint(checker, source, node)
    trait, owner = field(node, "trait"), field(node, "type")
    if error is None or trait is None or owner is None:
        return
    written = squeeze(source.of(trait))
    arguments = re.search(r"<(.*)>$", written)
    missing = _Missing(
        source,
        node,
        error,
        bare(written),
        tuple(split_arguments(arguments[1])) if arguments else (),
        squeeze(source.of(owner)),
    )
    names = re.findall(r"`([^`]+)`", error.message.partition("missing:")[2])
    items = [_item(checker, missing, name) for name in names]
    if not items or any(item is None for item in items):
        return
    stubs = [
        item.replace(f"{{ {_TODO} }}", in_block(_TODO, "")) for item in items if item is not None
    ]
    title = f"implement {_listed(names)} of `{missing.trait}`"
    best: tuple[Candidate, Fix] | None = None
    for chosen in itertools.islice(_with_types(missing, stubs, definitions), _MOST_TYPES):
        fix = _filled(checker, missing, chosen, title, definitions, completer, cancelled)
        if fix is None:
            continue
        if not fix.cautions:
            yield fix
            return
        if best is None:
            best = fix.steps[0], fix
    if best is not None:
        yield best[1]


def _filled(
    checker: Checker,
    missing: _Missing,
    stubs: Sequence[str],
    title: str,
    definitions: Definitions,
    completer: Completer | None,
    cancelled: Callable[[], bool] | None,
) -> Fix | None:
    """Return the items with the first bodies that compile, None where not even stubs do."""

    def candidate(items: Sequence[str]) -> Candidate:
        unfinished = any(_TODO in item for item in items)
        cautions = _CAUTION if unfinished else frozenset[Caution]()
        weight = 0.3 if unfinished else 0.7
        by: Source = "model" if any(item in written for item in items) else "template"
        return Candidate(title, (missing.edit(items),), by, weight, cautions)

    written: set[str] = set()
    own = [missing.error]
    passed = next(checker.passing([candidate(stubs)], own), None)
    if passed is None:
        return None
    items = list(stubs)
    for i, stub in enumerate(stubs):
        if _TODO not in stub:
            continue
        edit = missing.edit(items)
        text = lay([edit], checker.compiler.text)[edit.path]
        virtual = SourceText(edit.path, text)
        function = _function(virtual, edit, stub)
        if function is None:
            continue
        bodies = likely_bodies(place_of(virtual, function, definitions))
        more: list[Body] = []
        if completer is not None:
            known = {body.text for body in bodies}
            more = written_bodies(completer, virtual, function, n=3, cancelled=cancelled)
            more = [body for body in more if body.text not in known]
            bodies += more
            bodies = rank(completer, virtual, function, bodies, cancelled=cancelled)
        head = stub[: stub.rindex("{")]
        texts = [shortened(body.text, missing.source.text) for body in bodies[:_MOST_BODIES]]
        options = [head + in_block(each, "") for each in texts]
        written.update(head + in_block(body.text, "") for body in more)
        tries = [candidate([*items[:i], option, *items[i + 1 :]]) for option in options]
        better = next(checker.passing(tries, own), None)
        if better is not None:
            passed = better
            items[i] = options[tries.index(better[0])]
    return checker.fix(*passed)


def _function(virtual: SourceText, edit: Edit, stub: str) -> Node | None:
    """Return the function that `stub` became in the file that has it."""
    name = re.search(r"\bfn\s+(\w+)", stub)
    end = edit.start + len(edit.text.encode())
    for node in walk(virtual.tree.root_node, "function_item"):
        called = virtual.of(field(node, "name") or node)
        if edit.start <= node.start_byte < end and name and called == name[1]:
            return node
    return None


def _complaint(checker: Checker, source: SourceText, node: Node) -> Diagnostic | None:
    for error in checker.compiler.errors:
        span = error.primary
        if (
            error.code == "E0046"
            and span is not None
            and span.path == source.path
            and node.start_byte <= span.byte_start < span.byte_end <= node.end_byte
        ):
            return error
    return None


def _item(checker: Checker, missing: _Missing, name: str) -> str | None:
    """Return an item with `todo!()` for a body and `_` for a type that is to be found."""
    return (
        _from_definition(checker, missing, name)
        or _from_standard(missing, name)
        or _from_rustc(missing, name)
    )


def _from_definition(checker: Checker, missing: _Missing, name: str) -> str | None:
    """Copy the signature from the user's own trait."""
    for path in [missing.source.path, *checker.compiler.paths()]:
        text = checker.compiler.text(path)
        if not re.search(rb"\btrait\s+" + missing.trait.encode() + rb"\b", text):
            continue
        source = SourceText(path, text)
        for trait in source.walk("trait_item"):
            if source.of(field(trait, "name") or trait) != missing.trait:
                continue
            body = field(trait, "body")
            for item in body.named_children if body else []:
                if source.of(field(item, "name") or item) == name:
                    return _as_item(missing, source, trait, item)
    return None


def _as_item(missing: _Missing, source: SourceText, trait: Node, item: Node) -> str | None:
    text = squeeze(re.sub(r"//[^\n]*\n", "\n", source.of(item))).rstrip("; ")
    parameters = field(trait, "type_parameters")
    names = [
        source.of(field(child, "name") or child)
        for child in (parameters.named_children if parameters else [])
        if child.type in ("type_parameter", "const_parameter")
    ]
    for parameter, argument in zip(names, missing.arguments, strict=False):
        text = re.sub(rf"\b{parameter}\b", argument, text)
    if item.type == "function_signature_item":
        return f"{text} {{ {_TODO} }}"
    if item.type == "associated_type":
        return f"{text.partition(':')[0].strip()} = _;"
    if item.type == "const_item":
        type_ = source.of(field(item, "type") or item)
        return f"{text.partition('=')[0].strip()} = {plain_value(type_) or _TODO};"
    return None


def _from_standard(missing: _Missing, name: str) -> str | None:
    """Write the signature of a trait of the standard library as one would by hand."""
    text = STANDARD.get(missing.trait, {}).get(name)
    if text is None:
        return None
    argument = missing.arguments[0] if missing.arguments else "Self"
    text = text.replace("{argument}", argument)
    return shortened(text, missing.source.text)


def _from_rustc(missing: _Missing, name: str) -> str | None:
    """Take the signature that rustc proposes, with names for the parameters."""
    for suggestion in missing.error.suggestions:
        text = suggestion.replacements[0].text.strip()
        if not re.match(rf"(?:unsafe |async |const )*(?:fn|type|const)\s+{name}\b", text):
            continue
        if text.startswith("type"):
            return re.sub(r"=\s*/\*.*?\*/", "= _", text)
        counter = itertools.count()

        def named(match: re.Match[str], counter: Iterator[int] = counter) -> str:
            word = snake(bare(match[2])) if re.fullmatch(r"\w+", bare(match[2])) else "value"
            number = next(counter)
            return f"{match[1]}{word if number == 0 else f'{word}{number}'}: {match[2]}"

        return re.sub(r"([(,]\s*)_: ([^,)]+)", named, text)
    return None


def _with_types(
    missing: _Missing, stubs: Sequence[str], definitions: Definitions
) -> Iterator[list[str]]:
    """Yield the items with types in the place of `_`, the likeliest first."""
    open_types = [i for i, stub in enumerate(stubs) if stub.endswith("= _;")]
    if not open_types:
        yield list(stubs)
        return
    definition = definitions(bare(missing.owner))
    fields = [each.type for each in definition.fields] if definition else []
    options = [_types(stubs[i].split()[1], missing, fields) for i in open_types]
    for chosen in itertools.product(*options):
        items = list(stubs)
        for i, type_ in zip(open_types, chosen, strict=True):
            items[i] = f"{stubs[i].removesuffix('_;')}{type_};"
        yield items


def _types(name: str, missing: _Missing, fields: Sequence[str]) -> list[str]:
    inside = [re.search(r"[<\[](.*?)(?:;.*)?[>\]]$", type_) for type_ in fields]
    elements = [each for found in inside if found for each in split_arguments(found[1])]
    plain = [type_ for type_ in fields if not type_.startswith("&")]
    if name == "Output" and missing.trait not in ("Index", "IndexMut"):
        options = ["Self", *plain]
    elif name in ("Item", "Output"):
        options = [*elements, *plain, "()"]
    elif name in ("Err", "Error"):
        options = ["String", "Box<dyn std::error::Error>", "()"]
    elif name == "IntoIter":
        options = [f"std::vec::IntoIter<{element}>" for element in elements] or ["_"]
    else:
        options = [*plain, "Self", "()", "String"]
    return list(dict.fromkeys(options))[:4]


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names[:3]]
    if len(names) > 3:
        return f"{', '.join(quoted)} and {len(names) - 3} more"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
