"""Middles are whole nodes, their surroundings a contiguous piece of the file."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.syntax import parse
from m31r_core.tokenizer import END, FILE, MIDDLE, PREFIX, SUFFIX, train_tokenizer
from m31r_data.config import DeriveConfig
from m31r_data.derive.fim import fim_examples, middles
from m31r_data.derive.window import Lines
from tests.conftest import RUST

CONFIG = DeriveConfig(fim=40.0, max_tokens=400)
TOKENIZER = train_tokenizer([RUST] * 3, 500)


def examples(text: str, seed: int = 0, **changed: float) -> list[list[int]]:
    config = replace(CONFIG, **changed)  # type: ignore[arg-type]
    return list(fim_examples(TOKENIZER, "src/a.rs", text, config, random.Random(seed)))


def parts(ids: list[int]) -> tuple[str, str, str]:
    """Return (prefix, middle, suffix); the middle of an example in suffix-first order is ""."""
    prefix, suffix = ids.index(PREFIX), ids.index(SUFFIX)
    if MIDDLE in ids:
        middle = ids.index(MIDDLE)
        cuts = (prefix + 1, suffix), (middle + 1, -1), (suffix + 1, middle)
    else:
        cuts = (prefix + 1, -1), (0, 0), (suffix + 1, prefix)
    before, between, after = (TOKENIZER.decode(ids[a:b]) for a, b in cuts)
    return before, between, after


@pytest.mark.parametrize("psm", [0.0, 1.0])
def test_an_example_is_a_contiguous_piece_cut_at_a_node(psm: float) -> None:
    source = RUST.encode()
    found = middles(source)
    spans = {source[each.start : each.end].decode() for each in found}
    ends = {each.end for each in found}
    many = [ids for seed in range(10) for ids in examples(RUST, seed, fim_psm=psm)]
    assert len(many) > 100
    for ids in many:
        assert (ids[0], ids[-1]) == (FILE, END)
        assert len(ids) <= CONFIG.max_tokens
        before, middle, after = parts(ids)
        piece = before + middle + after
        assert piece in RUST
        assert (f"\n{RUST}").find(f"\n{piece}") >= 0
        if psm:
            assert middle in spans
        else:
            start = RUST.index(piece)
            assert len(RUST[: start + len(before)].encode()) in ends


def test_a_middle_is_one_node_or_a_run_of_statements() -> None:
    source = RUST.encode()
    root = parse(source).root_node
    for each in middles(source):
        node = root.descendant_for_byte_range(each.start, each.end)
        assert node is not None
        if each.group == "statements":
            inside = {child.start_byte for child in node.named_children}
            assert each.start in inside
            assert each.end in {child.end_byte for child in node.named_children}
        else:
            assert (node.start_byte, node.end_byte) == (each.start, each.end)


def test_all_groups_are_drawn_and_the_number_is_configuration() -> None:
    text = RUST * 40
    tokens = len(TOKENIZER.encode(text))
    counts = Counter(each.group for each in middles(text.encode()))
    assert counts["expression"] > 3 * counts["body"]
    found = examples(text, fim=10.0, fim_psm=1.0)
    assert 0.7 < len(found) / (tokens / 100) <= 1.01
    middle = [parts(ids)[1] for ids in found]
    bodies = sum(each.startswith("{") for each in middle)
    assert 0.1 < bodies / len(middle) < 0.35
    assert examples(RUST, fim=0.0) == []


def test_errors_are_left_out() -> None:
    broken = "fn f() {\n    let a = g(1, ;\n    let b = h(2);\n}\n"
    texts = {broken.encode()[each.start : each.end] for each in middles(broken.encode())}
    assert b"let a = g(1, ;" not in texts
    assert b"(2)" not in texts
    assert b"h(2)" in texts


def test_the_same_seed_gives_the_same_examples() -> None:
    assert examples(RUST, 1) == examples(RUST, 1) != examples(RUST, 2)


@settings(max_examples=80)
@given(st.text(max_size=300), st.integers(0, 99))
def test_no_text_is_too_strange(text: str, seed: int) -> None:
    text = f"fn f() {{\n    g(1);\n{text}\n}}"
    for ids in examples(text, seed):
        before, middle, after = parts(ids)
        assert before + middle + after in text


@settings(max_examples=100)
@given(st.text("ab (\n\té", max_size=120), st.data())
def test_windows_hold_the_place_and_no_more_than_their_room(text: str, data: st.DataObject) -> None:
    if not text:
        return
    lines = Lines(TOKENIZER, text)
    assert lines.total == len(TOKENIZER.encode(text))
    start = data.draw(st.integers(0, len(lines.source) - 1))
    end = data.draw(st.integers(start + 1, len(lines.source)))
    room, before = data.draw(st.integers(0, 120)), data.draw(st.floats(0, 1))
    window = lines.around(start, end, room, before)
    if window is None:
        first, last = lines.line(start), lines.line(end - 1) + 1
        assert lines.tokens(first, last) > room
        return
    assert window[0] <= start < end <= window[1]
    assert window[0] == 0 or lines.source[window[0] - 1 : window[0]] == b"\n"
    shown = lines.source[window[0] : window[1]].decode()
    assert len(TOKENIZER.encode(shown)) <= room
