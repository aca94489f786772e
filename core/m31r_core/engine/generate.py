"""Prompt in, text out: one generation at a time, on a KV cache that stays between calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m31r_core.bundle import Bundle, BundleError
from m31r_core.engine.file_cache import FileCache
from m31r_core.engine.sampling import choose, token_logprobs
from m31r_core.engine.session import Session, default_threads
from m31r_core.prompt import LAYOUT, Prompt
from m31r_core.tokenizer import NEVER_WRITTEN, SPECIALS, Tokenizer

# Tokens in one prefill step: cancellation is looked at between two.
_CHUNK = 128

Finish = Literal["end", "stop", "length", "cancelled"]


@dataclass(frozen=True)
class GenerateOptions:
    """How to decode. Temperature 0 is greedy; equal seeds draw equal tokens."""

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError naming a field that is out of range."""
        if self.max_new_tokens < 0:
            raise ValueError(f"'max_new_tokens' must not be negative, not {self.max_new_tokens}")
        if self.temperature < 0:
            raise ValueError(f"'temperature' must not be negative, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"'top_p' must be above 0 and at most 1, not {self.top_p}")


@dataclass(frozen=True)
class Generation:
    """What was generated, why it ended and what it cost.

    `text` is without the healed bytes and never ends inside a character. `ids` are all tokens
    written, healed ones included, an ending special one not; `logprobs` are theirs, in nats.
    """

    text: str
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish
    prefill_tokens: int
    reused_tokens: int
    prefill_ms: float
    decode_ms: float


class Engine:
    """A loaded model with one KV cache. Not thread-safe: one generation at a time."""

    def __init__(self, bundle: Bundle, tokenizer: Tokenizer, session: Session) -> None:
        """Join the parts that `load` makes."""
        self.bundle = bundle
        self.tokenizer = tokenizer
        self._session = session

    @classmethod
    def load(cls, bundle: Bundle, *, threads: int | None = None) -> Engine:
        """Load the model of `bundle`; `threads` defaults to the available cores, at most 4.

        Raises BundleError, naming the file, when tokenizer, graph and manifest do not belong
        together or were made for another version of this program.
        """
        manifest = bundle.manifest
        tokenizer = Tokenizer.load(bundle.tokenizer)
        where = bundle.path / "m31r.json"
        if manifest.prompt_layout != LAYOUT:
            raise BundleError(f"{where}: prompt layout {manifest.prompt_layout} is not {LAYOUT}")
        if manifest.special_tokens != SPECIALS:
            raise BundleError(f"{where}: other special tokens than this version uses")
        if tokenizer.vocab_size != manifest.vocab_size:
            raise BundleError(
                f"{bundle.tokenizer}: {tokenizer.vocab_size} tokens where m31r.json says "
                f"{manifest.vocab_size}"
            )
        session = Session(bundle, default_threads() if threads is None else threads)
        return cls(bundle, tokenizer, session)

    def generate(
        self,
        prompt: Prompt,
        options: GenerateOptions,
        *,
        stop: Callable[[str], bool] | None = None,
        may_end: Callable[[str], bool] | None = None,
        cancelled: Callable[[], bool] | None = None,
        file_cache: FileCache | None = None,
    ) -> Generation:
        """Continue `prompt` until the model ends, `stop` is true, or there is no more room.

        With a `file_cache`, the model's probabilities are mixed with what the file says. Plans and
        diagnostics are for training: their special tokens have no probability, and a model that
        would write a plan writes the code that it was for.

        `stop` gets the text so far, without the healed bytes, after every token that adds to it.
        `may_end` gets the same before every token; where it is false the model may not end.
        `cancelled` is asked before every step of the model. What the cache holds of the prompt
        is not computed again. Raises ValueError for an empty prompt.
        """
        if not prompt.ids:
            raise ValueError("a prompt needs at least one token")
        writer = _Writer(self.tokenizer, prompt.healed)
        random = np.random.default_rng(options.seed)
        session = self._session
        begin = perf_counter()
        reused = computed = 0
        logits: NDArray[np.float32] | None = None
        finish: Finish = "length"
        if len(prompt.ids) <= session.context_length and options.max_new_tokens > 0:
            reused = min(_common_prefix(session.ids, prompt.ids), len(prompt.ids) - 1)
            session.rewind(reused)
            logits = self._prefill(prompt.ids[reused:], cancelled)
            computed = len(session.ids) - reused
            finish = "length" if logits is not None else "cancelled"
        prefilled = perf_counter()
        while logits is not None:
            if file_cache is not None:
                logits = file_cache.mix(logits, session.ids)
            logits[list(NEVER_WRITTEN)] = -np.inf
            if may_end is not None and not may_end(writer.text()):
                logits[: len(SPECIALS)] = -np.inf
            token, logprob = choose(
                logits,
                allowed=writer.allowed(),
                temperature=options.temperature,
                top_p=options.top_p,
                random=random,
            )
            if token < len(SPECIALS):
                finish = "end"
                break
            writer.add(token, logprob)
            if stop is not None and not writer.healing and stop(writer.text()):
                finish = "stop"
                break
            if len(writer.ids) >= options.max_new_tokens:
                break
            if len(session.ids) >= session.context_length:
                break
            if cancelled is not None and cancelled():
                finish = "cancelled"
                break
            logits = session.forward([token], [0])[0]
        return Generation(
            text=writer.text(),
            ids=tuple(writer.ids),
            logprobs=tuple(writer.logprobs),
            finish=finish,
            prefill_tokens=computed,
            reused_tokens=reused,
            prefill_ms=(prefilled - begin) * 1e3,
            decode_ms=(perf_counter() - prefilled) * 1e3,
        )

    def logprobs(
        self,
        prompt: Prompt,
        continuations: Sequence[Sequence[int]],
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[NDArray[np.float64]] | None:
        """Return the log-probability, in nats, of every token of each continuation.

        Teacher forced: each token is judged with the prompt and those before it. What the cache
        holds of the prompt, and what continuations begin with alike, is computed once. The
        healed bytes of the prompt are the caller's to put in. Returns None when cancelled.
        Raises ValueError for an empty prompt and for more tokens than the context holds.
        """
        if not prompt.ids:
            raise ValueError("a prompt needs at least one token")
        session, first = self._session, len(prompt.ids) - 1
        session.rewind(min(_common_prefix(session.ids, prompt.ids), first))
        missing = prompt.ids[len(session.ids) : first]
        if missing and self._prefill(missing, cancelled) is None:
            return None
        answers = [np.empty(0)] * len(continuations)
        last: Sequence[int] = ()
        known = np.empty(0)
        # In this order what two have in common is mostly what one has with the one before.
        for i in sorted(range(len(continuations)), key=lambda i: tuple(continuations[i])):
            ids = continuations[i]
            shared = _common_prefix(last, ids)
            parts = [known[:shared]]
            session.rewind(first + shared)
            fed = [*prompt.ids[-1:], *ids]
            for start in range(shared, len(ids), _CHUNK):
                if cancelled is not None and cancelled():
                    return None
                end = min(start + _CHUNK, len(ids))
                logits = session.forward(fed[start:end], range(end - start))
                parts.append(token_logprobs(logits, ids[start:end]))
            last, known = ids, np.concatenate(parts)
            answers[i] = known
        return answers

    def _prefill(
        self, ids: Sequence[int], cancelled: Callable[[], bool] | None
    ) -> NDArray[np.float32] | None:
        """Append `ids` and return the last one's logits [V], or None when cancelled."""
        logits: NDArray[np.float32] | None = None
        for start in range(0, len(ids), _CHUNK):
            if cancelled is not None and cancelled():
                return None
            chunk = ids[start : start + _CHUNK]
            logits = self._session.forward(chunk, [len(chunk) - 1])[0]
        return logits


class _Writer:
    """The tokens written so far, and what is left of the bytes they must begin with."""

    def __init__(self, tokenizer: Tokenizer, healed: bytes) -> None:
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self._tokenizer = tokenizer
        self._rest = healed
        self._written = b""

    @property
    def healing(self) -> bool:
        """Whether bytes to begin with are left."""
        return bool(self._rest)

    def allowed(self) -> NDArray[np.int64] | None:
        """Return the ids that can come next, or None for all."""
        return self._tokenizer.tokens_compatible_with(self._rest) if self._rest else None

    def add(self, token: int, logprob: float) -> None:
        data = self._tokenizer.token_bytes(token)
        self.ids.append(token)
        self.logprobs.append(logprob)
        self._written += data[len(self._rest) :]
        self._rest = self._rest[len(data) :]

    def text(self) -> str:
        return _whole_characters(self._written).decode("utf-8", errors="replace")


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    length = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        length += 1
    return length


def _whole_characters(data: bytes) -> bytes:
    """Return `data` without the beginning of a UTF-8 character at its end."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if length > back else data
    return data
