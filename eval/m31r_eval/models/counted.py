"""The n-gram with a cache of the file as a model."""

from __future__ import annotations

from pathlib import Path

from m31r_eval import ngram
from m31r_eval.models.base import Answer, Asked, Drawn
from m31r_eval.settings import NgramSettings


class Ngram:
    """Completes by counts; the file around the cursor is counted when it is first asked about."""

    id = "ngram"

    def __init__(self, path: Path, settings: NgramSettings) -> None:
        """Read what `m31r-eval ngram` wrote. Raises M31RError naming the file."""
        self._model = ngram.load(path)
        self._settings = settings
        self._completers: dict[int, ngram.NgramCompleter] = {}
        self._file: tuple[str, str] | None = None
        self._cache = ngram.FileCache(self._model.order, ())

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return the likeliest text by counts alone."""
        limit = drawn.max_new_tokens
        if limit not in self._completers:
            self._completers[limit] = ngram.NgramCompleter(self._model, self._settings, limit)
        completer = self._completers[limit]
        # While one types, the file around the first cursor is what was counted.
        if self._file is None or not (
            asked.suffix == self._file[1] and asked.prefix.startswith(self._file[0])
        ):
            self._file = (asked.prefix, asked.suffix)
            self._cache = completer.open(*self._file)
        text = completer.complete(asked.prefix, self._cache, whole_line=asked.whole_line)
        return Answer(text)
