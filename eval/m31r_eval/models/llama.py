"""Any GGUF as a model, through llama.cpp's server, asked as editor plugins ask it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from m31r_core.errors import M31RError
from m31r_eval.models.base import Answer, Asked, Drawn
from m31r_eval.models.llama_server import LlamaServer

CONTEXT = 4096
"""Tokens of prompt and answer, where the model has seen as many in training."""

_SHARE_OF_SUFFIX = 0.25
_SHARE_OF_OTHERS = 0.25
_SPARE = 32
"""Tokens for marks between the parts, and for what is cut otherwise when put together."""


class LlamaModel:
    """Fills in the middle where the model has tokens for it, else goes on from the left."""

    def __init__(self, path: Path, *, threads: int | None) -> None:
        """Start the server, which ends with this process.

        Raises M31RError without llama.cpp, or for a file it cannot load.
        """
        self.id = f"gguf:{path.stem}"
        self._server = LlamaServer(
            path, threads or min(4, os.cpu_count() or 1), CONTEXT, installed=True
        )
        settings = self._server.get("/props")["default_generation_settings"]
        self._context = int(settings["n_ctx"])
        self._fills = False
        with contextlib.suppress(M31RError):
            self._server.post("/infill", {"input_prefix": "a", "input_suffix": "b", "n_predict": 1})
            self._fills = True

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return what llama.cpp writes; a line ends at its end."""
        body = {
            "n_predict": drawn.max_new_tokens,
            "temperature": drawn.temperature,
            "top_p": drawn.top_p,
            "seed": drawn.seed,
            "cache_prompt": True,
            "stop": ["\n"] if asked.whole_line else [],
        }
        room = self._context - drawn.max_new_tokens - _SPARE
        if not self._fills:
            prompt = self._fit(asked.prefix, room, from_end=True)
            return _answer(self._server.post("/completion", {**body, "prompt": prompt}))
        suffix = self._fit(asked.suffix, int(room * _SHARE_OF_SUFFIX))
        others = [
            {"filename": chunk.path, "text": self._fit(chunk.text, int(room * _SHARE_OF_OTHERS))}
            for chunk in asked.context[:1]
        ]
        left = room - self._count(suffix) - sum(self._count(each["text"]) for each in others)
        more = {
            "input_prefix": self._fit(asked.prefix, left, from_end=True),
            "input_suffix": suffix,
            "input_extra": others,
        }
        return _answer(self._server.post("/infill", {**body, **more}))

    def _count(self, text: str) -> int:
        return len(self._server.post("/tokenize", {"content": text})["tokens"]) if text else 0

    def _fit(self, text: str, tokens: int, *, from_end: bool = False) -> str:
        """Return the beginning of `text`, or its end, that has at most `tokens` tokens."""
        while text and (count := self._count(text)) > tokens:
            length = int(len(text) * tokens / count * 0.95)
            text = text[len(text) - length :] if from_end else text[:length]
        return text


def _answer(said: dict[str, object]) -> Answer:
    finish = "length" if said.get("stop_type") == "limit" else "end"
    return Answer(str(said["content"]), details={"finish": finish})
