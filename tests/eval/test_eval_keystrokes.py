from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_eval.keystrokes import Typing, simulate


def test_a_right_suggestion_costs_one_key() -> None:
    assert simulate("foo(bar)", lambda typed: "foo(bar)\n}", queries=8) == Typing(8, 1, 1)


def test_typing_goes_on_until_a_suggestion_is_right() -> None:
    suggestions = {"": "self.head", "self.t": "ail.take()", "self.": "never asked for"}
    asked: list[str] = []

    def suggest(typed: str) -> str:
        asked.append(typed)
        return suggestions[typed]

    # "self." agrees with what is on screen; "t" does not, and the next suggestion is right.
    assert simulate("self.tail.take()  ", suggest, queries=8) == Typing(10, 7, 2)
    assert asked == ["", "self.t"]


def test_a_suggestion_that_stops_early_is_not_accepted() -> None:
    typing = simulate("abc", {"": "ab", "abc": ""}.__getitem__, queries=8)
    assert typing == Typing(accepted=0, keys=3, queries=1)


def test_queries_are_limited() -> None:
    assert simulate("x" * 50, lambda typed: "", queries=3) == Typing(0, 50, 3)


def test_a_known_first_suggestion_is_not_asked_for_again() -> None:
    assert simulate("abcd", {"a": "bcd"}.__getitem__, queries=2, first="") == Typing(3, 2, 2)


@given(st.text(alphabet="ab ;", max_size=20), st.lists(st.text(alphabet="ab ;", max_size=5)))
def test_characters_are_typed_or_accepted(middle: str, suggestions: list[str]) -> None:
    left = iter(suggestions)
    typing = simulate(middle, lambda typed: next(left, ""), queries=8)
    accepting = 1 if typing.accepted else 0
    assert typing.keys - accepting + typing.accepted == len(middle.rstrip())
    assert typing.queries <= 8
