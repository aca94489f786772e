"""What a function's signature and surroundings say about the body that it could have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tree_sitter import Node

from m31r_core.repair.source import SourceText, field

Receiver = Literal["", "&self", "&mut self", "self"]
Shape = Literal["unit", "tuple", "struct"]


@dataclass(frozen=True)
class Field:
    """A field or a parameter; a field of a tuple is called by its number."""

    name: str
    type: str


@dataclass(frozen=True)
class Variant:
    """A variant of an enum, or the one way to build a struct (then `name` is the struct's)."""

    name: str
    shape: Shape
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Definition:
    """A struct or an enum of the user's."""

    name: str
    is_enum: bool
    variants: tuple[Variant, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of a struct; none of an enum."""
        return () if self.is_enum else self.variants[0].fields


@dataclass(frozen=True)
class Function:
    """A function as its caller sees it. Types are as written; `returns` is "()" for none."""

    name: str
    receiver: Receiver
    parameters: tuple[Field, ...]
    returns: str


@dataclass(frozen=True)
class Place:
    """A function, and what it can use.

    `owner` is the type of the impl around it, `trait` the last name of the trait that the impl
    is of, both as written and without generic arguments of the trait. `siblings` are the other
    functions of the owner in this file, those of the same impl of a trait aside; `free` those of
    no owner. `callers` are the names of those that call this one, which it must not call in turn.
    """

    function: Function
    owner: str
    trait: str
    definition: Definition | None
    siblings: tuple[Function, ...]
    free: tuple[Function, ...]
    callers: frozenset[str] = frozenset()

    def type(self, text: str) -> str:
        """Return a type with `Self` in the place of the owner's name."""
        return "Self" if self.owner and text in (self.owner, bare(self.owner)) else text


Definitions = Callable[[str], Definition | None]


def place_of(source: SourceText, node: Node, definitions: Definitions) -> Place:
    """Describe the `function_item` (or signature) `node` of `source`."""
    block = _impl_around(node)
    owner = squeeze(source.of(owner_node)) if (owner_node := field(block, "type")) else ""
    trait = bare(source.of(trait_node)) if (trait_node := field(block, "trait")) else ""
    siblings, free = [], []
    name = source.of(field(node, "name") or node)
    calls = re.compile(rf"\b{re.escape(name)}\s*\(")
    callers = set()
    for other in source.walk("function_item", "function_signature_item"):
        if other.start_byte == node.start_byte:
            continue
        body = field(other, "body")
        if body is not None and calls.search(source.of(body)):
            callers.add(source.of(field(other, "name") or other))
        around = _impl_around(other)
        if around is None:
            if other.parent is not None and other.parent.type in (
                "source_file",
                "declaration_list",
            ):
                free.append(function_of(source, other))
        elif trait and block is not None and around.id == block.id:
            continue  # the items of one trait seldom call each other
        elif owner and bare(source.of(field(around, "type") or around)) == bare(owner):
            siblings.append(function_of(source, other))
    return Place(
        function_of(source, node),
        owner,
        trait,
        definitions(bare(owner)) if owner else None,
        tuple(siblings),
        tuple(free),
        frozenset(callers),
    )


def function_of(source: SourceText, node: Node) -> Function:
    """Read the signature of a function."""
    receiver: Receiver = ""
    parameters = []
    list_node = field(node, "parameters")
    for child in list_node.named_children if list_node else []:
        if child.type == "self_parameter":
            text = re.sub(r"'\w+\s*", "", source.of(child))
            mutable = "mut" in text
            receiver = ("&mut self" if mutable else "&self") if text.startswith("&") else "self"
        elif child.type == "parameter":
            pattern, type_ = field(child, "pattern"), field(child, "type")
            if pattern is None or type_ is None:
                continue
            name = source.of(pattern).removeprefix("mut ").strip()
            if name == "self":
                receiver = "self"
            elif re.fullmatch(r"\w+", name) and name != "_":
                parameters.append(Field(name, squeeze(source.of(type_))))
    returned = field(node, "return_type")
    return Function(
        source.of(field(node, "name") or node),
        receiver,
        tuple(parameters),
        squeeze(source.of(returned)) if returned else "()",
    )


def definition_of(source: SourceText, name: str) -> Definition | None:
    """Return the struct or enum `name` of a file."""
    if not re.search(rb"\b(?:struct|enum)\s+" + re.escape(name.encode()) + rb"\b", source.text):
        return None
    for node in source.walk("struct_item", "enum_item"):
        if source.of(field(node, "name") or node) != name:
            continue
        body = field(node, "body")
        if node.type == "struct_item":
            return Definition(name, False, (_variant(source, name, body),))
        variants = list(body.named_children if body else [])
        return Definition(
            name,
            True,
            tuple(
                _variant(source, source.of(field(child, "name") or child), field(child, "body"))
                for child in variants
                if child.type == "enum_variant"
            ),
        )
    return None


def find_definitions(
    here: SourceText, text_of: Callable[[str], bytes], paths: Sequence[str]
) -> Definitions:
    """Return a function that finds a type by name, in this file before the others."""

    @cache
    def find(name: str) -> Definition | None:
        for source in _sources(here, text_of, paths):
            definition = definition_of(source, name)
            if definition is not None:
                return definition
        return None

    return find


def _sources(
    here: SourceText, text_of: Callable[[str], bytes], paths: Sequence[str]
) -> Iterator[SourceText]:
    yield here
    for path in paths:
        if path != here.path:
            yield SourceText(path, text_of(path))


def _variant(source: SourceText, name: str, body: Node | None) -> Variant:
    if body is None:
        return Variant(name, "unit", ())
    if body.type == "field_declaration_list":
        fields = [
            Field(source.of(name_node), squeeze(source.of(type_node)))
            for child in body.named_children
            if child.type == "field_declaration"
            and (name_node := field(child, "name")) is not None
            and (type_node := field(child, "type")) is not None
        ]
        return Variant(name, "struct", tuple(fields))
    types = [
        child
        for child in body.named_children
        if child.type
        not in ("visibility_modifier", "attribute_item", "line_comment", "block_comment")
    ]
    numbered = [Field(str(i), squeeze(source.of(child))) for i, child in enumerate(types)]
    return Variant(name, "tuple", tuple(numbered))


def _impl_around(node: Node) -> Node | None:
    """Return the impl or trait whose item `node` is."""
    parent = node.parent.parent if node.parent is not None else None
    return parent if parent is not None and parent.type in ("impl_item", "trait_item") else None


def bare(type_: str) -> str:
    """Return the last name of a path, without generic arguments, borrows and blanks."""
    name = re.sub(r"^(?:&\s*)?(?:'\w+\s+)?(?:mut\s+)?(?:dyn\s+)?", "", type_.strip())
    return re.sub(r"\s*<.*", "", name, flags=re.DOTALL).split("::")[-1].strip()


def squeeze(text: str) -> str:
    """Return a type on one line, with single blanks."""
    return re.sub(r"\s+", " ", text).strip()


def without_lifetimes(type_: str) -> str:
    """Return a type without its lifetimes, for comparing two."""
    type_ = re.sub(r"'\w+\s*,\s*|<\s*'\w+\s*>|'\w+\s+", "", type_)
    return re.sub(r"\s+", "", type_)


def snake(name: str) -> str:
    """Return a name of a type or variant as one of a function or field."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
