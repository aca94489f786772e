"""The likeliest continuations of a prompt, decoded together: beam search on one prefill."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m31r_core.engine.decoding import Finish
from m31r_core.engine.file_cache import SHARES
from m31r_core.engine.kv_cache import KVCache, StoppedError
from m31r_core.engine.rules import Rules
from m31r_core.engine.sampling import best, mix
from m31r_core.engine.session import Session
from m31r_core.engine.stop import Stop, as_stop
from m31r_core.engine.writer import Writer
from m31r_core.tokenizer import SPECIALS

# The search ends when what is unfinished is this many times less probable than what was found.
_TIMES_WORSE = 1000.0


@dataclass
class Hypothesis:
    """A continuation; `logprob`, in nats, is that of its tokens and of a special one at its end."""

    writer: Writer
    logprob: float = 0.0
    end_logprob: float = 0.0
    finish: Finish | None = None


class Beam:
    """Keeps the `cache.sequences` likeliest hypotheses behind a prompt and goes on with them."""

    def __init__(self, cache: KVCache, session: Session, rules: Rules) -> None:
        """Begin behind what `session` holds; `cache` is written over."""
        self.steps = 0
        self._cache = cache
        self._prompt = list(session.ids)
        self._room = min(rules.max_new_tokens, cache.graph.context_length - len(self._prompt))
        self._rules = rules
        cache.copy_from(session.cache, len(self._prompt))

    def run(
        self,
        writer: Writer,
        logits: NDArray[np.float32],
        cancelled: Callable[[], bool] | None,
    ) -> list[Hypothesis]:
        """Return what was found, the likeliest first, from the prompt's last `logits` [V] on.

        When cancelled, what is finished by then.
        """
        width = self._cache.sequences
        found: list[Hypothesis] = []
        living, rows = [Hypothesis(writer)], logits[None]
        while living:
            begun = [
                (place, each)
                for place, (hypothesis, row) in enumerate(zip(living, rows, strict=False))
                for each in self._extended(hypothesis, row, width)
            ]
            begun.sort(key=lambda item: -item[1].logprob)
            kept = [(place, each) for place, each in begun if not each.finish][:width]
            found += [each for _, each in begun if each.finish]
            found.sort(key=lambda each: -each.logprob)
            if not kept or self._is_over(found, kept[0][1].logprob):
                break
            if cancelled is not None and cancelled():
                break
            try:
                rows = self._step(kept, as_stop(cancelled))
            except StoppedError:
                break
            living = [each for _, each in kept]
        return found

    def _is_over(self, found: Sequence[Hypothesis], likeliest: float) -> bool:
        enough = len(found) >= self._cache.sequences
        return bool(found) and (
            likeliest < found[0].logprob - math.log(_TIMES_WORSE)
            or (enough and likeliest < found[self._cache.sequences - 1].logprob)
        )

    def _step(
        self, kept: Sequence[tuple[int, Hypothesis]], stop: Stop | None
    ) -> NDArray[np.float32]:
        """Feed the last token of each hypothesis; return logits [width, V].

        One token alone: attention with a past takes several sequences or several tokens, not both.
        """
        width, start = self._cache.sequences, len(self._prompt)
        order = [place for place, _ in kept]
        order += order[:1] * (width - len(order))
        written = [each.writer.ids for _, each in kept]
        written += written[:1] * (width - len(written))
        end = start + len(written[0])
        self._cache.reorder(order, start, end - 1)
        self.steps += 1
        return self._cache.step([ids[-1:] for ids in written], [0, 0], end - 1, stop)[:, 0]

    def _extended(
        self, hypothesis: Hypothesis, logits: NDArray[np.float32], n: int
    ) -> list[Hypothesis]:
        """Return `hypothesis` with each of the `n` likeliest next tokens."""
        writer, rules = hypothesis.writer, self._rules
        context = [*self._prompt[-len(SHARES) :], *writer.ids][-len(SHARES) :]
        match = rules.file_cache.find(context) if rules.file_cache is not None else None
        votes = match.votes() if match is not None else None
        banned = rules.banned(writer)
        if writer.healing:
            allowed = np.asarray(writer.allowed())
            logprobs = mix(logits, votes, banned)[allowed]
            logprobs -= np.logaddexp.reduce(logprobs)
            order = np.argsort(-logprobs, kind="stable")[:n]
            likely = [(int(allowed[i]), float(logprobs[i])) for i in order]
        else:
            likely = best(logits, votes, banned, n)
        extended = []
        for token, logprob in likely:
            new = Hypothesis(writer.copy(), hypothesis.logprob + logprob)
            if token < len(SPECIALS):
                new.finish, new.end_logprob = "end", logprob
            else:
                new.writer.add(token, logprob)
                if rules.is_enough(new.writer):
                    new.finish = "stop"
                elif len(new.writer.ids) >= self._room:
                    new.finish = "length"
            extended.append(new)
        return extended
