"""A Hugging Face folder with tokens to fill in the middle as a model, through transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from m31r_core.errors import M31RError
from m31r_eval.models.base import Answer, Asked, Drawn

OURS = ("<|suffix|>", "<|prefix|>")
"""Names of the tokens before suffix and prefix of our own models, in this order."""

FORMATS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"),
    ("<PRE>", "<SUF>", "<MID>"),
    OURS,
)
"""Names of the tokens before prefix, suffix and middle, of the models that have them."""

_SHARE_OF_SUFFIX = 0.25


class HuggingFaceModel:
    """Fills in the middle, on the CPU in float32: prefix, suffix, middle; ours suffix first."""

    def __init__(self, path: Path, *, threads: int | None) -> None:
        """Load it; nothing is fetched, no code of the folder runs.

        Raises M31RError without transformers, for a folder that is none, and for a vocabulary
        without tokens to fill in the middle.
        """
        try:
            import torch
            from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
            from transformers.utils import logging
        except ImportError as error:
            raise M31RError(
                "hf: needs PyTorch and transformers; pip install transformers"
            ) from error
        logging.disable_progress_bar()
        if threads is not None:
            torch.set_num_threads(threads)
        self.id = f"hf:{path.resolve().name}"
        try:
            self._tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"))
            self._model: Any = AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, dtype=torch.float32
            )
        except Exception as error:
            raise M31RError(f"{path}: transformers cannot load it: {error}") from error
        known = self._tokenizer.get_vocab()
        marks = next((f for f in FORMATS if all(name in known for name in f)), None)
        if marks is None:
            raise M31RError(f"{path}: no tokens to fill in the middle, such as {FORMATS[0][0]}")
        self._is_ours = marks == OURS
        self._marks = [known[name] for name in marks]
        config = self._model.config
        self._context = int(getattr(config, "max_position_embeddings", 2048))
        ends = [config.eos_token_id, known.get("<|end|>"), known.get("<|endoftext|>")]
        self._ends: set[int] = {*self._marks}
        for end in ends:
            self._ends.update(end if isinstance(end, list) else [end] if end is not None else [])

    def complete(self, asked: Asked, drawn: Drawn) -> Answer:
        """Return what the model writes behind its mark for the middle."""
        import torch

        room = self._context - drawn.max_new_tokens - len(self._marks)
        suffix = self._ids(asked.suffix)[: int(room * _SHARE_OF_SUFFIX)]
        prefix = self._ids(asked.prefix)[-(room - len(suffix)) :]
        if self._is_ours:
            order = [self._marks[0], *suffix, self._marks[1], *prefix]
        else:
            order = [self._marks[0], *prefix, self._marks[1], *suffix, self._marks[2]]
        ids = torch.tensor([order])
        torch.manual_seed(drawn.seed)
        draws: dict[str, Any] = {"do_sample": False}
        if drawn.temperature:
            draws = {"do_sample": True, "temperature": drawn.temperature, "top_p": drawn.top_p}
        stops: dict[str, Any] = {}
        if asked.whole_line:
            stops = {"stop_strings": ["\n"], "tokenizer": self._tokenizer}
        with torch.inference_mode():
            written = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=drawn.max_new_tokens,
                eos_token_id=sorted(self._ends),
                pad_token_id=min(self._ends),
                **draws,
                **stops,
            )[0, ids.shape[1] :].tolist()
        finish = "end" if written and written[-1] in self._ends else "length"
        text = self._tokenizer.decode([each for each in written if each not in self._ends])
        return Answer(str(text), details={"finish": finish, "tokens": len(written)})

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids
