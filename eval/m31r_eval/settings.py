"""Every number that an evaluation depends on; `configs/eval/complete.toml` spells them out."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    resamples: int = 1_000
    """Bootstrap resamples behind every interval."""

    def __post_init__(self) -> None:
        if min(self.max_new_tokens, self.queries, self.resamples) < 1:
            raise ValueError("the keys of [complete] must be at least 1")


@dataclass(frozen=True)
class Settings:
    """One evaluation file."""

    tasks: TaskSettings = field(default_factory=TaskSettings)
    ngram: NgramSettings = field(default_factory=NgramSettings)
    complete: CompleteSettings = field(default_factory=CompleteSettings)
