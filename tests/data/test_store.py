"""Results are whole or not there, whatever happens to the process that makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from m31r_data.store import Store, key_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "stage", "stage", tmp_path / "journal.jsonl")


def events(store: Store) -> list[tuple[str, str]]:
    rows = map(json.loads, store.journal.read_text().splitlines())
    return [(row["event"], row["unit"]) for row in rows]


def test_a_result_is_there_when_its_block_has_ended(store: Store) -> None:
    key = key_of("a", 1)
    with store.writing(key, "unit a") as folder:
        (folder / "x").write_text("1")
        assert not store.has(key)
    assert (store.path(key) / "x").read_text() == "1"
    assert events(store) == [("start", "unit a"), ("done", "unit a")]


def test_an_error_leaves_nothing(store: Store) -> None:
    key = key_of("a")
    with (
        pytest.raises(ZeroDivisionError),
        store.writing(key, "unit a") as folder,
    ):
        (folder / "x").write_text(str(1 / len(list(folder.iterdir()))))
    assert not store.has(key)
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_process_that_is_killed_leaves_nothing_that_counts(store: Store) -> None:
    key = key_of("a")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom m31r_data.store import Store\n"
        "store = Store(Path(sys.argv[1]), 'stage', Path(sys.argv[2]))\n"
        "with store.writing(sys.argv[3], 'unit a') as folder:\n"
        "    (folder / 'x').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(store.root), str(store.journal), key]
    assert subprocess.run(command, check=False).returncode == -9
    assert not store.has(key)
    with store.writing(key, "unit a") as folder:
        assert list(folder.iterdir()) == []
    store.prune([key])
    assert [path.name for path in store.root.glob("*/*")] == [key]


def test_pruning_keeps_what_is_named(store: Store) -> None:
    keys = [key_of(number) for number in range(5)]
    for key in keys:
        with store.writing(key, key):
            pass
    store.prune(keys[:2])
    assert [store.has(key) for key in keys] == [True, True, False, False, False]


def test_a_key_depends_on_every_part_and_on_no_order_of_maps() -> None:
    assert key_of("a", {"x": 1, "y": [2]}) == key_of("a", {"y": [2], "x": 1})
    assert (
        len({key_of("a", 1), key_of("a", 2), key_of("a", "1"), key_of("a"), key_of(["a", 1])}) == 5
    )
