"""Lifetimes that are left out, mixed up or promised too short."""

from __future__ import annotations

import re
from collections.abc import Iterator

from m31r_core.repair.source import field, walk
from m31r_data.mutate.tree import Change, SourceTree, around, child, code, cut_from_list, replace


def drop_parameter_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Leave the lifetime of a parameter open: `x: &'a str` to `x: &str`."""
    for parameter in tree.nodes("parameter", "self_parameter"):
        type_ = field(parameter, "type") or parameter
        lifetime = child(type_, "lifetime")
        if lifetime is not None:
            yield Change(lifetime.start_byte, lifetime.end_byte + 1, b"")


def drop_result_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Leave the lifetime of what is returned open: `-> &'a T` to `-> &T`, `-> S<'a>` to `-> S`."""
    for function in tree.nodes("function_item"):
        type_ = field(function, "return_type")
        for each in walk(type_, "reference_type", "type_arguments") if type_ is not None else []:
            lifetime = child(each, "lifetime")
            if lifetime is None:
                continue
            if each.type == "reference_type":
                yield Change(lifetime.start_byte, lifetime.end_byte + 1, b"")
            elif len(code(each)) == 1:
                yield replace(each, b"")


def drop_field_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Store a reference without saying for how long: `name: &'a str` to `name: &str`."""
    for kind in ("field_declaration", "ordered_field_declaration_list", "type_item"):
        for each in tree.nodes(kind):
            for reference in walk(each, "reference_type"):
                lifetime = child(reference, "lifetime")
                if lifetime is not None:
                    yield Change(lifetime.start_byte, lifetime.end_byte + 1, b"")


def drop_declared_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Use a lifetime that nobody declared: `fn f<'a>(…)` to `fn f(…)`, `impl<'a>` to `impl`."""
    for parameters in tree.nodes("type_parameters"):
        declared = code(parameters)
        lifetimes = [each for each in declared if each.type == "lifetime_parameter"]
        if len(lifetimes) == len(declared) == 1:
            yield replace(parameters, b"")
        elif lifetimes:
            yield cut_from_list(tree, lifetimes[0])


def other_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Return for another lifetime than what is lent: `&'a T` to `&'b T`, `&'static T`."""
    for function in tree.nodes("function_item"):
        names = []
        for scope in (function, around(function, "impl_item")):
            for each in code(field(scope, "type_parameters")):
                if each.type == "lifetime_parameter":
                    names.append(tree.of(field(each, "name")))
        type_ = field(function, "return_type")
        for lifetime in walk(type_, "lifetime") if type_ is not None else []:
            others = [name for name in names if name != tree.of(lifetime)]
            yield replace(lifetime, others[0] if others else b"'static")


def promise_static(tree: SourceTree) -> Iterator[Change]:
    """Ask a reference to live forever: `-> &str` to `-> &'static str`, parameters as well."""
    for function in tree.nodes("function_item"):
        for type_ in (field(function, "return_type"),):
            for reference in walk(type_, "reference_type") if type_ is not None else []:
                if child(reference, "lifetime") is None:
                    yield Change(reference.start_byte + 1, reference.start_byte + 1, b"'static ")


def drop_outlives(tree: SourceTree) -> Iterator[Change]:
    """Forget what has to live longer: `T: 'a`, `'b: 'a`, `T: Send + 'static`."""
    for bounds in tree.nodes("trait_bounds"):
        found = code(bounds)
        for place, each in enumerate(found):
            if each.type != "lifetime":
                continue
            if len(found) == 1:
                yield replace(bounds, b"")
            elif place:
                yield Change(found[place - 1].end_byte, each.end_byte, b"")
            else:
                yield Change(each.start_byte, found[1].start_byte, b"")


def drop_captured_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Hide that what is returned borrows: `impl Iterator + 'a`, `Box<dyn Fn() + '_>`."""
    for kind in ("bounded_type", "dynamic_type", "abstract_type"):
        for type_ in tree.nodes(kind):
            match = re.search(rb"\s*\+\s*'\w+", tree.of(type_))
            if match:
                start = type_.start_byte
                yield Change(start + match.start(), start + match.end(), b"")


def misspell_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Use a lifetime by another name than it was declared by."""
    other = {b"'a": b"'b", b"'static": b"'statc"}
    for type_ in tree.nodes("reference_type"):
        lifetime = child(type_, "lifetime")
        if lifetime is not None and tree.of(lifetime) != b"'_":
            name = tree.of(lifetime)
            yield replace(lifetime, other.get(name, b"'a"))


def drop_type_lifetime(tree: SourceTree) -> Iterator[Change]:
    """Name a type that borrows without its lifetime: `impl<'a> Parser<'a>` to `… Parser`."""
    for generic in tree.nodes("generic_type"):
        inside = field(generic, "type_arguments")
        given = code(inside)
        if inside is not None and given and given[0].type == "lifetime":
            parent = generic.parent
            if parent is None or parent.type not in ("impl_item", "field_declaration", "type_item"):
                continue
            if len(given) == 1:
                yield replace(inside, b"")
            else:
                yield cut_from_list(tree, given[0])
