import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.errors import M31RError
from m31r_data.config import DedupConfig
from m31r_data.dedup.shingles import shingle_hashes, token_hashes
from m31r_data.dedup.sketch import SketchFile, sketch_of, write_sketches
from tests.data.dedup.texts import document, edited, jaccard, write_files

CONFIG = DedupConfig()


def test_texts_that_differ_in_white_space_have_one_sketch() -> None:
    one = sketch_of("fn f() { g(1); }", CONFIG)
    other = sketch_of("fn f()\r\n{\n\tg(1);\n}\n", CONFIG)

    assert one.exact == other.exact
    assert one.bands.tolist() == other.bands.tolist()
    assert sketch_of("fn f() { g(2); }", CONFIG).exact != one.exact


def test_bottom_holds_the_least_hashes_and_all_where_there_are_few() -> None:
    text = document(random.Random(1)) * 2
    hashes = shingle_hashes(token_hashes(text), CONFIG.shingle) >> np.uint64(32)

    short = sketch_of(text, DedupConfig(sketch=50))
    assert short.bottom.tolist() == hashes[:50].tolist()
    assert short.size == len(hashes) > 50
    assert sketch_of(text, DedupConfig(sketch=10**6)).bottom.tolist() == hashes.tolist()


@pytest.mark.parametrize(("functions", "share"), [(1, 0.03), (1, 0.1), (6, 0.03), (6, 0.1)])
def test_bands_are_equal_as_often_as_the_similarity_says(functions: int, share: float) -> None:
    chance = random.Random(2)
    config = DedupConfig(bands=1000, rows=1)
    similar, equal = [], []
    for _ in range(40):
        one = "\n".join(document(chance) for _ in range(functions))
        other = edited(one, chance, share)
        similar.append(jaccard(one, other, config.shingle))
        bands = [sketch_of(text, config).bands for text in (one, other)]
        equal.append((bands[0] == bands[1]).mean())

    assert np.mean(equal) == pytest.approx(np.mean(similar), abs=0.02)


@given(st.lists(st.lists(st.text(max_size=40), max_size=4), max_size=4))
def test_files_give_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[str]]
) -> None:
    config = DedupConfig(shingle=2, bands=3, rows=2, sketch=4)
    files = write_files(tmp_path_factory.mktemp("sketches"), parts, config)

    for file, part in zip(files, parts, strict=True):
        sketches = [sketch_of(text, config) for text in part]
        rows = file.rows(np.arange(len(part)))
        bottoms = np.split(rows.bottom, np.cumsum(rows.counts)[:-1]) if part else []
        assert len(file) == len(part)
        assert rows.exact.T.tobytes() == b"".join(each.exact for each in sketches)
        assert rows.sizes.tolist() == [each.size for each in sketches]
        assert [each.tolist() for each in bottoms] == [each.bottom.tolist() for each in sketches]
        for band in range(3):
            assert file.band(band).tolist() == [int(each.bands[band]) for each in sketches]


def test_the_same_texts_give_the_same_bytes(tmp_path: Path) -> None:
    chance = random.Random(3)
    texts = [document(chance) for _ in range(5)]
    one, other = (write_files(tmp_path / name, [texts], CONFIG)[0] for name in "ab")

    for name in ("columns.npy", "bottom.npy"):
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_sketches(tmp_path, [sketch_of("fn f() {}", CONFIG)])
    path = tmp_path / "columns.npy"
    path.write_bytes(path.read_bytes()[:-8])

    with pytest.raises(M31RError, match=r"columns\.npy: damaged"):
        len(SketchFile(tmp_path))
