"""Bodies of the functions of the standard library's traits, for the type that has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from m31r_core.repair.rewrite.signature import Field, Place, Variant, snake
from m31r_core.repair.values import plain_value

Bodies = Iterator[tuple[str, float]]
_OPERATIONS = {
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Rem": "%",
    "BitAnd": "&", "BitOr": "|", "BitXor": "^", "Shl": "<<", "Shr": ">>",
}  # fmt: skip


def standard_bodies(place: Place) -> Bodies:
    """Yield bodies for a function of a trait that is known here, with their weights."""
    rule = _RULES.get(place.trait)
    if rule is not None and place.definition is not None:
        yield from rule(place)
    operation = place.trait.removesuffix("Assign")
    if operation in _OPERATIONS and place.definition is not None:
        yield from _arithmetic(place, _OPERATIONS[operation])


def _fields(place: Place) -> tuple[Field, ...]:
    return place.definition.fields if place.definition is not None else ()


def _variants(place: Place) -> tuple[Variant, ...]:
    definition = place.definition
    return definition.variants if definition is not None and definition.is_enum else ()


def _argument(place: Place, otherwise: str) -> str:
    parameters = place.function.parameters
    return parameters[0].name if parameters else otherwise


def _display(place: Place) -> Bodies:
    f, fields = _argument(place, "f"), _fields(place)
    if variants := _variants(place):
        for case, weight in ((str, 0.6), (snake, 0.45)):
            arms = []
            for variant in variants:
                name = case(variant.name)
                if variant.shape == "tuple" and len(variant.fields) == 1:
                    arms.append(f'Self::{variant.name}(value) => write!({f}, "{{value}}"),')
                else:
                    rest = {"unit": "", "tuple": "(..)", "struct": " { .. }"}[variant.shape]
                    arms.append(f'Self::{variant.name}{rest} => {f}.write_str("{name}"),')
            yield _match("self", arms), weight
        return
    if len(fields) == 1:
        name = fields[0].name
        yield f'write!({f}, "{{}}", self.{name})', 0.85
        yield f"self.{name}.fmt({f})", 0.75
        yield f"std::fmt::Display::fmt(&self.{name}, {f})", 0.6
        yield f"fmt::Display::fmt(&self.{name}, {f})", 0.6
        yield f'write!({f}, "{{:?}}", self.{name})', 0.4
        yield f"{f}.write_str(&self.{name})", 0.4
    elif fields:
        values = ", ".join(f"self.{each.name}" for each in fields)
        for separator in (", ", " "):
            for form in ("{}", "{:?}"):
                text = separator.join([form] * len(fields))
                brackets = ("(", ")") if separator == ", " else ("", "")
                weight = 0.7 if form == "{}" else 0.4
                yield f'write!({f}, "{brackets[0]}{text}{brackets[1]}", {values})', weight
        for each in fields[:4]:
            weight = 0.55 if each.name in ("name", "message", "msg", "text") else 0.3
            yield f'write!({f}, "{{}}", self.{each.name})', weight
    name = place.definition.name if place.definition else place.owner
    yield f'{f}.write_str("{name}")', 0.3 if fields else 0.7


def _debug(place: Place) -> Bodies:
    f, fields, definition = _argument(place, "f"), _fields(place), place.definition
    if variants := _variants(place):
        arms = [
            f"Self::{v.name}{ {'unit': '', 'tuple': '(..)', 'struct': ' { .. }'}[v.shape] } "
            f'=> {f}.write_str("{v.name}"),'
            for v in variants
        ]
        yield _match("self", arms), 0.5
        return
    if definition is None or definition.is_enum:
        return
    is_tuple = definition.variants[0].shape == "tuple"
    calls = "".join(
        f"\n    .field({'' if is_tuple else f'{chr(34)}{each.name}{chr(34)}, '}&self.{each.name})"
        for each in fields
    )
    kind = "debug_tuple" if is_tuple else "debug_struct"
    yield f'{f}.{kind}("{definition.name}"){calls}\n    .finish()', 0.85
    if fields:
        yield f"self.{fields[0].name}.fmt({f})", 0.5 if len(fields) == 1 else 0.25
    yield f'{f}.write_str("{definition.name}")', 0.3


def _borrowed(place: Place) -> Bodies:
    mutable = "&mut " if place.function.receiver == "&mut self" else "&"
    fields = _fields(place)
    for each in fields:
        weight = 0.9 if len(fields) == 1 else 0.5
        yield f"{mutable}self.{each.name}", weight
        yield f"self.{each.name}.{place.function.name}()", weight * 0.7
        yield f"self.{each.name}", weight * 0.5
    if not place.trait.startswith("Deref"):  # there `self` would be dereferenced without end
        yield "self", 0.6 if not fields else 0.3


def _default(place: Place) -> Bodies:
    if place.function.name != "default":
        return
    for variant in _variants(place):
        if variant.shape == "unit":
            yield f"Self::{variant.name}", 0.7 if variant.name in ("None", "Empty") else 0.5
    if any(other.name == "new" and not other.parameters for other in place.siblings):
        yield "Self::new()", 0.9
    fields = _fields(place)
    if place.definition and not place.definition.is_enum:
        shape = place.definition.variants[0].shape
        for plain in (True, False):
            values = [
                (plain_value(each.type) if plain else None) or "Default::default()"
                for each in fields
            ]
            if shape == "tuple":
                yield f"Self({', '.join(values)})", 0.7
            elif shape == "struct":
                inits = "".join(
                    f"    {each.name}: {value},\n"
                    for each, value in zip(fields, values, strict=True)
                )
                yield f"Self {{\n{inits}}}", 0.7
            else:
                yield "Self", 0.8


def _equality(place: Place) -> Bodies:
    other, fields = _argument(place, "other"), _fields(place)
    if place.function.name == "eq":
        if fields:
            yield " && ".join(f"self.{e.name} == {other}.{e.name}" for e in fields), 0.85
            for each in fields if len(fields) > 1 else ():
                yield f"self.{each.name} == {other}.{each.name}", 0.4
        if _variants(place):
            yield f"std::mem::discriminant(self) == std::mem::discriminant({other})", 0.5
        yield f"self.cmp({other}) == std::cmp::Ordering::Equal", 0.2


def _partial_order(place: Place) -> Bodies:
    other, fields = _argument(place, "other"), _fields(place)
    if place.function.name == "partial_cmp":
        yield f"Some(self.cmp({other}))", 0.85
        for each in fields:
            weight = 0.7 if len(fields) == 1 else 0.4
            yield f"self.{each.name}.partial_cmp(&{other}.{each.name})", weight


def _order(place: Place) -> Bodies:
    other, fields = _argument(place, "other"), _fields(place)
    if place.function.name == "cmp" and fields:
        first, *rest = [f"self.{e.name}.cmp(&{other}.{e.name})" for e in fields]
        chain = "".join(f"\n    .then_with(|| {each})" for each in rest)
        yield first + chain, 0.85
        for each in (first, *rest) if rest else ():
            yield each, 0.4


def _hash(place: Place) -> Bodies:
    state, fields = _argument(place, "state"), _fields(place)
    if fields and place.function.name == "hash":
        yield "\n".join(f"self.{each.name}.hash({state});" for each in fields), 0.85
        for each in fields if len(fields) > 1 else ():
            yield f"self.{each.name}.hash({state});", 0.35


def _clone(place: Place) -> Bodies:
    if place.function.name != "clone" or place.definition is None:
        return
    yield "*self", 0.5
    if variants := _variants(place):
        arms = []
        for variant in variants:
            names = [e.name if variant.shape == "struct" else f"x{e.name}" for e in variant.fields]
            copies = [
                f"{name}: {name}.clone()" if variant.shape == "struct" else f"{name}.clone()"
                for name in names
            ]
            opening, closing = {"unit": ("", ""), "tuple": ("(", ")"), "struct": (" { ", " }")}[
                variant.shape
            ]
            left = f"Self::{variant.name}{opening}{', '.join(names)}{closing}"
            right = f"Self::{variant.name}{opening}{', '.join(copies)}{closing}"
            arms.append(f"{left} => {right},")
        yield _match("self", arms), 0.7
        return
    fields = _fields(place)
    if place.definition.variants[0].shape == "tuple":
        yield f"Self({', '.join(f'self.{each.name}.clone()' for each in fields)})", 0.85
    else:
        inits = "".join(f"    {each.name}: self.{each.name}.clone(),\n" for each in fields)
        yield (f"Self {{\n{inits}}}" if inits else "Self"), 0.85


def _from(place: Place) -> Bodies:
    value = _argument(place, "value")
    type_ = place.function.parameters[0].type if place.function.parameters else ""
    for variant in _variants(place):
        if len(variant.fields) == 1:
            same = variant.fields[0].type == type_
            for text, weight in ((value, 0.95 if same else 0.4), (f"{value}.into()", 0.3)):
                if variant.shape == "tuple":
                    yield f"Self::{variant.name}({text})", weight
                else:
                    yield f"Self::{variant.name} {{ {variant.fields[0].name}: {text} }}", weight
    fields = _fields(place)
    if len(fields) == 1:
        name = fields[0].name
        for text, weight in ((value, 0.9), (f"{value}.into()", 0.6), (f"{value}.0", 0.3)):
            yield f"Self({text})" if name == "0" else f"Self {{ {name}: {text} }}", weight
    for other in place.siblings:
        makes = not other.receiver and place.type(other.returns) == "Self"
        if makes and len(other.parameters) == 1 and other.name != "from":
            yield f"Self::{other.name}({value})", 0.7 if other.name == "new" else 0.4
    yield f"{value}.0", 0.3


def _arithmetic(place: Place, operator: str) -> Bodies:
    other, fields = _argument(place, "rhs"), _fields(place)
    if not fields:
        return
    assign = place.trait.endswith("Assign")
    if assign:
        yield "\n".join(f"self.{e.name} {operator}= {other}.{e.name};" for e in fields), 0.85
        yield "\n".join(f"self.{e.name} {operator}= {other};" for e in fields), 0.7
        yield f"*self = *self {operator} {other};", 0.6
        return
    for right, weight in ((f"{other}.{{}}", 0.85), (other, 0.7)):
        values = [f"self.{e.name} {operator} {right.format(e.name)}" for e in fields]
        yield _build(place, values), weight


def _negation(place: Place) -> Bodies:
    operator = "-" if place.trait == "Neg" else "!"
    yield _build(place, [f"{operator}self.{each.name}" for each in _fields(place)]), 0.85


def _build(place: Place, values: list[str]) -> str:
    fields = _fields(place)
    if fields and fields[0].name == "0":
        return f"Self({', '.join(values)})"
    if not values:
        return "Self"
    inits = "".join(f"    {e.name}: {v},\n" for e, v in zip(fields, values, strict=True))
    return f"Self {{\n{inits}}}"


def _index(place: Place) -> Bodies:
    index = _argument(place, "index")
    borrow = "&mut " if place.function.receiver == "&mut self" else "&"
    for each in _fields(place):
        yield f"{borrow}self.{each.name}[{index}]", 0.9


def _iterator(place: Place) -> Bodies:
    name = place.function.name
    for each in _fields(place):
        if name == "next":
            yield f"self.{each.name}.next()", 0.6
            yield f"self.{each.name}.pop_front()", 0.3
            yield f"self.{each.name}.pop()", 0.3
        elif name == "into_iter":
            yield f"self.{each.name}.into_iter()", 0.85
            yield f"self.{each.name}.iter()", 0.6
    if name == "into_iter":
        yield "self.iter()", 0.7
        yield "self.iter_mut()", 0.6
    if name == "size_hint":
        yield "(0, None)", 0.3


def _from_iterator(place: Place) -> Bodies:
    items = _argument(place, "iter")
    fields = _fields(place)
    if place.function.name == "extend":
        for each in fields:
            yield f"self.{each.name}.extend({items});", 0.8
    elif len(fields) == 1:
        text = f"{items}.into_iter().collect()"
        name = fields[0].name
        yield f"Self({text})" if name == "0" else f"Self {{ {name}: {text} }}", 0.85


def _from_str(place: Place) -> Bodies:
    text = _argument(place, "s")
    for other in place.siblings:
        if len(other.parameters) == 1 and not other.receiver:
            if re.search(r"\bResult\b", other.returns):
                yield f"Self::{other.name}({text})", 0.7
            elif place.type(other.returns) == "Self":
                yield f"Ok(Self::{other.name}({text}))", 0.5
                yield f"Ok(Self::{other.name}({text}.parse()?))", 0.4
    fields = _fields(place)
    if len(fields) == 1:
        for value in (f"{text}.parse()?", f"{text}.to_string()"):
            name = fields[0].name
            yield f"Ok(Self({value}))" if name == "0" else f"Ok(Self {{ {name}: {value} }})", 0.6


def _error(place: Place) -> Bodies:
    if place.function.name != "source":
        return
    yield "None", 0.6
    for each in _fields(place):
        yield f"Some(&self.{each.name})", 0.7 if each.name in ("source", "inner", "0") else 0.3


def _match(value: str, arms: list[str]) -> str:
    lines = "".join(f"    {arm}\n" for arm in arms)
    return f"match {value} {{\n{lines}}}"


_RULES: Mapping[str, Callable[[Place], Bodies]] = {
    "Display": _display,
    "Debug": _debug,
    "Deref": _borrowed,
    "DerefMut": _borrowed,
    "AsRef": _borrowed,
    "AsMut": _borrowed,
    "Borrow": _borrowed,
    "BorrowMut": _borrowed,
    "Default": _default,
    "PartialEq": _equality,
    "PartialOrd": _partial_order,
    "Ord": _order,
    "Hash": _hash,
    "Clone": _clone,
    "From": _from,
    "Neg": _negation,
    "Not": _negation,
    "Index": _index,
    "IndexMut": _index,
    "Iterator": _iterator,
    "DoubleEndedIterator": _iterator,
    "IntoIterator": _iterator,
    "FromIterator": _from_iterator,
    "Extend": _from_iterator,
    "FromStr": _from_str,
    "Error": _error,
}
