"""Several places are kept at once, each as far as a prompt begins like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.bundle import load_bundle
from m31r_core.engine.graph import Graph
from m31r_core.engine.session import Session
from m31r_core.engine.slots import Slots, common_prefix

IDS = st.lists(st.integers(0, 3), max_size=40)


@pytest.fixture(scope="module")
def graph(random_bundle: Path) -> Graph:
    return Graph(load_bundle(random_bundle), 1)


def use(slots: Slots, ids: list[int]) -> tuple[Session, int]:
    """Fill the slot for `ids` as a generation does; return it and what it held already."""
    session = slots.take(ids)
    reused = len(session.ids)
    if ids[reused:]:
        session.forward(ids[reused:], [0])
    return session, reused


@given(IDS, IDS)
def test_common_prefix_is_the_plain_definition(left: list[int], right: list[int]) -> None:
    length = common_prefix(left, right)
    assert left[:length] == right[:length]
    assert length == min(len(left), len(right)) or left[length] != right[length]


def test_typing_and_deleting_stay_in_a_slot(graph: Graph) -> None:
    slots = Slots(graph)
    text = list(range(20, 100))
    first, _ = use(slots, text)
    assert use(slots, [*text, 101]) == (first, 80)
    assert use(slots, [*text, 101, 102]) == (first, 81)
    assert use(slots, text[:70]) == (first, 70)


def test_going_between_files_keeps_both(graph: Graph) -> None:
    slots = Slots(graph)
    one, two = list(range(20, 100)), list(range(120, 200))
    use(slots, one)
    use(slots, two)
    assert use(slots, [*one, 50])[1] == 80
    assert use(slots, [*two, 50])[1] == 80


def test_what_two_places_share_is_copied_not_computed(graph: Graph) -> None:
    slots = Slots(graph)
    shared, one, two = list(range(20, 60)), list(range(100, 170)), list(range(200, 270))
    first, _ = use(slots, shared + one)
    second, reused = use(slots, shared + two)
    assert second is not first
    assert reused == 40
    assert use(slots, shared + one) == (first, 110)
    fresh = Session(graph)
    fresh.forward(shared + two, [0])
    np.testing.assert_array_equal(second.forward([33], [0]), fresh.forward([33], [0]))


def test_the_slot_that_was_not_used_for_longest_goes(graph: Graph) -> None:
    slots = Slots(graph, most=3)
    places = [list(range(start, start + 60)) for start in (20, 100, 180, 260)]
    for place in places[:3]:
        use(slots, place)
    use(slots, places[0])
    use(slots, places[3])
    assert [use(slots, places[i])[1] for i in (0, 2, 3)] == [60, 60, 60]
    assert use(slots, places[1])[1] == 0


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_the_order_a_slot_holds_what_it_says(graph: Graph, data: st.DataObject) -> None:
    """Logits behind any prompt are those of a session without a past, to the last bit."""
    slots = Slots(graph, most=2)
    beginnings = data.draw(st.lists(st.lists(st.integers(16, 60), min_size=4), min_size=1))
    for beginning in beginnings:
        ids = (beginning * 20)[: data.draw(st.integers(1, 60))]
        session, _ = use(slots, ids)
        fresh = Session(graph)
        fresh.forward(ids, [0])
        assert session.ids == ids
        np.testing.assert_array_equal(session.forward([20], [0]), fresh.forward([20], [0]))


def test_memory_is_bounded(graph: Graph) -> None:
    slots = Slots(graph)
    for start in range(16, 300, 20):
        use(slots, list(range(start, start + 20)))
    assert len(slots._sessions) == slots.most == 4
    graph_of_gigabytes = Graph.__new__(Graph)
    graph_of_gigabytes.__dict__ |= graph.__dict__ | {"context_length": 1 << 20}
    assert Slots(graph_of_gigabytes).most == 1
