import tempfile

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.dedup.runs import keys_of, merged, pairs_of, write_run

PAIR = st.tuples(st.integers(0, 40), st.integers(41, 90))


def test_keys_are_in_order_of_the_later_document() -> None:
    pairs = np.array([[0, 2], [1, 2], [0, 3], [2**31, 2**32 - 1]])

    keys = keys_of(pairs)

    assert (np.diff(keys.astype(object)) > 0).all()
    assert pairs_of(keys).tolist() == pairs.tolist()


@given(st.lists(st.lists(PAIR, max_size=60), max_size=5), st.integers(1, 100))
def test_runs_are_merged_in_parts_that_are_bounded(
    parts: list[list[tuple[int, int]]], held: int
) -> None:
    with tempfile.TemporaryFile() as file:
        runs = [write_run(file, np.array(part, dtype=np.int64).reshape(-1, 2)) for part in parts]
        found = list(merged(runs, held=held, least=4))

    together = [tuple(pair) for keys in found for pair in pairs_of(keys).tolist()]
    assert together == sorted({pair for part in parts for pair in part}, key=lambda p: p[::-1])
    assert all(len(keys) <= max(held, 4 * len(runs)) for keys in found)
