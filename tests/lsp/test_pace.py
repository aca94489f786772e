"""How long to wait for the next key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_lsp.pace import Pace


def typed(interval_s: float, *, in_time: bool, keys: int = 50) -> Pace:
    pace = Pace()
    for i in range(keys):
        pace.asked(i * interval_s)
        pace.answered(in_time=in_time)
    return pace


def test_nobody_waits_at_first_nor_where_answers_come_in_time() -> None:
    assert Pace().wait_s(0.15) == 0
    assert typed(0.1, in_time=True).wait_s(0.15) == 0


def test_a_fast_typist_on_a_slow_machine_is_waited_for() -> None:
    assert 0.05 < typed(0.06, in_time=False).wait_s(0.15) < 0.07


def test_the_wait_has_a_bound_and_can_be_switched_off() -> None:
    assert typed(0.4, in_time=False).wait_s(0.15) == 0.15
    assert typed(0.4, in_time=False).wait_s(0) == 0


def test_it_ends_when_answers_come_in_time_again() -> None:
    pace = typed(0.06, in_time=False)
    for i in range(30):
        pace.asked(100 + i)
        pace.answered(in_time=True)
    assert pace.wait_s(0.15) < 0.001


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=30))
def test_the_wait_is_never_negative(events: list[tuple[float, bool]]) -> None:
    pace = Pace()
    for now, in_time in events:
        pace.asked(now)
        pace.answered(in_time=in_time)
    assert 0 <= pace.wait_s(0.15) <= 0.15
