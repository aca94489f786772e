"""From the text around a cursor to the text to insert."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.brackets import open_within
from m31r_core.bundle import load_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_core.engine.graph import Graph
from m31r_core.engine.sampling import log_softmax
from m31r_core.engine.session import Session
from m31r_core.prompt import Chunk, Prompt, PromptBudget, build_prompt
from m31r_core.tokenizer import END, SPECIALS


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


def test_it_ends_only_where_what_it_opened_is_closed(completer: Completer, rust: str) -> None:
    finishes = set()
    for cut in range(100, 700, 50):
        for completion in completer.candidates(request(rust, cut, kind="block"), 8):
            finishes.add(completion.generation.finish)
            if completion.generation.finish == "end":
                assert not open_within(completion.generation.text)
    assert "end" in finishes


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


@pytest.mark.parametrize("cut", [0, 300, 512])
@pytest.mark.parametrize("kind", ["line", "block"])
def test_candidates_differ(
    completer: Completer, rust: str, cut: int, kind: Literal["line", "block"]
) -> None:
    asked = request(rust, cut, kind=kind, max_new_tokens=6)
    found = [each.text for each in completer.candidates(asked, 5)]
    assert 2 <= len(found) == len(set(found)) <= 5
    completer.candidates(request(rust, cut + 9, max_new_tokens=6), 3)
    assert [each.text for each in completer.candidates(asked, 5)] == found


def test_candidates_come_the_likeliest_first(completer: Completer, rust: str) -> None:
    for cut in range(20, 700, 60):
        found = completer.candidates(request(rust, cut, max_new_tokens=8), 4)
        sums = [sum(each.generation.logprobs) for each in found if each.generation.finish == "stop"]
        assert sums == sorted(sums, reverse=True)


def test_a_wide_beam_finds_what_every_path_gives(completer: Completer, rust: str) -> None:
    """Two tokens behind a prompt: the pairs, and their order, are those of all pairs tried."""
    engine = completer.engine
    prompt = Prompt(tuple(engine.tokenizer.encode(rust[:200])))
    session = Session(engine.graph)
    first = log_softmax(session.forward(prompt.ids, [len(prompt.ids) - 1])[0])
    first[: len(SPECIALS)] = -np.inf
    tried: dict[tuple[int, int], float] = {}
    for token in np.argsort(-first)[:8]:
        session.rewind(len(prompt.ids))
        second = log_softmax(session.forward([int(token)], [0])[0])
        second[: len(SPECIALS)] = -np.inf
        tried |= {(int(token), i): first[token] + second[i] for i in range(len(second))}
    found = engine.beam(prompt, 8, 2, may_end=lambda text: False)
    wanted = sorted(tried, key=lambda pair: -tried[pair])[:4]
    assert [each.ids for each in found[:4]] == wanted


def test_candidates_are_one_batch_on_one_prefill(completer: Completer, rust: str) -> None:
    found = completer.candidates(request(rust, 431, max_new_tokens=6), 5)
    assert len({each.generation.prefill_tokens for each in found}) == 1
    assert all(each.generation.steps <= 6 for each in found)
    again = completer.candidates(request(rust, 431, max_new_tokens=6), 5)
    assert {each.generation.prefill_tokens for each in again} == {1}


def test_cancelled_candidates_are_those_finished(completer: Completer, rust: str) -> None:
    calls: list[int] = []

    def cancelled() -> bool:
        calls.append(0)
        return len(calls) > 4

    cut = rust.index(";")
    found = completer.candidates(request(rust, cut, max_new_tokens=40), 6, cancelled=cancelled)
    assert len(found) < 6
    assert len(calls) == 5
    assert completer.candidates(request(rust, 300), 8, cancelled=lambda: True) == []


def one_by_one(completer: Completer, prefix: str, text: str, suffix: str) -> float:
    """The definition: one token after the other, each with all the logits before it."""
    engine = completer.engine
    prompt = build_prompt(
        engine.tokenizer,
        path="src/main.rs",
        prefix=prefix,
        suffix=suffix,
        budget=PromptBudget(engine.bundle.manifest.context_length, max_new_tokens=64),
    )
    session = Session(Graph(engine.bundle, 1))
    logits = session.forward(prompt.ids, [len(prompt.ids) - 1])[0]
    total = 0.0
    for token in [*engine.tokenizer.encode_bytes(prompt.healed + text.encode()), END]:
        total += float(log_softmax(logits)[token])
        logits = session.forward([token], [0])[0]
    return total


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_score_is_the_plain_definition(
    completer: Completer, rust: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(rust) - 40))
    end = start + data.draw(st.integers(0, 30))
    texts = [rust[start:end], *data.draw(st.lists(st.text("ab &(;\n", max_size=12), max_size=6))]
    scores = completer.score("src/main.rs", rust[:start], texts, rust[end:])
    plain = [one_by_one(completer, rust[:start], text, rust[end:]) for text in texts]
    assert scores == pytest.approx(plain, abs=1e-3)


def test_score_of_the_same_text_is_the_same_in_any_company(completer: Completer, rust: str) -> None:
    alone = completer.score("src/main.rs", rust[:300], ["let x = 1;"], rust[310:])
    others = ["", "let x", "let x = 2;", "let x = 1;", "let x = 1;\n"]
    scores = completer.score("src/main.rs", rust[:300], others, rust[310:])
    assert scores[3] == pytest.approx(alone[0], abs=1e-3)
    assert len(set(scores)) == len(others)


def test_score_of_nothing_and_of_much(completer: Completer, rust: str) -> None:
    empty, long, longer = completer.score("src/main.rs", rust[:300], ["", rust, rust * 9], rust)
    assert long < empty <= 0
    assert longer == pytest.approx(long, abs=1e-3)
    assert completer.score("src/main.rs", rust, [], rust) == []


def test_cancelled_score(completer: Completer, rust: str) -> None:
    assert completer.score("a.rs", rust[:99], ["a", "b"], "", cancelled=lambda: True) == []
