"""The same input gives the same bytes: wherever it is built, and however often it is killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from m31r_core.shards import read_manifest
from m31r_data.store import KEY
from tests.data.executors.conftest import needs_ray
from tests.data.executors.sample import (
    NEW_CRATE,
    Line,
    Sample,
    build,
    contents,
    journal,
    start_build,
    write_config,
    write_sample,
)

pytestmark = pytest.mark.slow

KILLS = 10
# No kill waits for one of the last lines: on a busy machine the build would be done before it.
LAST_LINES = 14
BY_UNIT = ("prepare", "encode")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def reference(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset that one worker makes of the sample."""
    output = tmp_path_factory.mktemp("reference") / "dataset"
    environment = {"PYTHONHASHSEED": "1"}
    build(sample.config, output, "--workers", "1", environment=environment)
    found = contents(output)
    for name in ("train", "fim-train", "plan-train"):
        assert any(file.startswith(f"{name}-0") for file in found), name
    return output


def test_two_workers_and_another_hash_seed(sample: Sample, reference: Path, tmp_path: Path) -> None:
    output = tmp_path / "dataset"
    environment = {"PYTHONHASHSEED": "2"}
    build(sample.config, output, "--workers", "2", environment=environment)
    assert contents(output) == contents(reference)
    assert Counter(journal(output)) == Counter(journal(reference))


@needs_ray
def test_two_nodes_of_a_ray_cluster(
    sample: Sample, reference: Path, ray_cluster: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "dataset"
    options = ("--executor", "ray", "--workers", "2")
    build(sample.config, output, *options, environment=ray_cluster)
    assert contents(output) == contents(reference)


def test_another_folder_and_another_day(sample: Sample, reference: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "elsewhere" / "moved"
    shutil.copytree(sample.folder, inputs, copy_function=shutil.copyfile)
    output = tmp_path / "out" / "made"
    build(write_config(tmp_path / "data.toml", inputs), output, "--workers", "1")
    assert read_manifest(output) == read_manifest(reference)
    old, new = contents(reference), contents(output)
    assert {file for file in old | new if old.get(file) != new.get(file)} == {KEY}


def test_a_second_build_does_nothing(sample: Sample, reference: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in reference.parent.rglob("*")}
    before = journal(reference)
    assert "nothing to do" in build(sample.config, reference, "--workers", "2")
    assert journal(reference) == before
    lock = reference.with_name("dataset.work") / "lock"
    assert {path: path.stat().st_mtime_ns for path in times if path != lock} == {
        path: when for path, when in times.items() if path != lock
    }


def test_a_new_crate_costs_itself_and_a_bucket(
    sample: Sample, reference: Path, tmp_path: Path
) -> None:
    inputs = shutil.copytree(sample.folder, tmp_path / "input")
    output = shutil.copytree(reference, tmp_path / "dataset")
    shutil.copytree(reference.with_name("dataset.work"), tmp_path / "dataset.work")
    config = write_config(tmp_path / "data.toml", inputs)
    before = journal(output)
    shutil.copytree(sample.new_crate, inputs / "crates" / NEW_CRATE)
    build(config, output, "--workers", "1")
    done = Counter(line.stage for line in journal(output)[len(before) :] if line.event == "done")
    units = {line.unit for line in journal(output)[len(before) :] if line.stage in BY_UNIT}
    assert units == {NEW_CRATE}
    assert {stage: done[stage] for stage in (*BY_UNIT, "assemble")} == dict.fromkeys(
        (*BY_UNIT, "assemble"), 1
    )
    old, new = contents(reference), contents(output)
    changed = {file for file in old | new if old.get(file) != new.get(file)}
    assert len({file.rsplit("-", 2)[-2] for file in changed if file.count("-") > 1}) == 1


def test_killed_at_random_moments(sample: Sample, reference: Path, tmp_path: Path) -> None:
    """Each time, a little later: after so many more lines of the journal, and some milliseconds."""
    output = tmp_path / "dataset"
    chance = random.Random(31)
    undisturbed = journal(reference)
    moments = sorted(chance.sample(range(2, len(undisturbed) - LAST_LINES), KILLS))
    kills = 0
    for moment in moments:
        running = start_build(sample.config, output, "--workers", "2")
        while len(journal(output)) < moment and running.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        kills += running.returncode == -signal.SIGKILL
    assert kills == KILLS
    build(sample.config, output, "--workers", "2")
    assert contents(output) == contents(reference)
    lines = journal(output)
    assert_nothing_is_done_twice(lines, undisturbed, in_flight=kills * 2)
    left = [path.name for path in tmp_path.rglob("*") if "partial" in path.name]
    assert left == ["plan.partial"] or left == []


def assert_nothing_is_done_twice(
    lines: list[Line], undisturbed: list[Line], in_flight: int
) -> None:
    """What was finished never starts again; only what was in flight at a kill does."""
    done: set[tuple[str, str]] = set()
    starts: Counter[tuple[str, str]] = Counter()
    for line in lines:
        unit = (line.stage, line.unit)
        if line.event == "start":
            assert unit not in done
            starts[unit] += 1
        else:
            done.add(unit)
    assert set(starts) == {(line.stage, line.unit) for line in undisturbed}
    assert starts.total() - len(starts) <= in_flight


def test_killed_while_the_dataset_is_put_together(
    sample: Sample, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "dataset"
    partial = tmp_path / "dataset.partial"
    for _ in range(3):
        before = partial.stat().st_ctime_ns if partial.exists() else 0
        running = start_build(sample.config, output, "--workers", "1")
        while running.poll() is None:
            with suppress(FileNotFoundError):
                if partial.stat().st_ctime_ns != before:
                    break
        # On a busy machine the build may be done by now.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        assert not output.exists() or contents(output) == contents(reference)
    build(sample.config, output, "--workers", "1")
    assert contents(output) == contents(reference)
