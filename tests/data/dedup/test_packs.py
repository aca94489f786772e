"""The packs that growth is measured with hold what they say, and it is found."""

import json
from pathlib import Path

import numpy as np
import pytest

from m31r_core.syntax import parse
from m31r_data.config import DedupConfig
from m31r_data.dedup.bands import candidate_pairs, exact_pairs
from m31r_data.dedup.resolve import duplicates
from tests.data.dedup.packs import Written, write_packs
from tests.data.dedup.texts import runs_with, write_files

CONFIG = DedupConfig()


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    folder = tmp_path_factory.mktemp("packs")
    return folder, write_packs(folder, 4_000_000, 1, corpus=folder / "none", base=1_000_000)


def rows(folder: Path) -> list[dict[str, str]]:
    lines = [line for file in sorted(folder.iterdir()) for line in file.read_bytes().splitlines()]
    return [json.loads(line) for line in lines]


def test_texts_parse_and_copies_are_new(packs: tuple[Path, Written]) -> None:
    folder, written = packs
    found = rows(folder)

    assert written.documents == len(found) > 400
    assert written.lines == sum(row["text"].count("\n") for row in found)
    assert not any(parse(row["text"].encode()).root_node.has_error for row in found[::10])


def test_what_was_planted_is_what_is_found(packs: tuple[Path, Written], tmp_path: Path) -> None:
    folder, written = packs
    found = rows(folder)
    planted = {n for n, row in enumerate(found) if row["package"].endswith("-again")}
    files = write_files(tmp_path, [[row["text"] for row in found]], CONFIG)

    bands = [candidate_pairs(files, band) for band in range(CONFIG.bands)]
    with runs_with(exact_pairs(files), *bands) as runs:
        gone = np.concatenate(list(duplicates(files, runs, CONFIG)))

    assert len(planted) == written.planted > 0.08 * written.documents
    assert len(planted & set(gone["document"].tolist())) >= 0.98 * len(planted)
    assert len(gone) <= 1.02 * len(planted)
    assert 0 < np.count_nonzero(gone["exact"]) < len(gone)
