"""Plain values of Rust types, for arguments, fields and placeholders that have to be filled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_INTEGERS = ["i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize"]
_EMPTY = (
    "Vec",
    "HashMap",
    "HashSet",
    "BTreeMap",
    "BTreeSet",
    "VecDeque",
    "BinaryHeap",
    "LinkedList",
)
_PLACEHOLDER = re.compile(r"/\*\s*(.*?)\s*\*/")


def is_integer(type_: str) -> bool:
    """Whether it is a primitive integer type, or what rustc calls one."""
    return type_ in _INTEGERS or type_ in ("integer", "{integer}")


def is_float(type_: str) -> bool:
    """Whether it is a primitive floating-point type, or what rustc calls one."""
    return type_ in ("f32", "f64", "floating-point number", "{float}")


def is_number(type_: str) -> bool:
    """Whether it is a primitive number type."""
    return is_integer(type_) or is_float(type_)


def plain_value(type_: str) -> str | None:
    """Return an expression of the type that does nothing remarkable, None where none is known."""
    type_ = type_.strip()
    head = re.match(r"(?:\w+::)*(\w+)", type_)
    name = head[1] if head else ""
    if is_integer(type_):
        return "0"
    if is_float(type_):
        return "0.0"
    if type_.startswith("("):
        parts = split_arguments(type_[1:-1])
        values = [plain_value(part) for part in parts]
        if any(value is None for value in values):
            return None
        return f"({', '.join(v for v in values if v)}{',' if len(values) == 1 else ''})"
    if type_.startswith("&"):
        inner = re.sub(r"^&(?:'\w+\s+)?(?:mut\s+)?", "", type_)
        if inner == "str":
            return '""'
        if inner.startswith("["):
            return "&[]" if "mut" not in type_ else "&mut []"
        value = plain_value(inner)
        mut = "mut " if type_.startswith("&mut") else ""
        return None if value is None else f"&{mut}{value}"
    if array := re.fullmatch(r"\[(.+);\s*(.+)\]", type_):
        value = plain_value(array[1])
        return None if value is None else f"[{value}; {array[2]}]"
    if name == "Box" and "<" in type_ and "dyn" not in type_:
        value = plain_value(type_[type_.index("<") + 1 : type_.rindex(">")])
        return None if value is None else f"Box::new({value})"
    simple = {
        "bool": "false",
        "char": "' '",
        "String": "String::new()",
        "Option": "None",
        "PathBuf": "std::path::PathBuf::new()",
        "PhantomData": "std::marker::PhantomData",
    }
    if name in simple:
        return simple[name]
    if name in _EMPTY:
        return f"{type_.split('<')[0]}::new()"
    if name == "Result" and re.search(r"<\s*\(\)", type_):
        return "Ok(())"
    return None


def split_arguments(text: str) -> list[str]:
    """Split at the commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        if letter in "<([{":
            depth += 1
        elif letter in ")]}" or (letter == ">" and text[i - 1 : i] not in ("-", "=")):
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def has_placeholder(texts: Sequence[str]) -> bool:
    """Whether something is to be filled in, as in `f(1, /* i32 */)`."""
    return any(_PLACEHOLDER.search(text) for text in texts)


def fill_placeholders(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts with `/* type */` and the like filled in, in several ways.

    Nothing is yielded where there is no placeholder.
    """
    if not has_placeholder(texts):
        return

    def value(match: re.Match[str]) -> str:
        return plain_value(match[1]) or "Default::default()"

    ways = (value, lambda match: "Default::default()", lambda match: "_", lambda match: "")
    seen = {tuple(texts)}
    for way in ways:
        filled = [_PLACEHOLDER.sub(way, text) for text in texts]
        if tuple(filled) not in seen:
            seen.add(tuple(filled))
            yield filled
