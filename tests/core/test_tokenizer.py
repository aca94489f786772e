"""The tokenizer loses nothing and never writes a special token by accident."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.errors import M31RError
from m31r_core.tokenizer import SPECIALS, Tokenizer, train_tokenizer

RUST = """\
/// Adds one.
pub fn add_one(values: &mut Vec<u32>) {
    for value in values.iter_mut() {
        *value += 1; // é, 😀
    }
}
"""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([RUST] * 4, 420)


@given(st.binary(max_size=200))
def test_any_bytes_come_back(data: bytes) -> None:
    tokenizer = train_once()
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data


@given(st.text(max_size=100))
def test_any_text_comes_back_and_holds_no_special_token(text: str) -> None:
    tokenizer = train_once()
    ids = tokenizer.encode(text)
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert all(i >= len(SPECIALS) for i in ids)


@given(st.lists(st.text(alphabet="ab {}();.\t é", max_size=12), max_size=6))
def test_encoding_is_additive_over_lines(lines: list[str]) -> None:
    tokenizer = train_once()
    whole = tokenizer.encode("".join(f"{line}\n" for line in lines))
    assert whole == [i for line in lines for i in tokenizer.encode(f"{line}\n")]


@given(st.text(alphabet="ab {}();.\t\n\r é", max_size=60))
def test_remembering_lines_changes_nothing(text: str) -> None:
    tokenizer = train_once()
    assert tokenizer.encode_edited(text) == tokenizer.encode(text)


def test_text_that_spells_a_special_token_is_plain_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("<|end|> fn")
    assert min(ids) >= len(SPECIALS)
    assert tokenizer.decode(ids) == "<|end|> fn"


def test_indentation_is_one_token_and_its_last_blank_belongs_to_the_word(
    tokenizer: Tokenizer,
) -> None:
    first, second = tokenizer.encode("        *value")[:2]
    assert tokenizer.token_bytes(first) == b" " * 7
    assert tokenizer.token_bytes(second) == b" *"


def test_tokens_compatible_with_go_on_or_begin_the_text(tokenizer: Tokenizer) -> None:
    tokens = [tokenizer.token_bytes(int(i)) for i in tokenizer.tokens_compatible_with(b" val")]
    assert b" value" in tokens
    assert b" " in tokens
    assert b"value" not in tokens


@given(st.binary(max_size=4))
def test_compatible_tokens_are_all_there_are(rest: bytes) -> None:
    tokenizer = train_once()
    tokens = ((i, tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size))
    wanted = [i for i, t in tokens if t and (t.startswith(rest) or rest.startswith(t))]
    assert tokenizer.tokens_compatible_with(rest).tolist() == wanted


def test_training_twice_gives_the_same_vocabulary(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        train_tokenizer([RUST], 400).save(tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_saved_tokenizer_encodes_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.encode(f"{RUST}<|file|>") == tokenizer.encode(f"{RUST}<|file|>")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"model": 3}'])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(M31RError, match=r"tokenizer\.json"):
        Tokenizer.load(path)


_trained: list[Tokenizer] = []


def train_once() -> Tokenizer:
    if not _trained:
        _trained.append(train_tokenizer([RUST] * 4, 420))
    return _trained[0]
