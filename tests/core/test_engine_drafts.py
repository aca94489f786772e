"""Drafts: where they come from, how long they are, and that they change nothing but the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.bundle import load_bundle, shipped_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_core.engine.drafts import LENGTHS, Draft, Drafter, DraftPolicy, Source
from m31r_core.engine.file_cache import FileCache
from m31r_core.engine.ngrams import ORDER, NgramCache

ROOT = Path(__file__).parents[2]


def drafter(*files: list[int]) -> Drafter:
    workspace = NgramCache()
    for ids in files:
        workspace.learn(ids)
    return Drafter(workspace, DraftPolicy())


def test_what_followed_in_another_file_is_drafted() -> None:
    other = list(range(100, 120))
    draft = drafter(other).draft(other[:ORDER], None, 16)
    assert draft.ids == other[ORDER : ORDER + len(draft.ids)]
    assert len(draft.ids) in LENGTHS
    assert drafter(other).draft(other[: ORDER - 1], None, 16).ids == []
    assert drafter().draft(other, None, 16).ids == []


def test_the_file_at_hand_comes_before_others() -> None:
    here, other = [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 90, 91, 92, 93]
    match = FileCache(here).find([9, 1, 2, 3, 4])
    draft = drafter(other).draft([9, 1, 2, 3, 4], match, 16)
    assert draft.ids[0] == 5
    assert draft.source == ("file", 4)


def test_what_was_written_a_moment_ago_is_drafted_again() -> None:
    drafts = drafter()
    drafts.note([10, 11, 12], [20, 21, 22, 23, 24])
    draft = drafts.draft([12, 20, 21], None, 16)
    assert draft.ids == [22, 23, 24][: len(draft.ids)]
    assert draft.ids
    assert draft.source == ("recent", 3)


def test_a_draft_is_never_longer_than_there_is_room() -> None:
    other = list(range(100, 140))
    for room in range(5):
        assert len(drafter(other).draft(other[:ORDER], None, room).ids) <= room


def test_drafts_are_long_where_they_were_right_and_short_where_not() -> None:
    policy = DraftPolicy()
    for drafted, cost in ((1, 1.0), (3, 1.3), (7, 1.9)):
        policy.learn_cost(drafted, cost)
    good: Source = ("file", 5)
    bad: Source = ("file", 2)
    for _ in range(30):
        policy.learn(Draft([1] * 7, good), 7)
        policy.learn(Draft([1] * 7, bad), 0)
    assert policy.length(good, 16) == 7
    assert policy.length(bad, 16) == 1


def test_drafts_are_short_where_long_steps_cost_too_much() -> None:
    policy = DraftPolicy()
    for drafted, cost in ((1, 1.0), (3, 9.0), (7, 20.0)):
        policy.learn_cost(drafted, cost)
    assert policy.length(("file", 8), 16) == 1


@given(st.lists(st.lists(st.integers(16, 40), max_size=30), max_size=6), st.integers(0, 9))
def test_an_ngram_cache_says_only_what_stood_somewhere(files: list[list[int]], n: int) -> None:
    cache = NgramCache()
    for ids in files:
        cache.learn(ids)
    for ids in files:
        for place in range(ORDER, len(ids)):
            found = cache.following(ids[:place], n)
            assert len(found) <= n
            assert all(any(token in other for other in files) for token in found)
            if n:
                # The last file that has these tokens decides.
                context = ids[place - ORDER : place]
                said = [
                    other[i + ORDER]
                    for other in files
                    for i in range(len(other) - ORDER)
                    if other[i : i + ORDER] == context
                ]
                assert found[0] == said[-1]


def places(files: list[Path], count: int) -> Iterator[CompletionRequest]:
    """Requests at `count` places, spread evenly over `files`; every third wants a block."""
    texts = {file.name: file.read_text("utf-8") for file in files}
    everywhere = [(name, i) for name, text in texts.items() for i in range(len(text))]
    for number in range(count):
        name, cut = everywhere[number * len(everywhere) // count]
        before, after = texts[name][:cut], texts[name][cut:]
        kind: Literal["line", "block"] = "line" if number % 3 else "block"
        yield CompletionRequest(name, before, after, kind=kind, max_new_tokens=24)


@pytest.mark.slow
def test_drafting_changes_no_token_of_500_completions() -> None:
    """What ships, greedy, with every source of drafts: equal to the plain way, to the last bit."""
    completer = Completer(Engine.load(load_bundle(shipped_bundle())))
    engine = completer.engine
    files = [ROOT / "examples/src/lib.rs", ROOT / "benchmarks/data/desk.rs"]
    for file in files:
        completer.learn(file.read_text("utf-8"))
    steps = written = 0
    for request in places(files, 500):
        engine.drafting = True
        drafted = completer.complete(request).generation
        engine.drafting = False
        plain = completer.complete(request).generation
        assert (drafted.ids, drafted.finish) == (plain.ids, plain.finish)
        assert drafted.logprobs == plain.logprobs
        assert plain.steps >= len(plain.ids) - 1
        steps, written = steps + drafted.steps, written + len(drafted.ids)
    assert steps < 0.6 * written
