"""Any GGUF as a model, through llama.cpp's server, asked as editor plugins ask it."""

from __future__ import annotations

import os
from pathlib import Path

from m31r_core.errors import M31RError
from m31r_eval.models.base import Answer, Asked, Drawn
from m31r_eval.models.llama_server import LlamaServer

CONTEXT = 4096
"""Tokens of prompt and answer; the server cuts what is longer."""


class LlamaModel:
    """Fills in the middle where the model has tokens for it, else goes on from the left."""

    def __init__(self, path: Path, *, threads: int | None) -> None:
        """Start the server. Raises M31RError without llama.cpp, or for a file it cannot load."""
        self.id = f"gguf:{path.stem}"
        self._server = LlamaServer(
            path, threads or min(4, os.cpu_count() or 1), CONTEXT, installed=True
        )
        self._fills = True

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return what llama.cpp writes; a line ends at its end."""
        options = {
            "n_predict": drawn.max_new_tokens,
            "temperature": drawn.temperature,
            "top_p": drawn.top_p,
            "seed": drawn.seed,
            "cache_prompt": True,
            "stop": ["\n"] if asked.whole_line else [],
        }
        if self._fills:
            extra = [{"filename": chunk.path, "text": chunk.text} for chunk in asked.context]
            body = {
                **options,
                "input_prefix": asked.prefix,
                "input_suffix": asked.suffix,
                "input_extra": extra,
            }
            try:
                return _answer(self._server.post("/infill", body))
            except M31RError as error:
                if "nfill" not in str(error):
                    raise
                self._fills = False
        return _answer(self._server.post("/completion", {**options, "prompt": asked.prefix}))

    def close(self) -> None:
        """End the server."""
        self._server.close()


def _answer(said: dict[str, object]) -> Answer:
    finish = "length" if said.get("stop_type") == "limit" else "end"
    return Answer(str(said["content"]), details={"finish": finish})
