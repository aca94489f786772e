"""A bundle of ours as a model, asked as the editor asks it."""

from __future__ import annotations

from pathlib import Path

from m31r_core.bundle import load_bundle
from m31r_core.engine import Completer, Engine
from m31r_core.engine.complete import CompletionRequest
from m31r_eval.models.base import Answer, Asked, Drawn


class BundleModel:
    """Completes with the engine of the server."""

    def __init__(self, path: Path, *, threads: int | None) -> None:
        """Load the bundle in `path`. Raises BundleError naming the file that is wrong."""
        bundle = load_bundle(path)
        self.id = bundle.manifest.model_id
        self._completer = Completer(Engine.load(bundle, threads=threads))

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return what the server would be given by the engine."""
        completion = self._completer.complete(
            CompletionRequest(
                path=asked.path,
                prefix=asked.prefix,
                suffix=asked.suffix,
                context=asked.context,
                kind="line" if asked.whole_line else "block",
                max_new_tokens=drawn.max_new_tokens,
                temperature=drawn.temperature,
                top_p=drawn.top_p,
                seed=drawn.seed,
            ),
            stop=drawn.stop,
        )
        generation = completion.generation
        return Answer(
            completion.text,
            confidence=completion.confidence,
            details={"finish": generation.finish, "tokens": len(generation.ids)},
            timings_ms={"prefill": generation.prefill_ms, "decode": generation.decode_ms},
        )
