"""How close a bundle is to the PyTorch model that it was made from."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from m31r_core.engine.session import Session
from m31r_core.errors import ConfigError
from m31r_core.model import Decoder
from m31r_core.prompt import Prompt, PromptBudget, build_prompt
from m31r_core.tokenizer import SPECIALS, Tokenizer

_PROMPT_TOKENS = 512


@dataclass(frozen=True)
class Parity:
    """Agreement at `tokens` places behind prompts: logits, and the greedy choice from them."""

    prompts: int
    tokens: int
    equal: int
    largest_difference: float

    @property
    def equal_share(self) -> float:
        """Share of places, 0 to 1, where both models choose the same token."""
        return self.equal / self.tokens if self.tokens else 1.0


def measure_parity(
    decoder: Decoder, session: Session, prompts: Iterable[Prompt], steps: int
) -> Parity:
    """Compare `session` with `decoder` (float32) behind each prompt.

    The session continues each prompt greedily, by `steps` tokens or until a special one; the
    decoder reads the same tokens and says what it would have chosen in each place.
    """
    count = tokens = equal = 0
    largest = 0.0
    for prompt in prompts:
        ids, rows = _continue(session, prompt.ids, steps)
        with torch.inference_mode():
            hidden = decoder.hidden(torch.tensor([ids]))[0, len(prompt.ids) - 1 :]
            expected = torch.nn.functional.linear(hidden, decoder.model.embed_tokens.weight)
        reference = expected.numpy()
        count += 1
        tokens += len(rows)
        equal += int((rows.argmax(-1) == reference.argmax(-1)).sum())
        largest = max(largest, float(np.abs(rows - reference).max()))
    return Parity(count, tokens, equal, largest)


def _continue(
    session: Session, prompt: Sequence[int], steps: int
) -> tuple[list[int], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Return prompt and continuation but for its last token, and the logits behind the prompt."""
    session.rewind(0)
    first = session.prefill(prompt)
    assert first is not None, "a prompt has at least its path"
    rows = [first]
    while len(rows) < steps and (token := int(rows[-1].argmax())) >= len(SPECIALS):
        rows.append(session.forward([token], [0])[0])
    return list(session.ids), np.stack(rows)


def sample_prompts(
    text: Path, tokenizer: Tokenizer, count: int, *, steps: int, context_length: int, seed: int = 0
) -> list[Prompt]:
    """Return `count` prompts at random places of the Rust files at or under `text`.

    Hidden folders and `target` are passed over. Raises ConfigError when there is no Rust.
    """
    files = [text] if text.is_file() else sorted(text.rglob("*.rs"))
    files = [file for file in files if not _hidden(file.relative_to(text))]
    if not files:
        raise ConfigError(f"{text}: no Rust files there; name some with --text")
    budget = PromptBudget(min(context_length, _PROMPT_TOKENS), steps)
    chance = random.Random(seed)
    prompts = []
    for _ in range(count):
        file = chance.choice(files)
        source = file.read_text(encoding="utf-8", errors="replace")
        cut = chance.randint(0, len(source))
        prompt = build_prompt(
            tokenizer, path=file.name, prefix=source[:cut], suffix=source[cut:], budget=budget
        )
        prompts.append(prompt)
    return prompts


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "target" for part in path.parts)
