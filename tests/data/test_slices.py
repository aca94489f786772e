"""Entries of a unit come back bucket by bucket, as they were."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.shards import DocumentRecord
from m31r_data.slices import Encoded, buckets_in, read_slice, write_slices

ids = st.lists(st.integers(0, 2**16 - 1), max_size=20)
entries = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["code", "fim"]), st.text(), ids))


@given(entries)
def test_nothing_is_lost_and_order_holds(found: list[tuple[int, str, str, list[int]]]) -> None:
    written = [
        (
            bucket,
            Encoded(
                name,
                number,
                DocumentRecord("p", "1", path, "MIT", "src", "0" * 64),
                len(each),
                np.array(each, dtype=np.uint16),
            ),
        )
        for number, (bucket, name, path, each) in enumerate(found)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_slices(folder, written)
        assert buckets_in(folder) == {bucket for bucket, _ in written}
        for bucket in range(4):
            read = list(read_slice(folder, bucket))
            mine = [entry for other, entry in written if other == bucket]
            assert [(each.set, each.number, each.record, each.text_bytes) for each in read] == [
                (each.set, each.number, each.record, each.text_bytes) for each in mine
            ]
            assert [each.ids.tolist() for each in read] == [each.ids.tolist() for each in mine]
