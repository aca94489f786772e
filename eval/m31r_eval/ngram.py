"""The baseline to beat: a back-off n-gram over the model's own tokens, with an in-file cache.

Scores are stupid back-off's (Brants et al., "Large Language Models in Machine Translation", 2007):

    S(w | c) = count(c w) / count(c)            if c w was seen
             = alpha * S(w | c without its oldest token)   otherwise

once over the training tokens and once over the tokens of the task's own file, interpolated (the
cache of Tu et al., "On the Localness of Software", 2014). Decoding is greedy, with the model's
token healing and stop rule.

In a `NgramModel`, contexts of k tokens are 48-bit hashes in a sorted array. Memory while training
is bounded by working on one slice of the hash range at a time.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m31r_core.errors import M31RError
from m31r_core.tokenizer import END, SPECIALS, Tokenizer
from m31r_eval.progress import track
from m31r_eval.settings import NgramSettings

FORMAT = 1

_MASK = (1 << 64) - 1
_MULTIPLIER = 0x9E3779B97F4A7C15
_REMEMBERED = 400  # characters before the cursor, which hold more than `order` tokens
_CHUNK = 1 << 17  # tokens hashed at once; they stay in the processor's cache
_SLICE = 1 << 24  # pairs sorted at once, roughly
_TOKEN_BITS = np.uint64(16)
_TOKEN_MASK = np.uint64(0xFFFF)


@dataclass(frozen=True)
class Table:
    """The continuations of every kept context of one length, best first within a context.

    `contexts` [C] uint64, sorted; `totals` [C] uint32, how often each was seen; `starts` [C + 1]
    uint32 into `tokens` [P] uint16 and `counts` [P] uint32.
    """

    contexts: NDArray[np.uint64]
    totals: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    tokens: NDArray[np.uint16]
    counts: NDArray[np.uint32]

    def find(self, context: int) -> int:
        """Return the row of the context hash, or -1."""
        row = int(np.searchsorted(self.contexts, np.uint64(context)))
        return row if row < len(self.contexts) and int(self.contexts[row]) == context else -1


@dataclass(frozen=True)
class NgramModel:
    """Counts of an n-gram of `order`: `unigrams` [V] uint32, and tables[k - 1] for k tokens."""

    order: int
    tokenizer_json: bytes
    unigrams: NDArray[np.uint32]
    tables: tuple[Table, ...]

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer whose ids the counts are about."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            path.write_bytes(self.tokenizer_json)
            return Tokenizer.load(path)


def train(
    tokens: NDArray[np.uint16], tokenizer_json: bytes, vocab_size: int, settings: NgramSettings
) -> NgramModel:
    """Count the n-grams of `tokens` [N] uint16, documents one after the other behind END tokens.

    Pairs of a context of two tokens or more and a next token are kept if seen at least twice.
    """
    unigrams = np.bincount(tokens, minlength=vocab_size).astype(np.uint32)
    unigrams[: len(SPECIALS)] = 0
    slices = 1 << max(0, (len(tokens) // _SLICE).bit_length())
    steps = [(k, i) for k in range(1, settings.order) for i in range(slices)]
    tables: list[Table] = []
    slice_tables: list[Table] = []
    for k, i in track(steps, "n-grams", len(steps)):
        pairs = _pairs(tokens, k, i, slices)
        slice_tables.append(_count(pairs, 1 if k == 1 else 2, settings.continuations))
        if len(slice_tables) == slices:
            tables.append(_concatenate(slice_tables))
            slice_tables.clear()
    return NgramModel(settings.order, tokenizer_json, unigrams, tuple(tables))


def hash_context(context: Sequence[int]) -> int:
    """Return the 48-bit hash of a context, oldest token first."""
    value = 0
    for token in context:
        value = ((value + token + 1) * _MULTIPLIER) & _MASK
        value ^= value >> 29
    return value >> 16


def _pairs(tokens: NDArray[np.uint16], k: int, part: int, parts: int) -> NDArray[np.uint64]:
    """Return `hash << 16 | next token` for the contexts of `k` tokens in one slice of hashes."""
    found: list[NDArray[np.uint64]] = []
    shift = np.uint64(64 - (parts.bit_length() - 1))
    for start in range(0, len(tokens) - k, _CHUNK):
        stop = min(start + _CHUNK, len(tokens) - k)
        value = np.zeros(stop - start, np.uint64)
        for j in range(k):
            value += tokens[start + j : stop + j]
            value += np.uint64(1)
            value *= np.uint64(_MULTIPLIER)
            value ^= value >> np.uint64(29)
        following = tokens[start + k : stop + k]
        if parts > 1:
            inside = (value >> shift) == np.uint64(part)
            value, following = value[inside], following[inside]
        found.append((value & ~_TOKEN_MASK) | following)
    return np.concatenate(found) if found else np.empty(0, np.uint64)


def _count(pairs: NDArray[np.uint64], least: int, continuations: int) -> Table:
    """Count equal pairs; keep those seen `least` times, the best `continuations` of a context."""
    pairs.sort()
    first = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1])))[: len(pairs)]
    counts = np.diff(first, append=len(pairs))
    pairs = pairs[first]
    hashes = pairs >> _TOKEN_BITS
    group_first = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))[: len(pairs)]
    totals = np.add.reduceat(counts, group_first) if len(counts) else counts
    group = np.repeat(np.arange(len(group_first)), np.diff(group_first, append=len(pairs)))
    frequent = (counts >= least) & ((pairs & _TOKEN_MASK) >= len(SPECIALS))
    # Within a context: by falling count, then by token id.
    order = np.lexsort((pairs[frequent] & _TOKEN_MASK, -counts[frequent], group[frequent]))
    group, counts = group[frequent][order], counts[frequent][order]
    tokens = (pairs[frequent][order] & _TOKEN_MASK).astype(np.uint16)
    kept, start, size = np.unique(group, return_index=True, return_counts=True)
    rank = np.arange(len(group)) - np.repeat(start, size)
    best = rank < continuations
    starts = np.concatenate(([0], np.cumsum(np.minimum(size, continuations))))
    return Table(
        contexts=hashes[group_first[kept]],
        totals=totals[kept].astype(np.uint32),
        starts=starts.astype(np.uint32),
        tokens=tokens[best],
        counts=counts[best].astype(np.uint32),
    )


def _concatenate(tables: Sequence[Table]) -> Table:
    """Join the tables of successive slices of the hash range."""
    starts = [np.zeros(1, np.uint32)]
    for table in tables:
        starts.append(table.starts[1:] + starts[-1][-1])
    return Table(
        contexts=np.concatenate([table.contexts for table in tables]),
        totals=np.concatenate([table.totals for table in tables]),
        starts=np.concatenate(starts),
        tokens=np.concatenate([table.tokens for table in tables]),
        counts=np.concatenate([table.counts for table in tables]),
    )


def save(model: NgramModel, path: Path) -> None:
    """Write `model` as an .npz without pickles; the same model gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[np.generic]] = {
        "format": np.array([FORMAT, model.order], np.uint32),
        "tokenizer": np.frombuffer(model.tokenizer_json, np.uint8),
        "unigrams": model.unigrams,
    }
    for k, table in enumerate(model.tables, 1):
        for name in Table.__dataclass_fields__:
            arrays[f"{name}{k}"] = getattr(table, name)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as out:
        np.savez(out, allow_pickle=False, **arrays)
    partial.replace(path)


def load(path: Path) -> NgramModel:
    """Read what `save` wrote. Raises M31RError naming the file."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            version, order = (int(value) for value in arrays["format"])
            if version != FORMAT:
                raise M31RError(f"{path}: n-gram format {version}, this version reads {FORMAT}")
            tables = tuple(
                Table(**{name: arrays[f"{name}{k}"] for name in Table.__dataclass_fields__})
                for k in range(1, order)
            )
            tokenizer_json = arrays["tokenizer"].tobytes()
            return NgramModel(order, tokenizer_json, arrays["unigrams"], tables)
    except OSError as error:
        raise M31RError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise M31RError(f"{path}: not an n-gram file ({error})") from error


class FileCache:
    """Counts over the tokens of one file, as n-grams of the same order."""

    def __init__(self, order: int, texts: Sequence[Sequence[int]]) -> None:
        """Count `texts`: runs of token ids that do not touch (before and after the cursor)."""
        self._following: dict[tuple[int, ...], dict[int, int]] = {}
        for text in texts:
            for i, token in enumerate(text):
                for k in range(min(i, order - 1) + 1):
                    counts = self._following.setdefault(tuple(text[i - k : i]), {})
                    counts[token] = counts.get(token, 0) + 1

    def following(self, context: Sequence[int]) -> dict[int, int]:
        """Return how often each token followed `context`."""
        return self._following.get(tuple(context), {})


class NgramCompleter:
    """Greedy completion from an `NgramModel`."""

    def __init__(self, model: NgramModel, settings: NgramSettings, max_new_tokens: int) -> None:
        self._model = model
        self._settings = settings
        self._max_new_tokens = max_new_tokens
        self._tokenizer = model.tokenizer()
        self._compatible: dict[bytes, frozenset[int]] = {}

    def open(self, prefix: str, suffix: str) -> FileCache:
        """Count the text around a cursor, but for the token that `complete` writes anew."""
        before, _ = self._heal(prefix)
        return FileCache(self._model.order, (before, self._tokenizer.encode(suffix)))

    def complete(self, prefix: str, cache: FileCache, *, whole_line: bool = True) -> str:
        """Return the text that goes on after `prefix`; up to a line break if `whole_line`.

        As for the model, the last token of an unfinished line is written anew (token healing).
        """
        line_start = prefix.rfind("\n", 0, max(0, len(prefix) - _REMEMBERED)) + 1
        ids, rest = self._heal(prefix[line_start:])
        written = b""
        for _ in range(self._max_new_tokens):
            token = self._next(ids, cache, rest)
            if token == END:
                break
            ids.append(token)
            piece = self._tokenizer.token_bytes(token)
            overlap = min(len(rest), len(piece))
            written, rest = written + piece[overlap:], rest[overlap:]
            if whole_line and b"\n" in written:
                break
        text = written.decode("utf-8", errors="ignore")
        return text.split("\n", 1)[0] if whole_line else text

    def _heal(self, prefix: str) -> tuple[list[int], bytes]:
        """Return the ids of `prefix` and the bytes of a last token left out of them."""
        ids = self._tokenizer.encode(prefix)
        if not ids or prefix.endswith("\n"):
            return ids, b""
        last = ids.pop()
        return ids, self._tokenizer.token_bytes(last)

    def _next(self, ids: Sequence[int], cache: FileCache, rest: bytes) -> int:
        """Return the best next token that can begin `rest`; the lowest id among equals."""
        allowed = self._allowed(rest)
        weight = self._settings.cache_weight
        scores: dict[int, float] = {}
        for token, score in self._trained(ids, allowed).items():
            scores[token] = (1 - weight) * score
        for token, score in self._cached(ids, cache, allowed).items():
            scores[token] = scores.get(token, 0.0) + weight * score
        if not scores:
            return END
        return min(scores, key=lambda token: (-scores[token], token))

    def _trained(self, ids: Sequence[int], allowed: frozenset[int] | None) -> dict[int, float]:
        scores: dict[int, float] = {}
        factor = 1.0
        for k in range(min(self._model.order - 1, len(ids)), 0, -1):
            table = self._model.tables[k - 1]
            row = table.find(hash_context(ids[-k:]))
            if row >= 0:
                start, stop = int(table.starts[row]), int(table.starts[row + 1])
                scale = factor / int(table.totals[row])
                tokens, counts = (
                    table.tokens[start:stop].tolist(),
                    table.counts[start:stop].tolist(),
                )
                for token, count in zip(tokens, counts, strict=True):
                    if token not in scores and (allowed is None or token in allowed):
                        scores[token] = scale * count
            factor *= self._settings.alpha
        if not scores:
            unigrams = self._model.unigrams
            ids_left = np.fromiter(sorted(allowed), np.int64) if allowed is not None else None
            counts_left = unigrams if ids_left is None else unigrams[ids_left]
            if len(counts_left):
                best = int(np.argmax(counts_left))
                token = best if ids_left is None else int(ids_left[best])
                scores[token] = factor * int(counts_left[best]) / max(1, int(unigrams.sum()))
        return scores

    def _cached(
        self, ids: Sequence[int], cache: FileCache, allowed: frozenset[int] | None
    ) -> dict[int, float]:
        scores: dict[int, float] = {}
        factor = 1.0
        for k in range(min(self._model.order - 1, len(ids)), -1, -1):
            following = cache.following(ids[len(ids) - k :])
            if following and (k or not scores):
                scale = factor / sum(following.values())
                for token, count in following.items():
                    if token not in scores and (allowed is None or token in allowed):
                        scores[token] = scale * count
            factor *= self._settings.alpha
        return scores

    def _allowed(self, rest: bytes) -> frozenset[int] | None:
        if not rest:
            return None
        if rest not in self._compatible:
            ids = self._tokenizer.tokens_compatible_with(rest)
            self._compatible[rest] = frozenset(int(i) for i in ids)
        return self._compatible[rest]
