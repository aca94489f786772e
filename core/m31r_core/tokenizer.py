"""Text to token ids and back: byte-level BPE, lossless, no token across a newline.

Ids 0 to 15 are special. Those without a use are called `<|reserved_…|>`; `DIAGNOSTIC` (7, before
what rustc says) and `PLAN` (8, before a plan comment) keep these texts: a `tokenizer.json` that was
made before they had a use is valid, and its checksum is what it was.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as HfTokenizer
from tokenizers.trainers import BpeTrainer

from m31r_core.errors import M31RError

_NAMED = ("end", "pad", "file", "context", "suffix", "prefix", "middle")
END, PAD, FILE, CONTEXT, SUFFIX, PREFIX, MIDDLE = range(len(_NAMED))
SPECIALS = tuple(f"<|{name}|>" for name in _NAMED) + tuple(
    f"<|reserved_{i}|>" for i in range(len(_NAMED), 16)
)
DIAGNOSTIC, PLAN = 7, 8
# Training sees them; a completion never holds them.
NEVER_WRITTEN = (DIAGNOSTIC, PLAN)

# Pieces that merges stay within, first alternative first: a newline; a run of blanks but its
# last; then, each with at most one blank before it, a word, up to three digits, operators (with
# the single blanks between them, as in `) -> &`); a blank.
_PIECES = (
    r"\n|[^\S\n]+(?=[^\S\n])| ?[\p{L}_]+| ?\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}_]+(?: [^\s\p{L}\p{N}_]+)*|[^\S\n]"
)

_REMEMBERED_LINES = 1024
# No token is this many bytes long.
_LONGEST = 256


class Tokenizer:
    """A trained vocabulary. Ids are 0 to `vocab_size - 1`; the first 16 are `SPECIALS`."""

    def __init__(self, inner: HfTokenizer) -> None:
        """Wrap `inner`, whose special tokens must be `SPECIALS` in order from id 0.

        Raises M31RError when they are not.
        """
        for i, name in enumerate(SPECIALS):
            if inner.token_to_id(name) != i:
                raise M31RError(f"special token {name} is not token {i}")
        # Without this, text that spells a special token would be encoded as that token.
        inner.encode_special_tokens = True
        self._inner = inner
        self._encode_line = lru_cache(maxsize=_REMEMBERED_LINES)(self._packed)

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a `tokenizer.json`. Raises M31RError naming the file."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise M31RError(f"{path}: cannot read the tokenizer ({error})") from error
        try:
            return cls(HfTokenizer.from_str(text))
        except Exception as error:  # the library raises bare Exception
            raise M31RError(f"{path}: not a tokenizer ({error})") from error

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json` that Hugging Face tools read as well."""
        self._inner.save(str(path))

    @cached_property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return self._inner.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; never a special one, whatever the text says."""
        return self._inner.encode(text, add_special_tokens=False).ids

    def _packed(self, line: str) -> array[int]:
        # A list holds an object for each id: ten times the memory.
        return array("i", self.encode(line))

    def encode_edited(self, text: str) -> list[int]:
        """Return what `encode` does, remembering lines: for text that comes again and again."""
        *lines, last = text.split("\n")
        ids: list[int] = []
        for line in lines:
            ids.extend(self._encode_line(line))
            ids.append(self.newline)
        ids.extend(self._encode_line(last))
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text."""
        encodings = self._inner.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return ids that decode to exactly `data`, UTF-8 or not."""
        ids: list[int] = []
        while data:
            try:
                return ids + self.encode(data.decode("utf-8"))
            except UnicodeDecodeError as error:
                ids += self.encode(data[: error.start].decode("utf-8"))
                ids += [self._byte_ids[byte] for byte in data[error.start : error.end]]
                data = data[error.end :]
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of `ids`; special tokens give none."""
        table = self._token_bytes
        return b"".join(table[i] for i in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`, with U+FFFD for what is not UTF-8."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def token_bytes(self, i: int) -> bytes:
        """Return the bytes of token `i`; none for a special token."""
        return self._token_bytes[i]

    def tokens_compatible_with(self, rest: bytes) -> NDArray[np.int64]:
        """Return the sorted ids of the tokens that can come next when `rest` must be written.

        Those are the non-empty tokens that start with `rest` or that `rest` starts with.
        """
        tokens, ids = self._sorted_tokens
        low = bisect_left(tokens, rest)
        high = bisect_left(tokens, rest + b"\xff" * _LONGEST) if rest else len(tokens)
        begun = [ids[low:high]]
        for length in range(1, len(rest)):
            place = bisect_left(tokens, rest[:length])
            if place < len(tokens) and tokens[place] == rest[:length]:
                begun.append(ids[place : place + 1])
        return np.sort(np.concatenate(begun))

    @cached_property
    def _sorted_tokens(self) -> tuple[list[bytes], NDArray[np.int64]]:
        """Return the non-empty tokens in order of their bytes, and their ids."""
        pairs = sorted((token, i) for i, token in enumerate(self._token_bytes) if token)
        return [token for token, _ in pairs], np.array([i for _, i in pairs], dtype=np.int64)

    @cached_property
    def _token_bytes(self) -> tuple[bytes, ...]:
        to_byte = {character: byte for byte, character in enumerate(_byte_characters())}
        table = [b""] * self.vocab_size
        for token, i in self._inner.get_vocab(with_added_tokens=True).items():
            if i >= len(SPECIALS):
                table[i] = bytes(to_byte[character] for character in token)
        return tuple(table)

    @cached_property
    def newline(self) -> int:
        """The id of the one token that holds a newline."""
        return self._byte_ids[ord("\n")]

    @cached_property
    def _byte_ids(self) -> tuple[int, ...]:
        vocabulary = self._inner.get_vocab()
        return tuple(vocabulary[character] for character in _byte_characters())


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train byte-level BPE (Sennrich et al. 2016) on `texts`; same texts, same vocabulary."""
    inner = HfTokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return Tokenizer(inner)


def _byte_characters() -> list[str]:
    """Return the 256 characters that byte-level BPE writes for the bytes 0 to 255 (GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = [""] * 256
    for byte in printable:
        characters[byte] = chr(byte)
    for i, byte in enumerate(b for b in range(256) if b not in printable):
        characters[byte] = chr(256 + i)
    return characters
