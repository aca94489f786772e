"""Every number that an evaluation depends on; `configs/eval/` spells them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def _must_be_positive(table: str, values: Mapping[str, float]) -> None:
    """Raise ValueError naming the first key of a table that is not above 0."""
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{table}.{name} must be above 0")


@dataclass(frozen=True)
class TaskSettings:
    """How line tasks are cut from the dataset."""

    min_letters: int = 3
    """Letters that the rest of the line must hold."""
    prefix_bytes: int = 8_000
    """UTF-8 bytes kept before the cursor, cut at a line start."""
    suffix_bytes: int = 4_000
    """UTF-8 bytes kept after the middle, cut at a line end."""
    package_share: float = 0.05
    """Largest share of the tasks that one package may give, while others can fill the rest."""
    tries: int = 30
    """Random cursors looked at in one file before it is given up."""

    def __post_init__(self) -> None:
        if not 0 < self.package_share <= 1:
            raise ValueError("tasks.package_share must be above 0 and at most 1")
        if min(self.min_letters, self.prefix_bytes, self.suffix_bytes, self.tries) < 1:
            raise ValueError("the other keys of [tasks] must be at least 1")


@dataclass(frozen=True)
class NgramSettings:
    """The back-off n-gram baseline."""

    order: int = 6
    """Longest n-gram: it looks at the last `order - 1` tokens."""
    alpha: float = 0.4
    """Stupid back-off's factor for every token of context that is given up."""
    cache_weight: float = 0.5
    """Share of the score that the counts of the task's own file give."""
    continuations: int = 16
    """Most frequent next tokens kept for one context."""

    def __post_init__(self) -> None:
        if not 2 <= self.order <= 8:
            raise ValueError("ngram.order must be from 2 to 8")
        if not 0 < self.alpha <= 1:
            raise ValueError("ngram.alpha must be above 0 and at most 1")
        if not 0 <= self.cache_weight <= 1:
            raise ValueError("ngram.cache_weight must be from 0 to 1")
        if self.continuations < 1:
            raise ValueError("ngram.continuations must be at least 1")


@dataclass(frozen=True)
class CompleteSettings:
    """How completion tasks are run and scored."""

    max_new_tokens: int = 64
    queries: int = 8
    """Suggestions asked for in one keystroke simulation, the first one included."""
    task_s: float = 300.0
    """Wall time of one task, after which it counts as not answered."""
    resamples: int = 1_000
    """Bootstrap resamples behind every interval."""

    def __post_init__(self) -> None:
        if min(self.max_new_tokens, self.queries, self.task_s, self.resamples) < 1:
            raise ValueError("the keys of [complete] must be at least 1")


@dataclass(frozen=True)
class CheckSettings:
    """How completions are put into real crates and checked."""

    max_new_tokens: int = 96
    check_s: float = 20.0
    """Wall time of one check; a completion that takes longer does not compile."""
    prepare_s: float = 300.0
    """Wall time in which cargo builds one crate and all that it depends on."""
    memory_mb: int = 4_096
    """Address space, and all memory, of one compiler, in units of 2**20 bytes."""
    open_crates: int = 3
    """Crates that a worker keeps warm at the same time."""
    resamples: int = 1_000
    """Bootstrap resamples behind every interval."""

    def __post_init__(self) -> None:
        _must_be_positive("check", vars(self))


@dataclass(frozen=True)
class GenerateSettings:
    """How programs are sampled, compiled and run."""

    samples: int = 10
    """Programs drawn for each task."""
    temperature: float = 0.6
    top_p: float = 0.95
    max_new_tokens: int = 256
    run_s: float = 5.0
    """Wall time that a program may run."""
    build_s: float = 20.0
    """Wall time of its compilation."""
    memory_mb: int = 2_048
    """Address space of a compiler or a program, in units of 2**20 bytes."""
    processes: int = 64
    """Threads and processes that a program may have."""
    resamples: int = 1_000
    """Bootstrap resamples behind every interval."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError("generate.temperature must not be negative")
        if not 0 < self.top_p <= 1:
            raise ValueError("generate.top_p must be above 0 and at most 1")
        _must_be_positive("generate", {**vars(self), "temperature": 1.0})


@dataclass(frozen=True)
class ReplaySettings:
    """How recorded typing is played to a server: for `latency` and `memory`."""

    speed: float = 1.0
    """How much faster than it was typed; pauses are divided by it."""
    longest_pause_ms: float = 1_500.0
    """Pauses of the typist are cut to this."""
    answer_s: float = 20.0
    """Wall time after which an answer counts as missing."""
    repeats: int = 10
    """How often `memory` plays each trace, without pauses."""
    resamples: int = 1_000
    """Bootstrap resamples behind every interval."""

    def __post_init__(self) -> None:
        _must_be_positive("replay", vars(self))


@dataclass(frozen=True)
class RepairSettings:
    """How repair tasks are run and judged; rustc's suggestions alone have the same limits."""

    seconds: float = 10.0
    """Wall time of one search. What it cuts off depends on the machine; `checks` does not."""
    checks: int = 200
    """Compilations of one search."""
    checks_per_error: int = 24
    """Candidates checked for one error."""
    steps: int = 6
    """Candidates laid on each other, for every error at the start."""
    lanes: int = 2
    """Compilations of one search at the same time; a part of the result, so not the machine's."""
    run_s: float = 10.0
    """Wall time that a repaired program, or its tests, may run."""
    grace_s: float = 240.0
    """Wall time that a task may take beyond its two searches before it is given up."""
    memory_mb: int = 2_048
    """Address space of a compiler or a program, in units of 2**20 bytes."""
    processes: int = 64
    """Threads and processes that a program may have."""
    resamples: int = 1_000
    """Bootstrap resamples behind every interval."""

    def __post_init__(self) -> None:
        _must_be_positive("repair", vars(self))


@dataclass(frozen=True)
class SuiteSettings:
    """How task files are made of whole crates: which ones, and how many tasks of each kind."""

    crates: tuple[str, ...] = ()
    """Folders of the directory source; none of their packages may be trained on."""
    line: int = 240
    token: int = 120
    block: int = 240
    body: int = 240
    api: int = 160
    context: int = 80
    repair: int = 160
    ownership: int = 180
    check_s: float = 30.0
    """Wall time of one check of whether a place is compiled at all."""

    def __post_init__(self) -> None:
        _must_be_positive("suites", {**vars(self), "crates": 1})

    def count(self, kind: str) -> int:
        """Return how many tasks of `kind` are wanted."""
        wanted: int = getattr(self, kind)
        return wanted


@dataclass(frozen=True)
class Settings:
    """One evaluation file."""

    tasks: TaskSettings = field(default_factory=TaskSettings)
    ngram: NgramSettings = field(default_factory=NgramSettings)
    complete: CompleteSettings = field(default_factory=CompleteSettings)
    check: CheckSettings = field(default_factory=CheckSettings)
    generate: GenerateSettings = field(default_factory=GenerateSettings)
    replay: ReplaySettings = field(default_factory=ReplaySettings)
    repair: RepairSettings = field(default_factory=RepairSettings)
    suites: SuiteSettings = field(default_factory=SuiteSettings)
