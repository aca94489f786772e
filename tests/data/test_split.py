"""Packages are spread over the splits by their names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_data.config import SplitConfig
from m31r_data.split import split_of


@given(st.text(alphabet="abcAB-_0", min_size=1, max_size=30))
def test_the_split_of_a_package_does_not_depend_on_how_its_name_is_written(name: str) -> None:
    config = SplitConfig(valid=0.3, test=0.3)
    written = {name, name.upper(), name.replace("-", "_")}
    assert len({split_of(form, config) for form in written}) == 1


def test_the_splits_have_their_shares() -> None:
    config = SplitConfig(valid=0.1, test=0.2)
    names = [split_of(f"crate-{i}", config) for i in range(5_000)]
    assert 0.08 < names.count("valid") / 5_000 < 0.12
    assert 0.18 < names.count("test") / 5_000 < 0.22
