"""Names that the user's files define, and those that come nearest to one that does not exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from tree_sitter import Node

from m31r_core.repair.problem import Problem
from m31r_core.repair.source import SourceText, field, walk

DEFINITIONS = {
    "value": ("let_declaration", "parameter", "const_item", "static_item", "closure_parameters"),
    "function": ("function_item", "function_signature_item"),
    "type": ("struct_item", "enum_item", "union_item", "type_item", "trait_item", "type_parameter"),
    "trait": ("trait_item",),
    "field": ("field_declaration",),
    "variant": ("enum_variant",),
    "module": ("mod_item",),
    "macro": ("macro_definition",),
}

STD_PATHS = {
    "HashMap": "std::collections::HashMap",
    "HashSet": "std::collections::HashSet",
    "BTreeMap": "std::collections::BTreeMap",
    "BTreeSet": "std::collections::BTreeSet",
    "VecDeque": "std::collections::VecDeque",
    "BinaryHeap": "std::collections::BinaryHeap",
    "Rc": "std::rc::Rc",
    "Weak": "std::rc::Weak",
    "Arc": "std::sync::Arc",
    "Mutex": "std::sync::Mutex",
    "RwLock": "std::sync::RwLock",
    "Cell": "std::cell::Cell",
    "RefCell": "std::cell::RefCell",
    "Cow": "std::borrow::Cow",
    "Path": "std::path::Path",
    "PathBuf": "std::path::PathBuf",
    "File": "std::fs::File",
    "Duration": "std::time::Duration",
    "Instant": "std::time::Instant",
    "PhantomData": "std::marker::PhantomData",
    "Ordering": "std::cmp::Ordering",
    "FromStr": "std::str::FromStr",
    "Display": "std::fmt::Display",
    "Debug": "std::fmt::Debug",
    "Formatter": "std::fmt::Formatter",
    "Deref": "std::ops::Deref",
    "DerefMut": "std::ops::DerefMut",
    "Add": "std::ops::Add",
    "Sub": "std::ops::Sub",
    "Mul": "std::ops::Mul",
    "Div": "std::ops::Div",
    "Index": "std::ops::Index",
    "Hash": "std::hash::Hash",
    "Hasher": "std::hash::Hasher",
    "Error": "std::error::Error",
    "Read": "std::io::Read",
    "Write": "std::io::Write",
    "BufRead": "std::io::BufRead",
    "fmt": "std::fmt",
    "mem": "std::mem",
    "thread": "std::thread",
    "mpsc": "std::sync::mpsc",
    "io": "std::io",
    "env": "std::env",
    "fs": "std::fs",
}
STD_TYPES = ("String", "Vec", "Option", "Result", "Box", "Some", "None", "Ok", "Err", *STD_PATHS)
PRIMITIVES = [
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "f32",
    "f64",
    "bool",
    "char",
    "str",
]
METHODS = [
    "len",
    "is_empty",
    "push",
    "pop",
    "insert",
    "remove",
    "get",
    "get_mut",
    "iter",
    "iter_mut",
    "into_iter",
    "map",
    "filter",
    "collect",
    "unwrap",
    "expect",
    "unwrap_or",
    "unwrap_or_else",
    "unwrap_or_default",
    "clone",
    "to_string",
    "to_owned",
    "as_str",
    "as_ref",
    "as_mut",
    "as_bytes",
    "push_str",
    "chars",
    "bytes",
    "lines",
    "split",
    "trim",
    "contains",
    "starts_with",
    "ends_with",
    "replace",
    "parse",
    "fold",
    "sum",
    "product",
    "count",
    "min",
    "max",
    "any",
    "all",
    "find",
    "position",
    "enumerate",
    "zip",
    "rev",
    "take",
    "skip",
    "chain",
    "first",
    "last",
    "sort",
    "sort_by",
    "dedup",
    "extend",
    "clear",
    "entry",
    "or_insert",
    "keys",
    "values",
    "borrow",
    "borrow_mut",
    "lock",
    "send",
    "recv",
    "join",
    "spawn",
    "abs",
    "pow",
    "sqrt",
    "powi",
    "powf",
    "into",
    "from",
    "new",
    "default",
    "next",
    "peek",
    "ok",
    "err",
    "ok_or",
    "is_some",
    "is_none",
    "is_ok",
    "is_err",
    "and_then",
    "map_err",
    "cloned",
    "copied",
    "to_vec",
    "drain",
    "retain",
    "contains_key",
    "split_at",
    "concat",
    "windows",
    "chunks",
    "swap",
    "reverse",
    "flatten",
    "flat_map",
    "to_uppercase",
    "to_lowercase",
    "is_alphabetic",
    "is_numeric",
    "is_alphanumeric",
    "is_whitespace",
    "to_digit",
    "as_slice",
]

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


@lru_cache(maxsize=4096)
def _definitions(text: bytes) -> dict[str, tuple[tuple[str, int, int], ...]]:
    """Return what a file defines: by kind, the names with the range of the defining node."""
    source = SourceText("", text)
    return {kind: tuple(_defined(source, kind)) for kind in DEFINITIONS}


def _defined(source: SourceText, kind: str) -> Iterator[tuple[str, int, int]]:
    for node in source.walk(*DEFINITIONS[kind]):
        if node.type in ("let_declaration", "parameter"):
            pattern = field(node, "pattern")
            bound = [] if pattern is None else list(walk(pattern, "identifier"))
        elif node.type == "closure_parameters":
            bound = list(walk(node, "identifier"))
        else:
            named = field(node, "name") or next(iter(node.named_children), None)
            bound = [] if named is None else [named]
        for name in bound:
            yield source.of(name), node.start_byte, node.end_byte


def all_names(problem: Problem, *kinds: str) -> list[str]:
    """Return the names of these kinds in the user's files, those of the error's file first."""
    names = [
        name
        for text in problem.texts()
        for kind in kinds
        for name, _, _ in _definitions(text)[kind]
    ]
    return list(dict.fromkeys(names))


def find_definition(problem: Problem, name: str, *kinds: str) -> tuple[SourceText, Node] | None:
    """Return where the user's files define `name`, generic arguments and path of it aside."""
    bare = re.sub(r"<.*", "", name).strip("&*() ").removeprefix("mut ").split("::")[-1]
    for path, text in problem.files():
        for kind in kinds:
            for found, start, end in _definitions(text)[kind]:
                if found == bare:
                    source = problem.source(path)
                    return source, source.exactly(start, end, DEFINITIONS[kind])
    return None


def close(name: str, known: Iterable[str], n: int = 4) -> list[str]:
    """Return the names nearest to `name`: the same without case, then by spelling, then by part."""
    pool = [each for each in dict.fromkeys(known) if each != name]
    same = [each for each in pool if each.lower().replace("_", "") == name.lower().replace("_", "")]
    near = difflib.get_close_matches(name, pool, n=n, cutoff=0.6)
    part = [
        each for each in pool if len(name) > 2 and len(each) > 2 and (name in each or each in name)
    ]
    # A short name that is none is often a type parameter.
    short = [each for each in pool if len(each) == 1 and len(name) <= 3 and each == name[0]]
    return list(dict.fromkeys([*same, *near, *part, *short]))[:n]


def import_place(source: SourceText) -> int:
    """Return where a `use` can be inserted: before the first one, else before the first item."""
    for node in source.tree.root_node.children:
        if node.type == "use_declaration":
            return node.start_byte
    for node in source.tree.root_node.children:
        if node.type not in ("inner_attribute_item", "line_comment", "block_comment", "shebang"):
            return source.line_start(node.start_byte)
    return len(source.text)


def identifiers(text: str) -> list[str]:
    """Return the identifiers in `text`, in order, each once."""
    return list(dict.fromkeys(_IDENTIFIER.findall(text)))
