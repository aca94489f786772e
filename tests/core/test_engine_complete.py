"""From the text around a cursor to the text to insert."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.bundle import load_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_core.prompt import Chunk


@pytest.fixture(scope="module")
def completer(random_bundle: Path) -> Completer:
    return Completer(Engine.load(load_bundle(random_bundle), threads=1))


def request(rust: str, cut: int, **more: object) -> CompletionRequest:
    return CompletionRequest("src/main.rs", rust[:cut], rust[cut:], **more)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, 800))
def test_line_is_one_line(completer: Completer, rust: str, cut: int) -> None:
    completion = completer.complete(request(rust, cut, max_new_tokens=24))
    assert "\n" not in completion.text
    assert 0 <= completion.confidence <= 1
    assert (completion.confidence > 0) == bool(completion.text)
    assert completion.generation.text.startswith(completion.text)


def test_typing_reuses_the_cache(completer: Completer, rust: str) -> None:
    completer.complete(request(rust, 300, max_new_tokens=8))
    typed = CompletionRequest("src/main.rs", rust[:300] + "let ", rust[300:], max_new_tokens=8)
    generation = completer.complete(typed).generation
    assert generation.reused_tokens > 5 * generation.prefill_tokens


def test_block_out_of_tokens_ends_with_a_line(completer: Completer, rust: str) -> None:
    for cut in range(0, 800, 40):
        completion = completer.complete(request(rust, cut, kind="block", max_new_tokens=40))
        assert completion.generation.text.startswith(completion.text)
        if completion.generation.finish == "length" and "\n" in completion.generation.text:
            assert completion.generation.text[len(completion.text)] == "\n"


def test_context_of_other_files_is_read(completer: Completer, rust: str) -> None:
    alone = completer.complete(request(rust, 200)).generation
    chunk = Chunk("src/lib.rs", "pub fn area(&self) -> f64 { 0.0 }\n")
    helped = completer.complete(request(rust, 200, context=(chunk,))).generation
    total = alone.prefill_tokens + alone.reused_tokens
    assert helped.prefill_tokens + helped.reused_tokens > total


def test_cancelled_request(completer: Completer, rust: str) -> None:
    completion = completer.complete(request(rust, 500), cancelled=lambda: True)
    assert completion.generation.finish == "cancelled"
    assert (completion.text, completion.confidence) == ("", 0.0)
