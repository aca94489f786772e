"""`m31r-train data build`: the stages from sources to token shards, in their order."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from m31r_core.errors import M31RError
from m31r_core.shards import Shard, read_manifest, shard_files
from m31r_core.tokenizer import Tokenizer
from m31r_data.config import DataConfig
from m31r_data.document import Document
from m31r_data.executors import ExecutorName, Progress, Stage, run_stages
from m31r_data.plan import Plan, Stores, load_plan, make_plan, save_plan, work_folder
from m31r_data.records import read_prepared
from m31r_data.store import KEY

if TYPE_CHECKING:
    from datatrove.pipeline.base import PipelineStep

Until = Literal["prepare", "dedup", "all"]


def build_dataset(
    config: DataConfig,
    *,
    workers: int = 1,
    executor: ExecutorName = "local",
    until: Until = "all",
    progress: Progress | None = None,
) -> bool:
    """Make the dataset that `config` describes at `config.output`; False if it stands there.

    What was finished before, by this or a killed build, is not done again. The dataset is put
    together beside its place and renamed: what stands at `output` is always whole. With `until`,
    stop behind that stage, without a tokenizer. `progress` is called with a stage, how many of its
    ranks are done, and how many there are. Raises M31RError naming a source, a tokenizer, or
    the stage and what went wrong in it, or when no document passes.
    """
    work = work_folder(config)
    work.mkdir(parents=True, exist_ok=True)
    with _locked(work / "lock"):
        if until == "all":
            _check_tokenizer(config.tokenizer_file)
        plan = make_plan(config, encode=until == "all")
        if until == "all" and _stands(config.output, plan):
            return False
        save_plan(plan, config)
        stages = list(build_stages(plan, config, until))
        run_stages(
            stages,
            executor=executor,
            workers=workers,
            logs=work / "logs",
            slurm=config.slurm,
            progress=progress,
        )
    return True


def kept_documents(config: DataConfig) -> Iterator[Document]:
    """Yield what a build `until` "dedup" left, in order of its units."""
    from m31r_data.stages.dedup import Duplicates
    from m31r_data.stages.prepare import DOCUMENTS

    plan, stores = load_plan(config), Stores(work_folder(config))
    duplicates = Duplicates(plan, stores)
    for unit, key in enumerate(plan.prepared):
        copies = duplicates.of_unit(unit)
        rows = read_prepared(stores.prepared.path(key) / DOCUMENTS)
        passed = (row.document for row in rows if not row.reason)
        yield from (document for i, document in enumerate(passed) if i not in copies)


def build_stages(plan: Plan, config: DataConfig, until: Until = "all") -> Iterator[Stage]:
    """Yield the stages of a build that have something to do."""
    # What a stage needs is imported where the stage is made: `--help` must not wait for it.
    from m31r_data.stages.assemble import AssembleBuckets
    from m31r_data.stages.crates import CheckCrates
    from m31r_data.stages.dedup import CANDIDATE_RANKS, DecideDuplicates, FindCandidates
    from m31r_data.stages.encode import EncodeUnits
    from m31r_data.stages.finish import Finish
    from m31r_data.stages.prepare import prepare_steps
    from m31r_data.stages.select import SelectPairs

    stores = Stores(work_folder(config))
    yield Stage("prepare", partial(prepare_steps, config), len(plan.batches["prepare"]))
    if until == "prepare":
        return
    if not stores.duplicates.has(plan.duplicates):
        yield Stage("candidates", partial(_one, FindCandidates, config), CANDIDATE_RANKS)
        yield Stage("duplicates", partial(_one, DecideDuplicates, config), 1)
    if until == "dedup":
        return
    yield Stage("crates", partial(_one, CheckCrates, config), len(plan.batches["crates"]))
    if config.repair.enabled and not stores.selected.has(plan.selected):
        yield Stage("select", partial(_one, SelectPairs, config), 1)
    yield Stage("encode", partial(_one, EncodeUnits, config), len(plan.batches["encode"]))
    yield Stage("assemble", partial(_one, AssembleBuckets, config), config.buckets)
    yield Stage("finish", partial(_one, Finish, config), 1)


def _one(step: Callable[[DataConfig], PipelineStep], config: DataConfig) -> list[PipelineStep]:
    return [step(config)]


def _check_tokenizer(path: Path) -> None:
    if Tokenizer.load(path).vocab_size > 2**16:
        raise M31RError(f"{path}: over 65,536 tokens do not fit 16-bit shards")


def _stands(output: Path, plan: Plan) -> bool:
    """Whether `output` is the dataset that the plan would make, all of its files at their sizes."""
    try:
        if (output / KEY).read_text(encoding="utf-8") != plan.build:
            return False
        manifest = read_manifest(output)
    except (OSError, M31RError):
        return False
    shards = [Shard(**shard) for shards in manifest["splits"].values() for shard in shards]
    return all(
        (output / f"{shard.name}.tokens").is_file()
        and (output / f"{shard.name}.tokens").stat().st_size == 2 * shard.tokens
        and all((output / name).is_file() for name in shard_files(shard))
        for shard in shards
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the work folder for this process; the lock ends with it, however it ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise M31RError(f"{path}: another build is using this work folder") from error
        yield
