"""The funnel loses what was dropped, each reason at its step, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_data.funnel import funnel, step_of

counts = st.lists(st.integers(0, 1000), min_size=3, max_size=3)
reasons = st.sampled_from(
    ["kind fixture", "licence unknown", "too small", "syntax errors", "duplicate", "near-duplicate"]
)


@given(st.dictionaries(reasons, counts))
def test_what_is_left_at_the_end_is_what_was_not_dropped(dropped: dict[str, list[int]]) -> None:
    read = [sum(column) + 7 for column in zip([0, 0, 0], *dropped.values(), strict=True)]
    rows = funnel(read, dropped)
    assert [rows[-1][name] for name in ("files", "bytes", "tokens")] == [7, 7, 7]
    files = [int(row["files"]) for row in rows]
    assert files == sorted(files, reverse=True)


def test_each_reason_has_its_step() -> None:
    assert step_of("kind fixture") == "kind and package"
    assert step_of("licence not permissive") == "licence"
    assert step_of("archive refused: damaged") == "readable"
    assert step_of("duplicate") == "exact duplicates"
    assert step_of("near-duplicate") == "near-duplicates"
    assert step_of("table of constants") == "quality"
