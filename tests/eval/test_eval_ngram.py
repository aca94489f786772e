from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.errors import M31RError
from m31r_core.tokenizer import END, Tokenizer
from m31r_eval import ngram
from m31r_eval.settings import NgramSettings

LINE = "let factor = compute(first, second).unwrap_or(0);\n"


def completer(
    tokenizer: Tokenizer, path: Path, text: str, settings: NgramSettings | None = None
) -> ngram.NgramCompleter:
    settings = settings or NgramSettings()
    tokenizer.save(path / "tokenizer.json")
    tokens = np.array([END, *tokenizer.encode(text), END], np.uint16)
    model = ngram.train(
        tokens, (path / "tokenizer.json").read_bytes(), tokenizer.vocab_size, settings
    )
    ngram.save(model, path / "ngram.npz")
    return ngram.NgramCompleter(ngram.load(path / "ngram.npz"), settings, 64)


@pytest.mark.parametrize("column", [4, 7, 13, 20, 30])
def test_a_memorised_line_is_reproduced_from_any_column(
    tokenizer: Tokenizer, tmp_path: Path, column: int
) -> None:
    trained = completer(tokenizer, tmp_path, LINE * 3, NgramSettings(cache_weight=0.0))
    typed = LINE[:column]
    assert typed + trained.complete(typed, trained.open(typed, "")) == LINE.rstrip("\n")


def test_the_cache_reproduces_a_line_of_the_file_that_training_never_saw(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    trained = completer(tokenizer, tmp_path, "fn main() {}\n" * 3)
    suffix = "\n}\n\nlet zebra = quagga.stripes();\n"
    prefix = "fn x() {\n    let zeb"
    assert trained.complete(prefix, trained.open(prefix, suffix)) == "ra = quagga.stripes();"


def test_a_completion_stops_at_the_limit_and_may_be_empty(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    trained = completer(tokenizer, tmp_path, "a a a a a a a a a a\n")
    assert len(trained.complete("a a a", trained.open("a a a", ""))) <= 64 * 8
    assert isinstance(trained.complete("", trained.open("", "")), str)
    assert isinstance(trained.complete("é🦀", trained.open("é🦀", "")), str)


@given(st.lists(st.integers(16, 20), min_size=8, max_size=200))
def test_counts_equal_those_counted_by_hand(ids: list[int]) -> None:
    tokens = np.array(ids, np.uint16)
    model = ngram.train(tokens, b"", 32, NgramSettings(order=4, continuations=2))
    assert model.unigrams.sum() == len(ids)
    for k in (1, 2, 3):
        expected: dict[tuple[int, ...], Counter[int]] = {}
        for i in range(k, len(ids)):
            expected.setdefault(tuple(ids[i - k : i]), Counter())[ids[i]] += 1
        table = model.tables[k - 1]
        assert table.contexts.tolist() == sorted(table.contexts.tolist())
        for context, counts in expected.items():
            least = 1 if k == 1 else 2
            best = sorted((-n, token) for token, n in counts.items() if n >= least)[:2]
            row = table.find(ngram.hash_context(context))
            if not best:
                assert row == -1
                continue
            assert table.totals[row] == counts.total()
            start, stop = table.starts[row], table.starts[row + 1]
            assert table.tokens[start:stop].tolist() == [token for _, token in best]
            assert table.counts[start:stop].tolist() == [-n for n, _ in best]


def test_slices_of_the_hash_range_join_to_the_same_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = np.random.default_rng(0).integers(16, 40, 5000).astype(np.uint16)
    whole = ngram.train(tokens, b"", 64, NgramSettings(order=4))
    monkeypatch.setattr(ngram, "_SLICE", 700)
    monkeypatch.setattr(ngram, "_CHUNK", 512)
    sliced = ngram.train(tokens, b"", 64, NgramSettings(order=4))
    for left, right in zip(whole.tables, sliced.tables, strict=True):
        for name in ngram.Table.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_the_same_counts_give_the_same_bytes(tmp_path: Path) -> None:
    tokens = np.random.default_rng(0).integers(16, 40, 2000).astype(np.uint16)
    for name in ("a.npz", "b.npz"):
        ngram.save(ngram.train(tokens, b"x", 64, NgramSettings()), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "ngram.npz"
    ngram.save(ngram.train(np.arange(16, 60, dtype=np.uint16), b"x", 64, NgramSettings()), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(M31RError, match=r"ngram\.npz: "):
        ngram.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(M31RError, match=r"none\.npz: No such file"):
        ngram.load(tmp_path / "none.npz")
