"""Text around a cursor in, completion out: the path of the server, the commands and the tests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from m31r_core.blocks import cut_block
from m31r_core.brackets import first_closed_outside, open_within
from m31r_core.engine.confidence import Calibration, Evidence
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
# Kept free for the answer in every prompt, so that lines and blocks are asked for with the same.
_ROOM_FOR_ANSWER = 64
# Texts of other files whose token ids are kept.
_ENCODED = 256


@dataclass(frozen=True)
class CompletionRequest:
    """The text around a cursor, and whether a line or a block is wanted there.

    `context` is shown to the model; `searched` are texts, those nearest last, that the file cache
    looks into as it does into the file. With a `temperature` tokens are drawn, equal ones for equal
    seeds; 0 is greedy.
    """

    path: str
    prefix: str
    suffix: str
    context: tuple[Chunk, ...] = ()
    searched: tuple[str, ...] = ()
    kind: Literal["line", "block"] = "line"
    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Completion:
    """Text to insert at the cursor.

    `confidence`, 0 to 1, is the chance that the text is right, as far as the bundle's calibration
    knows; 0 when `text` is empty. `ends` says behind which byte of the text each token of the
    generation ends; healed ones end at 0.
    """

    text: str
    confidence: float
    generation: Generation
    ends: tuple[int, ...] = ()

    def evidence(self, start: int, end: int) -> Evidence:
        """Return what the model said of the text's characters from `start` to `end`."""
        first, last = (len(self.text[:place].encode()) for place in (start, end))
        tokens = list(zip((0, *self.ends), self.ends, self.generation.logprobs, strict=False))
        behind = next((logprob for begin, _, logprob in tokens if begin == last > 0), 0.0)
        if not behind and end == len(self.text) == len(self.generation.text):
            behind = self.generation.end_logprob
        logprobs = (each for begin, to, each in tokens if to > first and begin < last)
        return Evidence(tuple(logprobs), behind, end - start)


class Completer:
    """Completes with one engine; like it, one request at a time."""

    def __init__(self, engine: Engine) -> None:
        """Complete with `engine`. Raises M31RError for a calibration that cannot be read."""
        self.engine = engine
        file = engine.bundle.calibration
        self.calibration = Calibration() if file is None else Calibration.load(file)
        self._encoded: OrderedDict[str, list[int]] = OrderedDict()

    def complete(
        self,
        request: CompletionRequest,
        *,
        stop: Callable[[str], bool] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Completion:
        """Complete at the cursor of `request`.

        A line ends before the first newline. A block ends where the model ends it, at the bracket
        that closes it (`cut_block`), or when `stop` says so of its text; when it ran out of
        tokens, its unfinished last line is left out. Neither ends while a bracket that it opened is
        open: the prompt hides from the model where its own text began.
        """
        prompt = self._prompt(request)
        generation = self.engine.generate(
            prompt,
            GenerateOptions(
                request.max_new_tokens, request.temperature, request.top_p, request.seed
            ),
            stop=_has_newline if request.kind == "line" else _block_is_over(stop),
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
                max_new_tokens=max(request.max_new_tokens, _ROOM_FOR_ANSWER),
            ),
        )

    def _completion(
        self, request: CompletionRequest, prompt: Prompt, generation: Generation
    ) -> Completion:
        text = generation.text
        if request.kind == "line":
            text = text.partition("\n")[0]
        else:
            if generation.finish == "length" and "\n" in text:
                text = text.rpartition("\n")[0]
            text = cut_block(request.prefix, text, request.suffix)
        ends, end = [], -len(prompt.healed)
        for token in generation.ids:
            end += len(self.engine.tokenizer.token_bytes(token))
            ends.append(max(end, 0))
        completion = Completion(text, 0.0, generation, tuple(ends))
        return replace(completion, confidence=self.confidence(completion, len(text)))

    def confidence(self, completion: Completion, length: int) -> float:
        """Return the chance, 0 to 1, that the first `length` characters of a text are right.

        A calibration is of lines: of several, each must be right.
        """
        chance, start = float(bool(completion.text[:length].strip())), 0
        for line in completion.text[:length].split("\n"):
            if line.strip():
                evidence = completion.evidence(start, start + len(line))
                chance *= self.calibration.confidence(evidence)
            start += len(line) + 1
        return chance

    def _file_cache(self, request: CompletionRequest, prompt: Prompt) -> FileCache:
        encode = self.engine.tokenizer.encode_edited
        before = encode(request.prefix[-_SEARCHED:])
        if prompt.healed:
            before.pop()
        others = [self._ids(text) for text in request.searched]
        return FileCache(*others, before, encode(request.suffix[:_SEARCHED]))

    def _ids(self, text: str) -> list[int]:
        ids = self._encoded.pop(text, None) or self.engine.tokenizer.encode(text)
        self._encoded[text] = ids
        while len(self._encoded) > _ENCODED:
            self._encoded.popitem(last=False)
        return ids


def _has_newline(text: str) -> bool:
    return "\n" in text


def _is_closed(text: str) -> bool:
    return not open_within(text)


def _block_is_over(stop: Callable[[str], bool] | None) -> Callable[[str], bool]:
    """Return what says that a block is closed, or that `stop` says so."""

    def is_over(text: str) -> bool:
        return first_closed_outside(text) is not None or (stop is not None and stop(text))

    return is_over
