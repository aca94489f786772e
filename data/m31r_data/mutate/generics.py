"""Type parameters, bounds and trait objects that say too little."""

from __future__ import annotations

import re
from collections.abc import Iterator

from m31r_core.repair.source import field
from m31r_data.mutate.tree import Change, SourceTree, child, code, cut_from_list, insert, replace


def drop_bound(tree: SourceTree) -> Iterator[Change]:
    """Use what a type parameter need not have: `T: Clone + Debug` to `T: Debug`."""
    for bounds in tree.nodes("trait_bounds"):
        found = [each for each in code(bounds) if each.type != "lifetime"]
        if len(found) == 1 and len(code(bounds)) == 1:
            yield replace(bounds, b"")
        elif len(found) > 1:
            yield Change(found[0].end_byte, found[1].end_byte, b"")
            yield Change(found[0].start_byte, found[1].start_byte, b"")


def drop_where(tree: SourceTree) -> Iterator[Change]:
    """Forget what a `where` promises."""
    for clause in tree.nodes("where_clause"):
        if len(tree.of(clause)) < 400:
            before = clause.prev_sibling
            start = clause.start_byte if before is None else before.end_byte
            yield Change(start, clause.end_byte, b"")


def drop_where_predicate(tree: SourceTree) -> Iterator[Change]:
    """Forget one of the promises of a `where`."""
    for predicate in tree.nodes("where_predicate"):
        yield cut_from_list(tree, predicate)


def drop_type_parameter(tree: SourceTree) -> Iterator[Change]:
    """Use a type parameter that nobody declared: `fn f<T>(…)` to `fn f(…)`."""
    for parameters in tree.nodes("type_parameters"):
        declared = code(parameters)
        kinds = [each for each in declared if each.type in ("type_parameter", "const_parameter")]
        if len(declared) == len(kinds) == 1:
            yield replace(parameters, b"")
        elif kinds:
            yield cut_from_list(tree, kinds[-1])


def unused_type_parameter(tree: SourceTree) -> Iterator[Change]:
    """Declare a type parameter that nothing uses: `struct S` to `struct S<T>`."""
    for item in tree.nodes("struct_item", "enum_item"):
        name, declared = field(item, "name"), field(item, "type_parameters")
        if declared is not None:
            yield insert(declared.end_byte - 1, b", Extra")
        elif name is not None:
            yield insert(name.end_byte, b"<T>")


def unconstrained_parameter(tree: SourceTree) -> Iterator[Change]:
    """Implement for a parameter that the type does not mention: `impl S` to `impl<K> S`."""
    for implementation in tree.nodes("impl_item"):
        declared = field(implementation, "type_parameters")
        if declared is not None:
            yield insert(declared.end_byte - 1, b", K")
        elif tree.of(implementation).startswith(b"impl "):
            yield insert(implementation.start_byte + len(b"impl"), b"<K>")


def drop_type_arguments(tree: SourceTree) -> Iterator[Change]:
    """Name a generic type without its arguments: `Vec<T>` to `Vec`."""
    for generic in tree.nodes("generic_type"):
        inside = field(generic, "type_arguments")
        given = code(inside)
        if inside is not None and given and all(each.type != "lifetime" for each in given):
            yield replace(inside, b"")


def extra_type_argument(tree: SourceTree) -> Iterator[Change]:
    """Give a generic type one argument too many or too few: `Option<T>` to `Option<T, T>`."""
    for generic in tree.nodes("generic_type"):
        given = code(field(generic, "type_arguments"))
        if len(given) > 1 and given[-1].type not in ("lifetime", "type_binding"):
            yield cut_from_list(tree, given[-1])
        elif given and given[-1].type != "lifetime" and len(tree.of(given[-1])) < 20:
            yield insert(given[-1].end_byte, b", " + tree.of(given[-1]))


def drop_dyn(tree: SourceTree) -> Iterator[Change]:
    """Name a trait where a type is wanted: `Box<dyn Error>` to `Box<Error>`, `impl T` to `T`."""
    for type_ in tree.nodes("dynamic_type", "abstract_type"):
        trait = field(type_, "trait")
        if trait is not None:
            yield Change(type_.start_byte, trait.start_byte, b"")


def drop_reference_to_dyn(tree: SourceTree) -> Iterator[Change]:
    """Hold what has no size by value: `&dyn T`, `&str`, `&[T]`, `Box<dyn T>` to what they hold."""
    for type_ in tree.nodes("reference_type"):
        inner = field(type_, "type")
        if inner is not None and (
            inner.type in ("dynamic_type", "slice_type")
            or tree.of(inner) == b"str"
            or (inner.type == "array_type" and b";" not in tree.of(inner))
        ):
            yield replace(type_, tree.of(inner))
    for generic in tree.nodes("generic_type"):
        match = re.fullmatch(rb"(?:Box|Rc|Arc)<(dyn .*|\[.*\]|str)>", tree.of(generic), re.S)
        if match:
            yield replace(generic, match[1])


def drop_associated_type(tree: SourceTree) -> Iterator[Change]:
    """Name a trait without its associated type: `dyn Iterator<Item = T>` to `dyn Iterator`."""
    for binding in tree.nodes("type_binding"):
        inside = binding.parent
        if inside is not None and len(code(inside)) == 1:
            yield replace(inside, b"")
        elif inside is not None:
            yield cut_from_list(tree, binding)


def wrong_associated_type(tree: SourceTree) -> Iterator[Change]:
    """Promise another associated type: `type Item = T;` to `type Item = &'static T;`, `(T, T)`."""
    for item in tree.nodes("type_item"):
        type_ = field(item, "type")
        parent = item.parent
        if type_ is not None and parent is not None and parent.type == "declaration_list":
            yield replace(type_, b"Option<" + tree.of(type_) + b">")
    for binding in tree.nodes("type_binding"):
        type_ = field(binding, "type")
        if type_ is not None:
            yield replace(type_, b"Option<" + tree.of(type_) + b">")


def type_for_trait(tree: SourceTree) -> Iterator[Change]:
    """Take a trait for a type in a bound, a type for a trait: `T: Clone` to `T: String`."""
    for bounds in tree.nodes("trait_bounds"):
        found = [each for each in code(bounds) if each.type == "type_identifier"]
        if found:
            yield replace(found[0], b"String")


def drop_maybe_sized(tree: SourceTree) -> Iterator[Change]:
    """Ask for a size that callers' types lack: `T: ?Sized` to `T`."""
    for bounds in tree.nodes("trait_bounds"):
        found = code(bounds)
        for each in found:
            if tree.of(each) != b"?Sized":
                continue
            if len(found) == 1:
                yield replace(bounds, b"")
            elif each.id == found[0].id:
                yield Change(each.start_byte, found[1].start_byte, b"")
            else:
                before = found[[one.id for one in found].index(each.id) - 1]
                yield Change(before.end_byte, each.end_byte, b"")


def repeat_type_parameter(tree: SourceTree) -> Iterator[Change]:
    """Declare a type parameter twice, in the method and its `impl`."""
    for implementation in tree.nodes("impl_item"):
        declared = code(field(implementation, "type_parameters"))
        names = [each for each in declared if each.type == "type_parameter"]
        if not names:
            continue
        for function in code(field(implementation, "body")):
            name = field(function, "name")
            if (
                function.type == "function_item"
                and name is not None
                and child(function, "type_parameters") is None
            ):
                yield insert(
                    name.end_byte, b"<" + tree.of(field(names[0], "name") or names[0]) + b">"
                )
                break
