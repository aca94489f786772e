"""Bodies that a function's name and signature suggest, before anybody has checked them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from m31r_core.repair.rewrite.signature import (
    Definition,
    Field,
    Function,
    Place,
    Variant,
    bare,
    snake,
    without_lifetimes,
)
from m31r_core.repair.rewrite.standard import standard_bodies
from m31r_core.repair.values import is_number, plain_value, split_arguments

_COPY = re.compile(
    r"(?:[iu](?:8|16|32|64|128|size)|f32|f64|bool|char|\(\)|&.*|fn\b.*|Ordering|Duration|Instant)"
)
_OPERATORS = {
    "add": "+", "sum": "+", "plus": "+", "sub": "-", "subtract": "-", "minus": "-", "mul": "*",
    "multiply": "*", "times": "*", "product": "*", "div": "/", "divide": "/", "rem": "%",
    "modulo": "%", "and": "&&", "or": "||", "xor": "^", "eq": "==", "equals": "==", "less": "<",
}  # fmt: skip
_PREFIXES = re.compile(r"^(?:get|as|into|to|take|is|has|set|with|add|push|try|iter|the)_")
_SUFFIXES = re.compile(r"_(?:mut|ref|iter|owned|unchecked|str|slice|bytes)$")
_MOST_FIELDS = 6


@dataclass(frozen=True)
class Body:
    """The statements of a body, and how often such a one is what was meant, 0 to 1."""

    text: str
    weight: float


def likely_bodies(place: Place) -> list[Body]:
    """Return the bodies that fit the function, the likeliest first, each text once."""
    found: dict[str, float] = {}
    for rule in (standard_bodies, _constructors, _setters, _accessors, _variants, _delegations,
                 _siblings, _operations):  # fmt: skip
        for text, weight in rule(place):
            found[text] = max(found.get(text, 0.0), min(weight, 1.0))
    ordered = sorted(found.items(), key=lambda pair: -pair[1])
    # A function that calls itself, or one that calls it, would not come to an end.
    names = "|".join(map(re.escape, sorted({place.function.name, *place.callers})))
    endless = re.compile(rf"(?:\b[sS]elf(?:\.|::)|(?<![\w.:]))(?:{names})\(")
    return [Body(text, weight) for text, weight in ordered if not endless.search(text)]


def _accessors(place: Place) -> Iterator[tuple[str, float]]:
    """A field, as the return type wants it."""
    function = place.function
    if not function.receiver or place.definition is None or function.returns == "()":
        return
    fields = place.definition.fields
    returns = without_lifetimes(function.returns)
    fitting = [each for each in fields if without_lifetimes(each.type) in returns]
    for each in fields[: 4 * _MOST_FIELDS]:
        near = _nearness(function.name, each, fields)
        alone = fitting == [each] and returns != "bool"
        if near < 0.3 and not alone and function.name != "is_empty":
            continue  # neither its name nor its type says that it is meant
        for text, weight in _adapted(f"self.{each.name}", each.type, function):
            yield text, weight * near


def _nearness(name: str, each: Field, fields: tuple[Field, ...]) -> float:
    """How well a field answers to the name of a function."""
    if each.name == name:
        return 1.0
    stem = _SUFFIXES.sub("", _PREFIXES.sub("", name))
    if each.name == stem:
        return 0.95
    if len(fields) == 1:
        return 0.7
    if stem and (stem in each.name or each.name in stem) and not each.name.isdigit():
        return 0.55
    return 0.25


def _adapted(path: str, type_: str, function: Function) -> Iterator[tuple[str, float]]:
    """Yield expressions that turn the place `path` of a type into what the function returns."""
    returns = function.returns
    wanted, has = without_lifetimes(returns), without_lifetimes(type_)
    inner = bare(type_)
    if wanted.startswith("&mut"):
        yield f"&mut {path}", 0.95
        yield f"{path}.as_mut()", 0.4
        yield path, 0.4
    elif wanted.startswith("&"):
        yield path, 0.95 if has.startswith("&") else 0.3
        yield f"&{path}", 0.9
        yield f"{path}.as_ref()", 0.4
        if wanted == "&str":
            yield f"{path}.as_str()", 0.45
    elif wanted.startswith("Option<&mut"):
        yield f"{path}.as_mut()", 0.8
        yield f"{path}.as_deref_mut()", 0.5
    elif wanted.startswith("Option<&"):
        yield f"{path}.as_ref()", 0.8
        yield f"{path}.as_deref()", 0.85 if "str" in wanted or "[" in wanted else 0.5
        yield path, 0.6 if "&" in has else 0.3
    elif wanted == has or wanted == "Self":
        copied = bool(_COPY.fullmatch(type_))
        yield path, 0.95 if copied or function.receiver == "self" else 0.6
        if not copied:
            yield f"{path}.clone()", 0.7
        if function.receiver == "&mut self" and function.name.startswith("take"):
            yield f"{path}.take()", 0.95
            yield f"std::mem::take(&mut {path})", 0.7
    else:
        yield from _conversions(path, type_, inner, function)


def _conversions(
    path: str, type_: str, inner: str, function: Function
) -> Iterator[tuple[str, float]]:
    returns, name = without_lifetimes(function.returns), function.name
    if returns == "bool":
        if inner == "Option":
            negative = re.search(r"none|empty|missing", name)
            yield f"{path}.{'is_none' if negative else 'is_some'}()", 0.85
        if inner in ("AtomicBool", "Cell"):
            yield f"{path}.{'get()' if inner == 'Cell' else 'load(Ordering::Relaxed)'}", 0.7
        if is_number(type_):
            counts = re.search(r"(?:\b|_)(?:len|length|count|size)$", path)
            empty = function.name == "is_empty" and counts
            yield f"{path} == 0", 2.5 if empty else 0.5
            yield f"{path} != 0", 0.5
        yield f"{path}.is_empty()", 0.5
        if function.parameters:
            first = function.parameters[0].name
            for call in (f"contains(&{first})", f"contains({first})", f"contains_key({first})"):
                yield f"{path}.{call}", 0.5
    elif is_number(returns):
        yield f"{path}.len()", 0.5
        if is_number(type_):
            yield f"{path} as {returns}", 0.6
        yield f"{path}.get()", 0.4
        if inner.startswith("Atomic"):
            yield f"{path}.load(Ordering::Relaxed)", 0.7
    elif returns.startswith(("implIterator", "implDoubleEnded", "implExactSize")):
        if "&mut" in returns:
            yield f"{path}.iter_mut()", 0.8
        else:
            yield f"{path}.iter()", 0.8
            yield f"{path}.iter().copied()", 0.4
            yield f"{path}.keys()" if "key" in name else f"{path}.values()", 0.5
            yield f"{path}.into_iter()", 0.4
    elif bare(returns) in ("Iter", "IterMut", "IntoIter", "Keys", "Values", "Chars", "Drain"):
        yield f"{path}.{snake(bare(returns))}()", 0.8
    elif returns == "String":
        yield f"{path}.to_string()", 0.6
        yield f"{path}.clone()", 0.4
        yield f'format!("{{}}", {path})', 0.3
    elif returns.startswith("Option<"):
        yield f"Some({path})", 0.4
        yield f"{path}.clone()", 0.3
        yield f"Some({path}.clone())", 0.2
    elif returns.startswith("Result<"):
        yield f"Ok({path})", 0.4
    else:
        yield f"{path}.clone()", 0.3
        yield f"{path}.into()", 0.3
        yield f"{path}.to_owned()", 0.2
        yield path, 0.3


def _delegations(place: Place) -> Iterator[tuple[str, float]]:
    """The same function of a field."""
    function, definition = place.function, place.definition
    if not function.receiver or definition is None or definition.is_enum:
        return
    arguments = ", ".join(parameter.name for parameter in function.parameters)
    fields = [each for each in definition.fields if not is_number(each.type)]
    for each in fields[:_MOST_FIELDS]:
        weight = 0.75 if len(definition.fields) == 1 or each.name in ("inner", "0") else 0.35
        if re.match(r"(?:Vec|HashMap|BTreeMap|VecDeque|String|HashSet|BTreeSet)\b", each.type):
            weight += 0.1
        call = f"self.{each.name}.{function.name}({arguments})"
        if function.returns == "()":
            yield f"{call};", weight
        yield call, weight
        returns = place.type(function.returns.removeprefix("&mut ").strip())
        if function.receiver == "&mut self" and returns == "Self":
            yield f"{call};\nself", weight
        if function.receiver == "self" and returns == "Self":
            yield f"self.{each.name} = {call};\nself", weight * 0.8
        if returns == "Self":
            yield f"Self({call})" if each.name == "0" else f"Self {{ {each.name}: {call} }}", weight


def _siblings(place: Place) -> Iterator[tuple[str, float]]:
    """Another function of the same type, or a free one, that returns the same."""
    function = place.function
    own = without_lifetimes(place.type(function.returns))
    owned = [(other, True) for other in place.siblings]
    for other, is_own in [*owned, *((other, False) for other in place.free)]:
        theirs = without_lifetimes(place.type(other.returns))
        if (
            is_own
            and other.receiver
            and not other.parameters
            and re.match(r"(?:as_|inner|get_mut|get_ref|iter|borrow)", other.name)
        ):
            inner = ", ".join(parameter.name for parameter in function.parameters)
            yield f"self.{other.name}().{function.name}({inner})", 0.3
        if other.name == function.name or theirs != own or own == "()":
            continue
        if other.receiver and not function.receiver:
            continue
        arguments = _arguments(other, function)
        if arguments is None:
            continue
        if not _may_stand_for(other, function):
            continue
        near = difflib.SequenceMatcher(None, function.name, other.name).ratio()
        head = "self." if other.receiver else "Self::" if is_own else ""
        if is_own and not place.owner:
            continue
        shared = len(arguments) == len(function.parameters) > 0
        yield f"{head}{other.name}({', '.join(arguments)})", 0.2 + 0.35 * near + 0.15 * shared
    if own == "bool" and function.name.startswith(("is_", "ne")):
        for other in place.siblings:
            if (
                other.receiver
                and without_lifetimes(other.returns) == "usize"
                and not (other.parameters or function.parameters)
            ):
                yield f"self.{other.name}() == 0", 0.7 if function.name == "is_empty" else 0.3
            if other.returns == "bool" and not other.parameters and function.receiver:
                yield f"!self.{other.name}()", 0.25


def _may_stand_for(other: Function, function: Function) -> bool:
    """Whether one function may be the other in general: more arguments, or a part of the name.

    Two of the same kind, like `stdin` and `stdout`, are alternatives and not each other.
    """
    if len(other.parameters) > len(function.parameters):
        return True
    theirs, ours = set(other.name.split("_")), set(function.name.split("_"))
    if "back" in theirs ^ ours:
        return False
    makes = {"new", "default", "with", "from", "empty"}
    return theirs <= ours or ours <= theirs or bool(theirs & makes and ours & makes)


def _arguments(callee: Function, caller: Function) -> list[str] | None:
    """Return the caller's parameters as the callee's arguments, plain values where none fits."""
    left = list(caller.parameters)
    arguments = []
    for wanted in callee.parameters:
        same = [each for each in left if each.type == wanted.type]
        chosen = next((each for each in same if each.name == wanted.name), None)
        chosen = chosen or (same[0] if same else None)
        if chosen is not None:
            left.remove(chosen)
            arguments.append(chosen.name)
        elif (value := plain_value(wanted.type)) is not None:
            arguments.append(value)
        else:
            return None
    return arguments if len(left) < max(1, len(caller.parameters)) or not left else None


def _constructors(place: Place) -> Iterator[tuple[str, float]]:
    """A value of the type, built from the arguments."""
    function, definition = place.function, place.definition
    if definition is None or definition.is_enum or function.receiver:
        return
    returns = place.type(function.returns)
    wrapped = re.fullmatch(r"(Option|(?:\w+::)*Result)<(.+)>", returns)
    wrap = "{}"
    if wrapped:
        returns = place.type(split_arguments(wrapped[2])[0])
        wrap = "Some({})" if wrapped[1] == "Option" else "Ok({})"
    if returns != "Self" and bare(returns) != definition.name:
        return
    path = "Self" if "Self" in function.returns else definition.name
    for literal, weight in build(definition.variants[0], path, function.parameters):
        yield wrap.format(literal), weight
    if not function.parameters:
        if function.name != "default":
            yield wrap.format("Self::default()"), 0.6
        if any(other.name == "new" and not other.parameters for other in place.siblings):
            yield wrap.format("Self::new()"), 0.7
    else:
        named = [each.name for each in function.parameters]
        if all(any(each.name == name for each in definition.fields) for name in named):
            inits = ", ".join(named)
            yield wrap.format(f"Self {{ {inits}, ..Self::default() }}"), 0.5
            yield wrap.format(f"Self {{ {inits}, ..Default::default() }}"), 0.3


def build(
    variant: Variant, path: str, parameters: tuple[Field, ...]
) -> Iterator[tuple[str, float]]:
    """Yield literals of a struct or variant from the parameters and from plain values."""
    if variant.shape == "unit":
        yield path, 0.6
        return
    direct, converted, default = [], [], []
    left = list(parameters)
    for each in variant.fields:
        by_name = next((p for p in left if p.name in (each.name, each.name.lstrip("_"))), None)
        by_type = next((p for p in left if p.type == each.type), None)
        alone = left[0] if len(parameters) == len(variant.fields) == 1 and left else None
        chosen = by_name or by_type or alone
        if chosen is not None:
            left.remove(chosen)
        plain = plain_value(each.type) or "Default::default()"
        direct.append((each.name, chosen.name if chosen else plain))
        same = chosen is not None and chosen.type == each.type
        into = chosen.name if chosen and same else f"{chosen.name}.into()" if chosen else plain
        converted.append((each.name, into))
        default.append((each.name, chosen.name if chosen else "Default::default()"))
    weight = 0.9 if not left else 0.4
    for values, factor in ((direct, 1.0), (converted, 0.75), (default, 0.7)):
        yield _literal(path, variant, values), weight * factor


def _literal(path: str, variant: Variant, values: list[tuple[str, str]]) -> str:
    if variant.shape == "tuple":
        return f"{path}({', '.join(value for _, value in values)})"
    inits = [name if name == value else f"{name}: {value}" for name, value in values]
    line = f"{path} {{ {', '.join(inits)} }}" if inits else f"{path} {{}}"
    if len(line) <= 80:
        return line
    lines = "".join(f"    {init},\n" for init in inits)
    return f"{path} {{\n{lines}}}"


def _setters(place: Place) -> Iterator[tuple[str, float]]:
    """Put an argument into a field, and return what a builder returns."""
    function, definition = place.function, place.definition
    if definition is None or function.receiver not in ("&mut self", "self"):
        return
    if len(function.parameters) > 1:
        return
    returns = without_lifetimes(place.type(function.returns))
    ends = {"()": "", "Self": "\nself", "&mutSelf": "\nself", "&mut" + place.owner: "\nself"}
    if returns not in ends:
        return
    argument = function.parameters[0] if function.parameters else None
    stem = _PREFIXES.sub("", function.name)
    for each in definition.fields:
        near = _nearness(function.name, each, definition.fields)
        if near < 0.5 and (argument is None or argument.name != each.name):
            continue
        near = max(near, 0.6)
        if argument is None:
            if each.type == "bool":
                negative = re.match(r"(?:no|disable|un|clear|reset)", stem)
                yield f"self.{each.name} = {'false' if negative else 'true'};{ends[returns]}", near
            if each.type.startswith("Option"):
                yield f"self.{each.name} = None;{ends[returns]}", near * 0.8
            continue
        values = [(argument.name, 0.9), (f"{argument.name}.into()", 0.5)]
        if each.type.startswith("Option"):
            values = [(f"Some({argument.name})", 0.9), (f"Some({argument.name}.into())", 0.6),
                      (argument.name, 0.5)]  # fmt: skip
        if argument.type == each.type:
            values.insert(0, (argument.name, 1.0))
        for value, weight in values:
            yield f"self.{each.name} = {value};{ends[returns]}", near * weight
        if re.match(r"(?:Vec|VecDeque)\b", each.type):
            yield f"self.{each.name}.push({argument.name});{ends[returns]}", near * 0.8


def _variants(place: Place) -> Iterator[tuple[str, float]]:
    """Questions about the variants of an enum."""
    function, definition = place.function, place.definition
    if definition is None or not definition.is_enum:
        return
    returns, by_value = without_lifetimes(function.returns), function.receiver == "self"
    if function.receiver and returns == "bool":
        for variant in definition.variants:
            if snake(variant.name) == _PREFIXES.sub("", function.name):
                yield f"matches!(self, Self::{variant.name}{_any(variant)})", 0.95
                yield f"*self == Self::{variant.name}", 0.3
    if function.receiver and returns.startswith("Option<"):
        for variant in definition.variants:
            if len(variant.fields) == 1 and snake(variant.name) == _SUFFIXES.sub(
                "", _PREFIXES.sub("", function.name)
            ):
                bound, pattern = _bind(variant)
                for value in (bound, f"*{bound}") if not by_value else (bound,):
                    yield (
                        (
                            f"match self {{\n    Self::{variant.name}{pattern} => Some({value}),\n"
                            f"    _ => None,\n}}"
                        ),
                        0.9 if value == bound else 0.7,
                    )
    if function.receiver and returns in ("&str", "&'staticstr", "String"):
        end = ".to_string()" if returns == "String" else ""
        for case, weight in ((snake, 0.6), (str, 0.5)):
            yield _match_names(definition, lambda name, case=case: f'"{case(name)}"{end}'), weight
    if not function.receiver and place.type(function.returns) == "Self":
        for variant in definition.variants:
            near = difflib.SequenceMatcher(None, snake(variant.name), function.name).ratio()
            for literal, weight in build(variant, f"Self::{variant.name}", function.parameters):
                if len(variant.fields) == len(function.parameters):
                    yield literal, weight * max(near, 0.2)


def _match_names(definition: Definition, value: object) -> str:
    assert callable(value)
    arms = "".join(
        f"    Self::{variant.name}{_any(variant)} => {value(variant.name)},\n"
        for variant in definition.variants
    )
    return f"match self {{\n{arms}}}"


def _any(variant: Variant) -> str:
    return {"unit": "", "tuple": "(..)", "struct": " { .. }"}[variant.shape]


def _bind(variant: Variant) -> tuple[str, str]:
    """Return a name for the one field of a variant, and the pattern that binds it."""
    name = "value" if variant.shape == "tuple" else variant.fields[0].name
    return name, f"({name})" if variant.shape == "tuple" else f" {{ {name} }}"


def _operations(place: Place) -> Iterator[tuple[str, float]]:
    """What a free function does by its name alone."""
    function = place.function
    names = [parameter.name for parameter in function.parameters]
    own = without_lifetimes(function.returns)
    word = function.name.split("_")[0]
    if word in _OPERATORS and len(names) == 2:
        yield f"{names[0]} {_OPERATORS[word]} {names[1]}", 0.8
    if function.name in ("square", "squared") and len(names) == 1:
        yield f"{names[0]} * {names[0]}", 0.8
    if function.name in ("max", "min") and len(names) == 2:
        yield f"{names[0]}.{function.name}({names[1]})", 0.8
    if re.match(r"is_(?:even|odd)", function.name) and len(names) == 1:
        yield f"{names[0]} % 2 {'==' if 'even' in function.name else '!='} 0", 0.8
    if len(names) == 1 and own != "()":
        for call in dict.fromkeys((function.name, _PREFIXES.sub("", function.name))):
            yield f"{names[0]}.{call}()", 0.25
    if place.trait and place.type(function.returns) in ("Self", "&Self", "&mut Self"):
        yield "self", 0.2
