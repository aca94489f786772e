"""Text around a cursor in, completion out: the path of the server, the commands and the tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from m31r_core.brackets import open_within
from m31r_core.engine.decoding import GenerateOptions
from m31r_core.engine.file_cache import FileCache
from m31r_core.engine.generate import Engine, Generation
from m31r_core.prompt import Chunk, Prompt, PromptBudget, build_prompt
from m31r_core.tokenizer import END

# Characters on each side of the cursor in which the file cache looks for matches.
_SEARCHED = 16_000
# Tokens kept free for the texts to be scored grow by this many; a healed token and the end that
# come on top are fewer than these.
_ROOM_STEP = 64
_HEALED_TOKENS = 16


@dataclass(frozen=True)
class CompletionRequest:
    """The text around a cursor, and whether a line or a block is wanted there.

    With a `temperature` tokens are drawn, equal ones for equal seeds; 0 is greedy.
    """

    path: str
    prefix: str
    suffix: str
    context: tuple[Chunk, ...] = ()
    kind: Literal["line", "block"] = "line"
    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


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
        self,
        request: CompletionRequest,
        *,
        stop: Callable[[str], bool] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Completion:
        """Complete at the cursor of `request`.

        A line ends before the first newline. A block ends where the model ends it, or when `stop`
        says so of its text; when it ran out of tokens, its unfinished last line is left out.
        Neither ends while a bracket that it opened is open: the prompt hides from the model where
        its own text began.
        """
        prompt = self._prompt(request)
        generation = self.engine.generate(
            prompt,
            GenerateOptions(
                request.max_new_tokens, request.temperature, request.top_p, request.seed
            ),
            stop=_has_newline if request.kind == "line" else stop,
            may_end=_is_closed,
            cancelled=cancelled,
            file_cache=self._file_cache(request, prompt),
        )
        return self._completion(request, prompt, generation)

    def warm(
        self, request: CompletionRequest, *, cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Compute and keep what a completion at the cursor of `request` begins with."""
        self.engine.warm(self._prompt(request), cancelled=cancelled)

    def forget(self) -> None:
        """Drop what was computed of prompts."""
        self.engine.slots.clear()

    def learn(self, text: str) -> None:
        """Remember what a file says, to draft what comes again in others."""
        self.engine.drafter.workspace.learn(self.engine.tokenizer.encode(text))

    def candidates(
        self,
        request: CompletionRequest,
        n: int,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Completion]:
        """Return up to `n` completions of different text, the likeliest first.

        They come of a beam, decoded as one batch on one prefill. When cancelled, what is finished
        by then is returned.
        """
        prompt = self._prompt(request)
        hypotheses = self.engine.beam(
            prompt,
            n,
            request.max_new_tokens,
            stop=_has_newline if request.kind == "line" else None,
            may_end=_is_closed,
            cancelled=cancelled,
            file_cache=self._file_cache(request, prompt),
        )
        found: dict[str, Completion] = {}
        for each in hypotheses:
            completion = self._completion(request, prompt, each)
            found.setdefault(completion.text, completion)
        return list(found.values())[:n]

    def score(
        self,
        path: str,
        prefix: str,
        texts: Sequence[str],
        suffix: str,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[float]:
        """Return the log-probability, in nats, of each text standing between prefix and suffix.

        It is that of all tokens and of the end behind them, where the suffix goes on: the sum,
        as texts that compete for one place are complete answers to one question, and a mean
        would prefer the longer of two. Of a text longer than half the context only the
        beginning is judged. Returns an empty list when cancelled.
        """
        tokenizer = self.engine.tokenizer
        longest = max((len(tokenizer.encode(text)) for text in texts), default=0)
        # In steps, so that the prompt of the next question is mostly the one in the cache.
        room = -(-(longest + _HEALED_TOKENS) // _ROOM_STEP) * _ROOM_STEP
        room = min(room, self.engine.bundle.manifest.context_length // 2)
        prompt = self._prompt(CompletionRequest(path, prefix, suffix, max_new_tokens=room))
        rows = [[*tokenizer.encode_bytes(prompt.healed + text.encode()), END] for text in texts]
        found = self.engine.logprobs(prompt, [row[:room] for row in rows], cancelled=cancelled)
        return [] if found is None else [float(each.sum()) for each in found]

    def _prompt(self, request: CompletionRequest) -> Prompt:
        return build_prompt(
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

    def _completion(
        self, request: CompletionRequest, prompt: Prompt, generation: Generation
    ) -> Completion:
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


def _is_closed(text: str) -> bool:
    return not open_within(text)
