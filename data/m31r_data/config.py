"""The configuration of a dataset, as in configs/data/*.toml: every option with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SourceKind = Literal["auto", "pack", "crates", "crate-files", "sdists", "debian", "git", "parquet"]


@dataclass(frozen=True)
class SourceConfig:
    """Something to read.

    `kind` is how: `pack` (.jsonl or .jsonl.zst, a document a line), `crates` (a folder of crates
    or workspaces, a cargo registry's `src` folder, a vendor folder), `crate-files` (.crate files or
    a folder of them, a registry's `cache`), `sdists` (Python source distributions), `debian`
    (librust-*-dev packages), `git` (a repository at `commit`), `parquet`. `auto` looks at what is
    there. The `*_column` names are those of a pack or Parquet file; packs of ours have them so.
    """

    path: Path
    kind: SourceKind = "auto"
    commit: str = "HEAD"
    text_column: str = "text"
    path_column: str = "path"
    package_column: str = "package"
    version_column: str = "version"
    license_column: str = "license"


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may hold before it is refused whole. Sizes are bytes, unpacked.

    `max_ratio` is of unpacked to packed size: a decompression bomb is over it.
    """

    max_bytes: int = 1_000_000_000
    max_files: int = 100_000
    max_file_bytes: int = 4_000_000
    max_ratio: int = 200


@dataclass(frozen=True)
class FilterConfig:
    """Limits of the filters. Sizes are bytes, lines are characters, shares are 0 to 1.

    `max_table_share` and `max_binding_share` are of the lines that are rows of constants, or
    declarations without a body; `max_doc_attribute_share` is of lines like `#[doc = "…"]`, which
    programs write. `min_distinct_share` is of runs of four lines whose shape comes only once, in
    files of `min_distinct_lines` lines or more. `max_garbage_share` is of characters that no source
    text holds, `max_error_share` of bytes that do not parse.
    """

    min_bytes: int = 64
    max_bytes: int = 400_000
    max_mean_line: int = 120
    max_line: int = 4_000
    max_garbage_share: float = 0.005
    max_table_share: float = 0.5
    max_binding_share: float = 0.6
    max_doc_attribute_share: float = 0.1
    min_distinct_share: float = 0.2
    min_distinct_lines: int = 200
    max_error_share: float = 0.05
    skip_packages: tuple[str, ...] = ()
    skip_kinds: tuple[str, ...] = ("fixture",)


@dataclass(frozen=True)
class DecontaminationConfig:
    """Task files (JSON Lines of `m31r-eval`) and texts whose content must not be trained on.

    A document that shares `tokens` tokens in a row with one of them is dropped.
    """

    tasks: tuple[Path, ...] = ()
    tokens: int = 13


@dataclass(frozen=True)
class DedupConfig:
    """Near-duplicates: Jaccard similarity of sets of `shingle` tokens in a row, at least `jaccard`.

    MinHash-LSH finds candidates with `bands` bands of `rows` values; `sketch` is how many of the
    smallest shingle hashes of a document are kept to decide them (exact where it has no more).
    """

    enabled: bool = True
    jaccard: float = 0.8
    shingle: int = 5
    bands: int = 16
    rows: int = 6
    sketch: int = 1024


@dataclass(frozen=True)
class CompileConfig:
    """Compile verification: `vendor` is a directory source that dependencies come from.

    Crates are checked when `enabled` and read from folders (`crates`). Limits hold for each: wall
    seconds, memory and disk of all its processes together. `jobs` is how many units of one crate
    are compiled at a time; where workers are as many as cores, more than one gains nothing.
    `crates_together` crates share a sandbox and a target folder, so that dependencies are compiled
    once: several times faster, and only for sources that are trusted as a whole, as a
    distribution's are, since a hostile crate could then spoil the verdicts of those beside it.
    """

    enabled: bool = False
    vendor: Path | None = None
    seconds: float = 300.0
    memory_mb: int = 4096
    disk_mb: int = 2048
    jobs: int = 1
    crates_together: int = 1
    require_sandbox: bool = True


@dataclass(frozen=True)
class RepairConfig:
    """Repair pairs from crates that compile, by breaking them in small ways.

    The share `crate_share` of the crates is broken, drawn by their names. In a crate at most
    `mutants_per_crate` are tried, one for each `bytes_per_mutant` bytes of its library, and files
    are looked at until they have `crate_bytes` bytes together. At most the share `alone_share` of
    them can be felt outside of one function, and costs a run of rustc of its own.
    After all crates, pairs are chosen so that no code has more than `max_code_share` of them and
    codes of the borrow checker at least `min_borrow_share`.
    """

    enabled: bool = False
    crate_share: float = 1.0
    mutants_per_crate: int = 80
    bytes_per_mutant: int = 200
    crate_bytes: int = 600_000
    alone_share: float = 0.25
    max_code_share: float = 0.14
    min_borrow_share: float = 0.22


@dataclass(frozen=True)
class DeriveConfig:
    """Ready-made examples beside the code itself, each set in shards of its own.

    `fim` is the number of syntax-tree middles cut from a file of 1,000 tokens, `fim_psm` the share
    of them in prefix-suffix-middle order. `plan` is the share of the pieces of files that come
    again with plan comments, which take at most `plan_tokens` of an example's tokens. An example,
    repairs too, has at most `max_tokens`.
    """

    fim: float = 0.0
    fim_psm: float = 0.5
    plan: float = 0.0
    plan_tokens: float = 0.2
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        """Raise ValueError, naming the key, for what cannot be."""
        for name in ("fim_psm", "plan", "plan_tokens"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"'derive.{name}' must be 0 to 1, not {getattr(self, name)}")
        if self.fim < 0 or self.max_tokens < 128:
            raise ValueError("'derive.fim' must not be negative, nor 'derive.max_tokens' below 128")


@dataclass(frozen=True)
class SplitConfig:
    """Shares of the packages, not of the files, that are kept from training."""

    valid: float = 0.02
    test: float = 0.03

    def __post_init__(self) -> None:
        """Raise ValueError when nothing would be left to train on."""
        if not 0 <= self.valid + self.test < 1:
            raise ValueError("'splits.valid' and 'splits.test' must leave something to train on")


@dataclass(frozen=True)
class TokenizerConfig:
    """How the vocabulary is trained: on `sample_share` of the train split's files."""

    vocab_size: int = 8192
    sample_share: float = 0.2


@dataclass(frozen=True)
class SlurmConfig:
    """How `--executor slurm` queues the stages: each is a job array that waits for the one before.

    `time` limits one job, written as for sbatch. `options` are further options of sbatch, as
    `account=x`. The Python environment is that of the command, unless one of `activate` (a script
    to source), `condaenv` or `env_command` names another. An array has at most `max_array` jobs.
    Finished ranks are looked for every `poll_seconds`; with `detach` they are not waited for.
    """

    partition: str = ""
    time: str = "12:00:00"
    cpus_per_task: int = 1
    mem_per_cpu_gb: int = 2
    qos: str = ""
    options: tuple[str, ...] = ()
    activate: Path | None = None
    condaenv: str = ""
    env_command: str = ""
    max_array: int = 1000
    poll_seconds: float = 10.0
    detach: bool = False


@dataclass(frozen=True)
class DataConfig:
    """A dataset.

    Packages are spread over `buckets` by a hash of their names, and each bucket is written to
    shards of `shard_tokens` tokens: a change in one package touches one bucket. `work` (default:
    beside `output`) holds what is kept between runs; it may be deleted.
    """

    sources: tuple[SourceConfig, ...]
    output: Path
    tokenizer_file: Path
    work: Path | None = None
    seed: int = 0
    buckets: int = 16
    shard_tokens: int = 4_000_000
    unit_bytes: int = 8_000_000
    archives: ArchiveLimits = field(default_factory=ArchiveLimits)
    filters: FilterConfig = field(default_factory=FilterConfig)
    decontaminate: DecontaminationConfig = field(default_factory=DecontaminationConfig)
    dedup: DedupConfig = field(default_factory=DedupConfig)
    compile: CompileConfig = field(default_factory=CompileConfig)
    repair: RepairConfig = field(default_factory=RepairConfig)
    derive: DeriveConfig = field(default_factory=DeriveConfig)
    splits: SplitConfig = field(default_factory=SplitConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    slurm: SlurmConfig = field(default_factory=SlurmConfig)
