"""How a repair is asked for and answered, token by token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.prompt import given as is_given
from m31r_core.prompt import repair_example, repair_prompt
from m31r_core.tokenizer import (
    DIAGNOSTIC,
    END,
    FILE,
    MIDDLE,
    PREFIX,
    SPECIALS,
    SUFFIX,
    train_tokenizer,
)

PREFIX_TEXT = "fn total(values: Vec<u32>) -> u32 {\n    let copy = values.clone();\n"
BROKEN = "    let sum = add(values, values);\n"
FIXED = "    let sum = add(values.clone(), values);\n"
SUFFIX_TEXT = "    sum\n}\n"
SAID = "E0382: use of moved value: `values`\nvalue moved here: `values`"
TOKENIZER = train_tokenizer([PREFIX_TEXT, BROKEN, FIXED, SUFFIX_TEXT, SAID] * 3, 420)


def example(max_tokens: int = 400, **changed: str) -> list[int] | None:
    texts = {
        "diagnostic": SAID,
        "broken": BROKEN,
        "prefix": PREFIX_TEXT,
        "suffix": SUFFIX_TEXT,
        "fixed": FIXED,
    }
    return repair_example(TOKENIZER, "src/lib.rs", max_tokens=max_tokens, **(texts | changed))


def parts(ids: list[int]) -> list[tuple[int, str]]:
    """Return each special token with the text that follows it."""
    begins = [i for i, token in enumerate(ids) if token < len(SPECIALS)]
    ends = [*begins[1:], len(ids)]
    return [
        (ids[begin], TOKENIZER.decode(ids[begin + 1 : end]))
        for begin, end in zip(begins, ends, strict=True)
    ]


def test_what_rustc_says_comes_first_and_the_fixed_lines_last() -> None:
    ids = example()
    assert ids is not None
    assert parts(ids) == [
        (FILE, "src/lib.rs"),
        (DIAGNOSTIC, SAID),
        (MIDDLE, BROKEN),
        (SUFFIX, SUFFIX_TEXT),
        (PREFIX, PREFIX_TEXT + FIXED),
        (END, ""),
    ]


def test_the_prompt_is_the_example_without_its_answer() -> None:
    ids = example()
    asked = repair_prompt(
        TOKENIZER,
        "src/lib.rs",
        diagnostic=SAID,
        broken=BROKEN,
        prefix=PREFIX_TEXT,
        suffix=SUFFIX_TEXT,
        max_tokens=400,
        max_new_tokens=64,
    )
    assert asked is not None
    assert ids == [*asked, *TOKENIZER.encode(FIXED), END]


@settings(max_examples=60)
@given(st.integers(0, 90), st.integers(0, 90), st.integers(40, 500), st.integers(1, 40))
def test_windows_are_whole_lines_next_to_the_place(
    before: int, after: int, max_tokens: int, said: int
) -> None:
    prefix = "".join(f"    let first_{i} = {i};\n" for i in range(before))
    suffix = "".join(f"    let last_{i} = {i};\n" for i in range(after))
    ids = example(max_tokens, prefix=prefix, suffix=suffix, diagnostic=SAID * said)
    if ids is None:
        assert max_tokens < 250
        return
    assert len(ids) <= max_tokens
    shown = dict(parts(ids))
    assert shown[PREFIX].endswith(FIXED)
    assert prefix.endswith(seen := shown[PREFIX].removesuffix(FIXED))
    assert not seen or seen.startswith("    let first_")
    assert suffix.startswith(shown[SUFFIX])
    assert not shown[SUFFIX] or shown[SUFFIX].endswith("\n")
    assert shown[MIDDLE] == BROKEN
    assert (SAID * said).startswith(shown[DIAGNOSTIC])


def test_much_on_both_sides_is_shown_on_both_sides() -> None:
    many = "".join(f"    let v{i} = {i};\n" for i in range(900))
    ids = example(prefix=many, suffix=many)
    assert ids is not None
    assert len(ids) > 370
    place = ids.index(PREFIX)
    assert 2 * (place - ids.index(SUFFIX)) > (len(ids) - place) / 2 > 50


@pytest.mark.parametrize("name", ["broken", "fixed"])
def test_a_pair_too_long_is_none(name: str) -> None:
    assert example(400, **{name: BROKEN * 60}) is None


@settings(max_examples=60)
@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=50), st.text(max_size=200))
def test_any_text_fits(prefix: str, suffix: str, broken: str, said: str) -> None:
    ids = example(200, prefix=prefix, suffix=suffix, broken=broken, diagnostic=said)
    assert ids is None or len(ids) <= 200


def test_rustc_and_the_broken_lines_are_given_not_learnt() -> None:
    ids = example()
    assert ids is not None
    rows = np.array([ids, [i if i != DIAGNOSTIC else FILE for i in ids]])
    found = is_given(rows)
    begin, end = ids.index(DIAGNOSTIC), ids.index(SUFFIX)
    assert np.flatnonzero(found[0]).tolist() == list(range(begin, end))
    assert not found[1].any()
