"""Prompt in, text out: one generation at a time, on a KV cache that stays between calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from m31r_core.bundle import Bundle, BundleError
from m31r_core.engine.beam import Beam
from m31r_core.engine.decoding import Decoding, Finish, GenerateOptions
from m31r_core.engine.drafts import Drafter, DraftPolicy
from m31r_core.engine.file_cache import FileCache
from m31r_core.engine.graph import Graph
from m31r_core.engine.kv_cache import KVCache
from m31r_core.engine.ngrams import NgramCache
from m31r_core.engine.rules import Rules
from m31r_core.engine.sampling import token_logprobs
from m31r_core.engine.session import CHUNK, Session
from m31r_core.engine.slots import Slots, common_prefix
from m31r_core.engine.writer import Writer
from m31r_core.prompt import LAYOUT, Prompt
from m31r_core.tokenizer import SPECIALS, Tokenizer


@dataclass(frozen=True)
class Generation:
    """What was generated, why it ended and what it cost.

    `text` is without the healed bytes and never ends inside a character. `ids` are all tokens
    written, healed ones included, an ending special one not; `logprobs` are theirs, in nats, and
    `end_logprob` is that of the special one, 0 where there is none.
    The model ran `steps` times for them, after the prefill, and was shown `drafted` tokens to
    verify, of which `accepted` were what it would have written.
    """

    text: str
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish
    prefill_tokens: int
    reused_tokens: int
    prefill_ms: float
    decode_ms: float
    steps: int = 0
    drafted: int = 0
    accepted: int = 0
    end_logprob: float = 0.0


class Engine:
    """A loaded model and its KV caches. Not thread-safe: one generation at a time.

    `drafter` knows what may come next, and `drafting` says whether it is asked.
    """

    def __init__(self, bundle: Bundle, tokenizer: Tokenizer, graph: Graph) -> None:
        """Join the parts that `load` makes."""
        self.bundle = bundle
        self.tokenizer = tokenizer
        self.graph = graph
        self.slots = Slots(graph)
        self.drafter = Drafter(NgramCache(), DraftPolicy())
        self.drafting = True
        self._beam_cache: KVCache | None = None

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
        return cls(bundle, tokenizer, Graph(bundle, threads))

    def share(self) -> Engine:
        """Return an engine for another thread: the same weights, KV caches of its own."""
        return Engine(self.bundle, self.tokenizer, self.graph)

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

        `stop` gets the text so far, without the healed bytes, after every token that adds to it,
        and texts that are only drafted: it must depend on the text alone. `may_end` gets the text
        before every token; where it is false the model may not end.
        `cancelled` is asked before every step of the model; a `Stop` ends a step under way too.
        What a cache holds of the prompt is not computed again. At temperature 0 tokens are
        drafted from the file and the workspace and verified several in one step, which changes
        the time and nothing else. Raises ValueError for an empty prompt.
        """
        begin = perf_counter()
        if len(prompt.ids) > self.graph.context_length or options.max_new_tokens == 0:
            return Generation("", (), (), "length", 0, 0, 0.0, 0.0)
        session, reused, logits = self._begin(prompt, cancelled)
        computed = len(session.ids) - reused
        prefilled = perf_counter()
        decoding = Decoding(
            session,
            Writer(self.tokenizer, prompt.healed),
            options,
            Rules(options.max_new_tokens, stop, may_end, file_cache),
            self.drafter if self.drafting and options.temperature == 0 else None,
        )
        finish: Finish = "cancelled"
        if logits is not None:
            finish = decoding.run(logits, cancelled)
        writer = decoding.writer
        self.drafter.note(prompt.ids, writer.ids)
        return Generation(
            text=writer.text(),
            ids=tuple(writer.ids),
            logprobs=tuple(writer.logprobs),
            finish=finish,
            prefill_tokens=computed,
            reused_tokens=reused,
            prefill_ms=(prefilled - begin) * 1e3,
            decode_ms=(perf_counter() - prefilled) * 1e3,
            steps=decoding.steps,
            drafted=decoding.drafted,
            accepted=decoding.accepted,
            end_logprob=decoding.end_logprob,
        )

    def beam(
        self,
        prompt: Prompt,
        width: int,
        max_new_tokens: int,
        *,
        stop: Callable[[str], bool] | None = None,
        may_end: Callable[[str], bool] | None = None,
        cancelled: Callable[[], bool] | None = None,
        file_cache: FileCache | None = None,
    ) -> list[Generation]:
        """Return continuations of `prompt`, the likeliest first, from a beam of `width`.

        They are decoded as one batch on one prefill. The rest as in `generate`; when cancelled,
        what was finished is returned. Raises ValueError for an empty prompt.
        """
        if len(prompt.ids) >= self.graph.context_length or max_new_tokens < 1:
            return []
        begin = perf_counter()
        session, reused, logits = self._begin(prompt, cancelled)
        if logits is None:
            return []
        prefilled = perf_counter()
        if self._beam_cache is None or self._beam_cache.sequences != width:
            self._beam_cache = KVCache(self.graph, width)
        rules = Rules(max_new_tokens, stop, may_end, file_cache)
        search = Beam(self._beam_cache, session, rules)
        found = search.run(Writer(self.tokenizer, prompt.healed), logits, cancelled)
        decode_ms = (perf_counter() - prefilled) * 1e3
        return [
            Generation(
                text=each.writer.text(),
                ids=tuple(each.writer.ids),
                logprobs=tuple(each.writer.logprobs),
                finish=each.finish or "cancelled",
                prefill_tokens=len(session.ids) - reused,
                reused_tokens=reused,
                prefill_ms=(prefilled - begin) * 1e3,
                decode_ms=decode_ms,
                steps=search.steps,
                end_logprob=each.end_logprob,
            )
            for each in found
        ]

    def warm(self, prompt: Prompt, *, cancelled: Callable[[], bool] | None = None) -> None:
        """Compute what a generation behind `prompt` would compute first, and keep it."""
        if 0 < len(prompt.ids) <= self.graph.context_length:
            self._begin(prompt, cancelled)

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
        session, first = self.slots.take(prompt.ids), len(prompt.ids) - 1
        session.rewind(min(len(session.ids), first))
        missing = prompt.ids[len(session.ids) : first]
        if missing and session.prefill(missing, cancelled) is None:
            return None
        answers = [np.empty(0)] * len(continuations)
        last: Sequence[int] = ()
        known = np.empty(0)
        # In this order what two have in common is mostly what one has with the one before.
        for i in sorted(range(len(continuations)), key=lambda i: tuple(continuations[i])):
            ids = continuations[i]
            shared = common_prefix(last, ids)
            parts = [known[:shared]]
            session.rewind(first + shared)
            fed = [*prompt.ids[-1:], *ids]
            for start in range(shared, len(ids), CHUNK):
                if cancelled is not None and cancelled():
                    return None
                end = min(start + CHUNK, len(ids))
                logits = session.forward(fed[start:end], range(end - start))
                parts.append(token_logprobs(logits, ids[start:end]))
            last, known = ids, np.concatenate(parts)
            answers[i] = known
        return answers

    def _begin(
        self, prompt: Prompt, cancelled: Callable[[], bool] | None
    ) -> tuple[Session, int, NDArray[np.float32] | None]:
        """Return a slot that holds `prompt`, how much of it was there, its last logits [V].

        The logits are None when cancelled. Raises ValueError for an empty prompt.
        """
        if not prompt.ids:
            raise ValueError("a prompt needs at least one token")
        session = self.slots.take(prompt.ids)
        session.rewind(min(len(session.ids), len(prompt.ids) - 1))
        reused = len(session.ids)
        return session, reused, session.prefill(prompt.ids[reused:], cancelled)
