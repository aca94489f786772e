import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.dedup.shingles import shingle_hashes, token_hashes

TOKEN = re.compile(r"[0-9A-Za-z_\u0080-\U0010ffff]+|[^ \t\n\r\v\f]")

texts = st.text(st.sampled_from("ab_1 \t\n\r;{}&'\"é\u2028\0")) | st.text()


def test_words_are_tokens_and_so_is_every_other_sign() -> None:
    hashes = token_hashes("let x_1 = &x_1;\n\tlet y;")

    assert len(hashes) == 9
    assert hashes[0] == hashes[6]
    assert hashes[1] == hashes[4]
    assert len(set(hashes.tolist())) == 6


def test_layout_does_not_matter() -> None:
    compact = "fn f(){let a=1;}"
    spread = "fn f ( ) {\r\n\tlet a = 1 ;\n}\n"

    assert np.array_equal(token_hashes(compact), token_hashes(spread))


@given(texts)
def test_tokens_are_told_apart_like_their_texts(text: str) -> None:
    tokens = TOKEN.findall(text)
    hashes = token_hashes(text).tolist()

    assert len(hashes) == len(tokens)
    assert len(set(hashes)) == len(set(tokens))
    assert len(set(zip(tokens, hashes, strict=True))) == len(set(tokens))


@given(texts, st.integers(1, 6))
def test_shingles_are_the_distinct_runs_of_tokens(text: str, n: int) -> None:
    tokens = TOKEN.findall(text)
    runs = {tuple(tokens[at : at + n]) for at in range(max(1, len(tokens) - n + 1))} - {()}
    hashes = shingle_hashes(token_hashes(text), n)

    assert hashes.tolist() == sorted(set(hashes.tolist()))
    assert len(hashes) == len(runs)


def test_the_order_of_tokens_matters() -> None:
    assert shingle_hashes(token_hashes("a b"), 2) != shingle_hashes(token_hashes("b a"), 2)


def test_a_hash_is_the_same_in_every_process() -> None:
    # Sketches of different runs are compared: a change of this value makes all of them useless.
    assert token_hashes("fn").tolist() == [4238964887927056842]
