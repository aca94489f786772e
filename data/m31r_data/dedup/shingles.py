"""What two texts have in common is counted in hashes of tokens and of runs of tokens.

A token is a word (letters, digits, `_`; every byte over 127 counts as a letter) or one other
character that is not white space: close to rustc's, the same for any layout, and cheap. There is
no loop over tokens: 15 ms per MB on one core, and 40 bytes of memory for each byte of a text.
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Number = TypeVar("Number", np.uint64, np.uint32, np.int64)

WHITE_SPACE = b" \t\n\r\v\f"
_WORDS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_SPACE, _SIGN, _WORD = range(3)
# 2^64 over the golden ratio, odd, so that it has an inverse modulo 2^64.
_BASE = 0x9E3779B97F4A7C15


def token_hashes(text: str) -> Hashes:
    """Return a hash for each token of `text`, in order: uint64 [tokens].

    A word b0 b1 … at byte p is hashed as a polynomial, sum of value(b_i) * base^i modulo 2^64: sums
    of value(b) * base^position over the bytes of a token, times base^-p.
    """
    data = np.frombuffer(text.encode("utf-8", errors="surrogatepass"), dtype=np.uint8)
    classes = _classes()[data]
    starts = classes != _SPACE
    values = _values()[data] * starts
    word = classes == _WORD
    starts[1:] &= ~(word[1:] & word[:-1])
    first = np.flatnonzero(starts)
    if not len(first):
        return np.zeros(0, dtype=np.uint64)
    values *= _powers(len(data), _BASE)
    hashes: Hashes = np.add.reduceat(values, first)
    hashes *= _powers(len(data), pow(_BASE, -1, 2**64))[first]
    return mix(hashes)


def shingle_hashes(tokens: Hashes, n: int) -> Hashes:
    """Return the distinct hashes of `n` tokens in a row, uint64 [shingles], from small to large.

    Fewer than `n` tokens are one shingle; no token is none.
    """
    if not len(tokens):
        return tokens
    n = min(n, len(tokens))
    count = len(tokens) - n + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for place, power in enumerate(_powers(n, _BASE)):
        hashes += tokens[place : place + count] * power
    return distinct(np.sort(mix(hashes)))


def distinct(ordered: NDArray[Number]) -> NDArray[Number]:
    """Return values that are in order once each. With np.sort, a quarter of np.unique's time."""
    new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def mix(values: Hashes) -> Hashes:
    """Return a permutation of 64-bit values in which every bit depends on all (splitmix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _powers(count: int, base: int) -> Hashes:
    powers = np.full(count, base, dtype=np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


@cache
def _classes() -> NDArray[np.uint8]:
    classes = np.full(256, _SIGN, dtype=np.uint8)
    classes[list(WHITE_SPACE)] = _SPACE
    classes[list(_WORDS)] = _WORD
    classes[128:] = _WORD
    return classes


@cache
def _values() -> Hashes:
    """Return a random number for each byte: the low bits of powers alone are weak."""
    return mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(_BASE))
