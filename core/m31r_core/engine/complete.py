"""Text around a cursor in, completion out: the path of the server, the commands and the tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from m31r_core.engine.file_cache import FileCache
from m31r_core.engine.generate import Engine, GenerateOptions, Generation
from m31r_core.prompt import Chunk, Prompt, PromptBudget, build_prompt

# Characters on each side of the cursor in which the file cache looks for matches.
_SEARCHED = 16_000


@dataclass(frozen=True)
class CompletionRequest:
    """The text around a cursor, and whether a line or a block is wanted there."""

    path: str
    prefix: str
    suffix: str
    context: tuple[Chunk, ...] = ()
    kind: Literal["line", "block"] = "line"
    max_new_tokens: int = 64


@dataclass(frozen=True)
class Completion:
    """Text to insert at the cursor.

    `confidence`, 0 to 1, is the geometric mean of the probabilities of the tokens in `text`; 0
    when `text` is empty.
    """

    text: str
    confidence: float
    generation: Generation


class Completer:
    """Completes with one engine; like it, one request at a time."""

    def __init__(self, engine: Engine) -> None:
        """Complete with `engine`."""
        self.engine = engine

    def complete(
        self, request: CompletionRequest, *, cancelled: Callable[[], bool] | None = None
    ) -> Completion:
        """Complete at the cursor of `request`.

        A line ends before the first newline. A block ends where the model ends it; when it ran
        out of tokens, its unfinished last line is left out.
        """
        prompt = build_prompt(
            self.engine.tokenizer,
            path=request.path,
            prefix=request.prefix,
            suffix=request.suffix,
            context=request.context,
            budget=PromptBudget(
                context_length=self.engine.bundle.manifest.context_length,
                max_new_tokens=request.max_new_tokens,
            ),
        )
        generation = self.engine.generate(
            prompt,
            GenerateOptions(max_new_tokens=request.max_new_tokens),
            stop=_has_newline if request.kind == "line" else None,
            cancelled=cancelled,
            file_cache=self._file_cache(request, prompt),
        )
        text = generation.text
        if request.kind == "line":
            text = text.partition("\n")[0]
        elif generation.finish == "length" and "\n" in text:
            text = text.rpartition("\n")[0]
        return Completion(text, self._confidence(prompt, generation, text), generation)

    def _file_cache(self, request: CompletionRequest, prompt: Prompt) -> FileCache:
        encode = self.engine.tokenizer.encode_edited
        before = encode(request.prefix[-_SEARCHED:])
        if prompt.healed:
            before.pop()
        return FileCache(before, encode(request.suffix[:_SEARCHED]))

    def _confidence(self, prompt: Prompt, generation: Generation, text: str) -> float:
        first = len(prompt.healed)
        last = first + len(text.encode("utf-8"))
        logprobs = []
        end = 0
        for token, logprob in zip(generation.ids, generation.logprobs, strict=True):
            begin, end = end, end + len(self.engine.tokenizer.token_bytes(token))
            if end > first and begin < last:
                logprobs.append(logprob)
        return math.exp(sum(logprobs) / len(logprobs)) if text and logprobs else 0.0


def _has_newline(text: str) -> bool:
    return "\n" in text
