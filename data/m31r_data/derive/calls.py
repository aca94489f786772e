"""What a call does, in words: from the names that Rust's own library gives to its methods.

A rule says how many arguments a call has and what it then does: `{x}` is what it is called on,
`{0}` and `{1}` are arguments. The first rule holds whose words are all known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from m31r_data.derive.conditions import condition
from m31r_data.derive.verbs import spoken
from m31r_data.derive.words import a, arguments_of, last_name, method_of, noun, text_of, words

_ATOMIC = re.compile(r"\b(Ordering::\w+|SeqCst|Relaxed|Acquire|Release|AcqRel)$")
_CHECKED = re.compile(r"(wrapping|checked|saturating|overflowing)_(add|sub|mul|div)")
_ARITHMETIC = {
    "+": "add {1} to {0}",
    "-": "subtract {1} from {0}",
    "*": "multiply {0} by {1}",
    "/": "divide {0} by {1}",
    "%": "take {0} modulo {1}",
    "<<": "shift {0} left by {1}",
    ">>": "shift {0} right by {1}",
}
_BY_METHOD = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_HOW = {
    "wrapping": "wrapping around",
    "checked": "none on overflow",
    "saturating": "saturating",
    "overflowing": "noting overflow",
}

_METHODS: dict[str, tuple[tuple[int, str], ...]] = {
    "all": ((1, "check that all of {x} match"),),
    "any": ((1, "check whether any of {x} matches"),),
    "append": ((1, "move all of {0} to {x}"),),
    "as_mut": ((0, "view {x} by mutable reference"),),
    "as_ptr": ((0, "take a pointer to {x}"),),
    "as_ref": ((0, "view {x} by reference"),),
    "as_str": ((0, "view {x} as a string"),),
    "borrow": ((0, "borrow {x}"),),
    "borrow_mut": ((0, "borrow {x} mutably"),),
    "chunks": ((1, "cut {x} into chunks"),),
    "clear": ((0, "clear {x}"),),
    "clone": ((0, "clone {x}"),),
    "cloned": ((0, "clone {x}"),),
    "concat": ((0, "concatenate {x}"),),
    "count": ((0, "count {x}"),),
    "dedup": ((0, "drop repeated neighbours in {x}"),),
    "drain": ((1, "drain {x}"),),
    "enumerate": ((0, "number {x}"),),
    "extend": ((1, "extend {x} with {0}"), (1, "extend {x}")),
    "extend_from_slice": ((1, "extend {x} with {0}"), (1, "extend {x}")),
    "filter": ((1, "filter {x}"),),
    "find": ((1, "find {0} in {x}"), (1, "search {x}")),
    "first": ((0, "take the first item of {x}"),),
    "flush": ((0, "flush {x}"),),
    "fold": ((2, "fold {x}"),),
    "get": ((1, "get {0} from {x}"), (1, "get an entry from {x}")),
    "get_mut": ((1, "get {0} from {x} mutably"),),
    "insert": ((1, "insert {0} into {x}"), (1, "insert into {x}"), (2, "insert into {x}")),
    "insert_str": ((2, "insert {1} into {x}"),),
    "into": ((0, "convert {x}"),),
    "into_inner": ((0, "take ownership of what {x} holds"),),
    "into_iter": ((0, "turn {x} into an iterator"),),
    "into_owned": ((0, "own {x}, copying where it is borrowed"),),
    "iter": ((0, "iterate over {x}"),),
    "iter_mut": ((0, "iterate over {x} mutably"),),
    "join": ((0, "join {x}"), (1, "join {x} with {0}"), (1, "join {x}")),
    "last": ((0, "take the last item of {x}"),),
    "len": ((0, "take the length of {x}"),),
    "lines": ((0, "split {x} into lines"),),
    "lock": ((0, "lock {x}"),),
    "map": ((1, "map {x}"),),
    "max": ((0, "find the largest of {x}"), (1, "take the larger of {x} and {0}")),
    "max_by_key": ((1, "find the largest of {x}"),),
    "min": ((0, "find the smallest of {x}"), (1, "take the smaller of {x} and {0}")),
    "min_by_key": ((1, "find the smallest of {x}"),),
    "next": ((0, "take the next item of {x}"),),
    "or_default": ((0, "find or add a default in {x}"),),
    "parse": ((0, "parse {x}"),),
    "peek": ((0, "peek at {x}"),),
    "pop": ((0, "pop from {x}"),),
    "pop_back": ((0, "pop from the back of {x}"),),
    "pop_front": ((0, "pop from the front of {x}"),),
    "position": ((1, "find a position in {x}"),),
    "pow": ((1, "raise {x} to the power {0}"),),
    "push": ((1, "push {0} onto {x}"), (1, "push onto {x}")),
    "push_back": ((1, "push {0} to the back of {x}"), (1, "push to the back of {x}")),
    "push_front": ((1, "push {0} to the front of {x}"), (1, "push to the front of {x}")),
    "push_str": ((1, "append {0} to {x}"), (1, "append to {x}")),
    "read_to_end": ((1, "read all of {x} into {0}"),),
    "read_to_string": ((1, "read {x} into {0}"),),
    "recv": ((0, "receive from {x}"),),
    "remove": ((1, "remove from {x}"),),
    "replace": ((1, "replace {x} by {0}"), (2, "replace parts of {x}")),
    "reserve": ((1, "reserve room in {x}"),),
    "resize": ((2, "resize {x} to {0}"), (2, "resize {x}")),
    "retain": ((1, "filter {x} in place"),),
    "rev": ((0, "reverse {x}"),),
    "reverse": ((0, "reverse {x}"),),
    "send": ((1, "send {0} over {x}"), (1, "send over {x}"), (0, "send {x}")),
    "sort": ((0, "sort {x}"),),
    "sort_by": ((1, "sort {x} by a comparison"),),
    "sort_by_key": ((1, "sort {x} by a key"),),
    "sort_unstable": ((0, "sort {x}"),),
    "sort_unstable_by": ((1, "sort {x} by a comparison"),),
    "sort_unstable_by_key": ((1, "sort {x} by a key"),),
    "split": ((1, "split {x} at {0}"), (1, "split {x}")),
    "split_at": ((1, "split {x} at {0}"), (1, "split {x}")),
    "split_off": ((1, "split off the end of {x}"),),
    "split_once": ((1, "split {x} once"),),
    "split_whitespace": ((0, "split {x} into words"),),
    "spawn": ((0, "spawn {x}"), (1, "spawn on {x}")),
    "sum": ((0, "sum up {x}"),),
    "swap": ((2, "swap two elements of {x}"), (1, "swap {x} with {0}")),
    "take": ((0, "take {x} out"),),
    "to_ascii_lowercase": ((0, "turn {x} to lower case"),),
    "to_ascii_uppercase": ((0, "turn {x} to upper case"),),
    "to_lowercase": ((0, "turn {x} to lower case"),),
    "to_owned": ((0, "make an owned copy of {x}"),),
    "to_string": ((0, "turn {x} into a string"),),
    "to_uppercase": ((0, "turn {x} to upper case"),),
    "to_vec": ((0, "copy {x} into a vector"),),
    "trim": ((0, "trim {x}"),),
    "truncate": ((1, "truncate {x} to {0}"), (1, "truncate {x}")),
    "try_into": ((0, "try to convert {x}"),),
    "unwrap_or": ((1, "take {x} or {0}"), (1, "take {x} or a default")),
    "unwrap_or_default": ((0, "take {x} or a default"),),
    "wait": ((0, "wait for {x}"), (1, "wait on {x}")),
    "windows": ((1, "slide a window over {x}"),),
    "write_all": ((1, "write {0} to {x}"), (1, "write to {x}")),
    "write_str": ((1, "write {0} to {x}"), (1, "write to {x}")),
    "zip": ((1, "pair up {x} and {0}"),),
}
_ATOMICS: dict[str, tuple[tuple[int, str], ...]] = {
    "compare_exchange": ((4, "compare and exchange {x}"),),
    "fetch_add": ((2, "add {0} to {x} atomically"),),
    "fetch_sub": ((2, "subtract {0} from {x} atomically"),),
    "load": ((1, "load {x} atomically"),),
    "store": ((2, "store {0} in {x} atomically"), (2, "store in {x} atomically")),
    "swap": ((2, "exchange {x} for {0} atomically"),),
}
_FUNCTIONS: dict[str, tuple[tuple[int, str], ...]] = {
    "Arc::clone": ((1, "clone the pointer to {0}"),),
    "Arc::new": ((1, "share {0} behind a pointer"),),
    "Box::new": ((1, "box {0}"),),
    "File::create": ((1, "create {0}"), (1, "create a file")),
    "File::open": ((1, "open {0}"), (1, "open a file")),
    "Instant::now": ((0, "note the time"),),
    "Mutex::new": ((1, "guard {0} by a mutex"),),
    "Rc::clone": ((1, "clone the pointer to {0}"),),
    "Rc::new": ((1, "share {0} behind a pointer"),),
    "RwLock::new": ((1, "guard {0} by a lock"),),
    "String::from": ((1, "make a string from {0}"),),
    "String::from_utf8": ((1, "decode {0} as text"),),
    "cmp::max": ((2, "take the larger of {0} and {1}"),),
    "cmp::min": ((2, "take the smaller of {0} and {1}"),),
    "drop": ((1, "drop {0}"),),
    "env::args": ((0, "get the command line arguments"),),
    "env::var": ((1, "read an environment variable"),),
    "fs::read_to_string": ((1, "read {0} into a string"),),
    "fs::write": ((2, "write {1} to {0}"), (2, "write to {0}")),
    "io::stdin": ((0, "get the standard input"),),
    "mem::replace": ((2, "replace {0}, keeping the old value"),),
    "mem::swap": ((2, "swap {0} and {1}"),),
    "mem::take": ((1, "take {0}, leaving a default"),),
    "mpsc::channel": ((0, "open a channel"),),
    "process::exit": ((1, "exit the process"),),
    "str::from_utf8": ((1, "decode {0} as text"),),
    "task::spawn": ((1, "spawn a task"),),
    "thread::sleep": ((1, "sleep"),),
    "thread::spawn": ((1, "spawn a thread"),),
    "tokio::spawn": ((1, "spawn a task"),),
}
# An argument tells what they do: a closure is a test, `&mut` what is moved from.
_NEEDS = {
    "all": (0, "closure_expression"),
    "any": (0, "closure_expression"),
    "append": (0, "reference_expression"),
    "filter": (0, "closure_expression"),
    "fold": (1, "closure_expression"),
    "map": (0, "closure_expression"),
    "position": (0, "closure_expression"),
    "retain": (0, "closure_expression"),
}
# Their names begin with a verb but do not say what it is done to.
_SILENT = frozenset({"fill_with", "filter_map", "find_map", "get_or_insert_with", "read_error"})


def call_plan(call: Node) -> str | None:
    """Return what a call does, or None where its name does not say it for certain."""
    arguments = arguments_of(call)
    found = method_of(call)
    if found is None:
        return _function(call.child_by_field_name("function"), arguments)
    receiver, name = found
    if name in ("or_insert", "or_insert_with") and (place := _entry(receiver)):
        return place
    if name in _SILENT or not _fits(name, arguments):
        return None
    if match := _CHECKED.fullmatch(name):
        said = arithmetic(_BY_METHOD[match[2]], [receiver, *arguments])
        return said and f"{said}, {_HOW[match[1]]}"
    atomic = bool(arguments) and _ATOMIC.search(text_of(arguments[-1])) is not None
    rules = (_ATOMICS if atomic else _METHODS).get(name, ())
    said = next(_fill(rules, noun(receiver), arguments), None)
    if atomic:
        return said
    if said is None and (asked := condition(call)):
        said = f"check whether {asked}"
    if said is None and name.startswith(("as_", "into_", "to_")) and not arguments:
        said = _converted(noun(receiver), name)
    return said or (None if name in _METHODS else spoken(name, noun(receiver) or "", arguments))


def arithmetic(sign: str, operands: list[Node]) -> str | None:
    """Return what `a sign b` computes."""
    said = [noun(operand) for operand in operands]
    if sign not in _ARITHMETIC or len(said) != 2 or None in said:
        return None
    return _ARITHMETIC[sign].format(*said)


def _function(function: Node | None, arguments: list[Node]) -> str | None:
    name = last_name(function)
    if function is None or name is None:
        return None
    owner = last_name(function.child_by_field_name("path"))
    rules = _FUNCTIONS.get(f"{owner}::{name}" if owner else name, ())
    said = next(_fill(rules, None, arguments), None)
    if said is not None or rules:
        return said
    if owner is not None and owner[0].isupper():
        return _made(owner, name, arguments) if owner != "Self" else None
    return None if name[0].isupper() else spoken(name, None, arguments)


def _made(owner: str, name: str, arguments: list[Node]) -> str | None:
    kind = a(owner)
    value = noun(arguments[0]) if len(arguments) == 1 else None
    if kind is None:
        return None
    if name in ("new", "from") and value and not value.startswith("a "):
        return f"make {kind} from {value}"
    if name == "new":
        return f"create {kind}"
    if name == "default" and not arguments:
        return f"start from {kind} by default"
    if name == "with_capacity" and len(arguments) == 1:
        return f"reserve room for {kind}"
    return None


def _fill(
    rules: tuple[tuple[int, str], ...], receiver: str | None, arguments: list[Node]
) -> Iterator[str]:
    said = [noun(argument) for argument in arguments]
    for count, template in rules:
        if count != len(arguments) or (receiver is None and "{x}" in template):
            continue
        if any(value is None and f"{{{i}}}" in template for i, value in enumerate(said)):
            continue
        yield template.format(*said, x=receiver)


def _entry(receiver: Node) -> str | None:
    found = method_of(receiver) if receiver.type == "call_expression" else None
    place = noun(found[0]) if found and found[1] == "entry" else None
    return place and f"find or insert an entry in {place}"


def _fits(name: str, arguments: list[Node]) -> bool:
    place, kind = _NEEDS.get(name, (0, ""))
    return not kind or (place < len(arguments) and arguments[place].type == kind)


def _converted(receiver: str | None, name: str) -> str | None:
    how, _, rest = name.partition("_")
    what = words(rest)
    if receiver is None or what is None or rest.split("_")[0] in ("be", "le", "ne", "mut"):
        return None
    kind = what if any(character.isdigit() for character in what) else a(rest)
    return f"view {receiver} as {kind}" if how == "as" else f"turn {receiver} into {kind}"
