"""The required items of the standard library's traits, as one would write them by hand."""

from __future__ import annotations

from collections.abc import Mapping

_FMT = "fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() }"
_OPERATORS = ("Add", "Sub", "Mul", "Div", "Rem", "BitAnd", "BitOr", "BitXor", "Shl", "Shr")


def _function(trait: str) -> str:
    return {"BitAnd": "bitand", "BitOr": "bitor", "BitXor": "bitxor"}.get(trait, trait.lower())


STANDARD: Mapping[str, Mapping[str, str]] = {
    **{trait: {"fmt": _FMT} for trait in ("Display", "Debug", "LowerHex", "UpperHex", "Binary")},
    **{
        trait: {
            "Output": "type Output = _;",
            _function(trait): f"fn {_function(trait)}(self, rhs: {{argument}}) -> Self::Output "
            "{ todo!() }",
        }
        for trait in _OPERATORS
    },
    **{
        f"{trait}Assign": {
            f"{_function(trait)}_assign": f"fn {_function(trait)}_assign(&mut self, rhs: "
            "{argument}) { todo!() }"
        }
        for trait in _OPERATORS
    },
    "Neg": {"Output": "type Output = _;", "neg": "fn neg(self) -> Self::Output { todo!() }"},
    "Not": {"Output": "type Output = _;", "not": "fn not(self) -> Self::Output { todo!() }"},
    "Index": {
        "Output": "type Output = _;",
        "index": "fn index(&self, index: {argument}) -> &Self::Output { todo!() }",
    },
    "IndexMut": {
        "index_mut": "fn index_mut(&mut self, index: {argument}) -> &mut Self::Output { todo!() }"
    },
    "Deref": {
        "Target": "type Target = _;",
        "deref": "fn deref(&self) -> &Self::Target { todo!() }",
    },
    "DerefMut": {"deref_mut": "fn deref_mut(&mut self) -> &mut Self::Target { todo!() }"},
    "Default": {"default": "fn default() -> Self { todo!() }"},
    "Clone": {"clone": "fn clone(&self) -> Self { todo!() }"},
    "PartialEq": {"eq": "fn eq(&self, other: &{argument}) -> bool { todo!() }"},
    "PartialOrd": {
        "partial_cmp": "fn partial_cmp(&self, other: &{argument}) -> Option<std::cmp::Ordering> "
        "{ todo!() }"
    },
    "Ord": {"cmp": "fn cmp(&self, other: &Self) -> std::cmp::Ordering { todo!() }"},
    "Hash": {"hash": "fn hash<H: std::hash::Hasher>(&self, state: &mut H) { todo!() }"},
    "Drop": {"drop": "fn drop(&mut self) { todo!() }"},
    "From": {"from": "fn from(value: {argument}) -> Self { todo!() }"},
    "Into": {"into": "fn into(self) -> {argument} { todo!() }"},
    "TryFrom": {
        "Error": "type Error = _;",
        "try_from": "fn try_from(value: {argument}) -> Result<Self, Self::Error> { todo!() }",
    },
    "FromStr": {
        "Err": "type Err = _;",
        "from_str": "fn from_str(s: &str) -> Result<Self, Self::Err> { todo!() }",
    },
    "AsRef": {"as_ref": "fn as_ref(&self) -> &{argument} { todo!() }"},
    "AsMut": {"as_mut": "fn as_mut(&mut self) -> &mut {argument} { todo!() }"},
    "Borrow": {"borrow": "fn borrow(&self) -> &{argument} { todo!() }"},
    "Iterator": {
        "Item": "type Item = _;",
        "next": "fn next(&mut self) -> Option<Self::Item> { todo!() }",
    },
    "DoubleEndedIterator": {
        "next_back": "fn next_back(&mut self) -> Option<Self::Item> { todo!() }"
    },
    "IntoIterator": {
        "Item": "type Item = _;",
        "IntoIter": "type IntoIter = _;",
        "into_iter": "fn into_iter(self) -> Self::IntoIter { todo!() }",
    },
    "FromIterator": {
        "from_iter": "fn from_iter<I: IntoIterator<Item = {argument}>>(iter: I) -> Self { todo!() }"
    },
    "Extend": {
        "extend": "fn extend<I: IntoIterator<Item = {argument}>>(&mut self, iter: I) { todo!() }"
    },
    "Write": {
        "write": "fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> { todo!() }",
        "flush": "fn flush(&mut self) -> std::io::Result<()> { todo!() }",
        "write_str": "fn write_str(&mut self, s: &str) -> std::fmt::Result { todo!() }",
    },
    "Read": {"read": "fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> { todo!() }"},
}
"""By trait and item: `{argument}` is the trait's first argument, `_` a type to be found."""
