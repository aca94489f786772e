"""The models of a run: the one that is evaluated, and those beside it."""

from __future__ import annotations

from dataclasses import dataclass

from m31r_core.errors import ConfigError
from m31r_eval.models import Model, ModelSpec, identify, open_model
from m31r_eval.settings import NgramSettings


@dataclass(frozen=True)
class Contestants:
    """Which models answer every task; it can be sent to another process."""

    model: ModelSpec
    beside: tuple[ModelSpec, ...]
    threads: int | None
    ngram: NgramSettings

    def names(self) -> tuple[str, tuple[str, ...], str]:
        """Return the model's id, the ids of those beside it, and a digest of all of them.

        Raises M31RError naming what is missing, ConfigError for two of the same name.
        """
        found = [identify(spec) for spec in (self.model, *self.beside)]
        names = [name for name, _ in found]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"--beside: two models are called {name!r}; leave one out")
        return names[0], tuple(names[1:]), repr([self.ngram, *found])

    def open(self) -> tuple[Model, dict[str, Model]]:
        """Load all of them: the model, and the others by what they are called."""
        model, *others = (
            open_model(spec, threads=self.threads, ngram=self.ngram)
            for spec in (self.model, *self.beside)
        )
        return model, {other.id: other for other in others}
