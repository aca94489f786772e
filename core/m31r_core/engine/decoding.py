"""One generation behind its prefill: tokens drafted, verified by the model, chosen, written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m31r_core.engine.drafts import Draft, Drafter
from m31r_core.engine.file_cache import SHARES, FileCache, Match
from m31r_core.engine.kv_cache import StoppedError
from m31r_core.engine.rules import Rules
from m31r_core.engine.sampling import best, choose, mix
from m31r_core.engine.session import Session
from m31r_core.engine.stop import as_stop
from m31r_core.engine.writer import Writer
from m31r_core.tokenizer import SPECIALS

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


class Decoding:
    """Writes on behind a prompt. `steps`, `drafted` and `accepted` count what it took."""

    def __init__(
        self,
        session: Session,
        writer: Writer,
        options: GenerateOptions,
        rules: Rules,
        drafter: Drafter | None,
    ) -> None:
        """Begin behind what `session` holds; a step writes one token without a `drafter`."""
        self.writer = writer
        self.steps = self.drafted = self.accepted = 0
        # In nats, once a special token has ended the text.
        self.end_logprob = 0.0
        self._session = session
        self._options = options
        self._rules = rules
        # Where no file is given, the prompt itself is what drafts are found in.
        self._searched = rules.file_cache or (FileCache(session.ids) if drafter else None)
        self._drafter = drafter
        self._found: tuple[list[int], Match | None] | None = None
        self._random = np.random.default_rng(options.seed)

    def run(self, logits: NDArray[np.float32], cancelled: Callable[[], bool] | None) -> Finish:
        """Write until there is a reason to end, from the prompt's last `logits` [V] on."""
        session, rows = self._session, logits[None]
        begin, draft = len(session.ids), Draft()
        while True:
            for place, row in enumerate(rows):
                token, finish = self._decide(row, session.ids[: begin + place][-len(SHARES) :])
                if finish is not None or draft.ids[place : place + 1] != [token]:
                    break
            self.accepted += place
            if self._drafter is not None:
                self._drafter.policy.learn(draft, place)
            if finish is not None:
                return finish
            session.rewind(begin + place)
            if begin + place >= session.context_length:
                return "length"
            if cancelled is not None and cancelled():
                return "cancelled"
            draft = self._draft(token)
            begin = len(session.ids) + 1
            start = perf_counter()
            try:
                fed = [token, *draft.ids]
                rows = session.forward(fed, range(len(fed)), as_stop(cancelled))
            except StoppedError:
                return "cancelled"
            self.steps += 1
            self.drafted += len(draft.ids)
            if self._drafter is not None:
                self._drafter.policy.learn_cost(len(draft.ids), (perf_counter() - start) * 1e3)

    def _decide(
        self, logits: NDArray[np.float32], context: Sequence[int]
    ) -> tuple[int, Finish | None]:
        """Choose the token behind `context` and write it; say whether that was the last one."""
        writer, options, rules = self.writer, self._options, self._rules
        match = self._find(context) if rules.file_cache is not None else None
        votes = match.votes() if match is not None else None
        banned = rules.banned(writer)
        if writer.healing or options.temperature:
            token, logprob = choose(
                mix(logits, votes, banned),
                allowed=writer.allowed(),
                temperature=options.temperature,
                top_p=options.top_p,
                random=self._random,
            )
        else:
            token, logprob = best(logits, votes, banned)[0]
        if token < len(SPECIALS):
            self.end_logprob = logprob
            return token, "end"
        writer.add(token, logprob)
        if rules.is_enough(writer):
            return token, "stop"
        return token, "length" if len(writer.ids) >= rules.max_new_tokens else None

    def _draft(self, token: int) -> Draft:
        """Return what may come behind `token`, the one chosen last."""
        if self._drafter is None or self.writer.healing:
            return Draft()
        session = self._session
        room = min(
            self._rules.max_new_tokens - len(self.writer.ids),
            session.context_length - len(session.ids) - 1,
        )
        context = [*session.ids[-len(SHARES) + 1 :], token]
        match = self._find(context)
        draft = self._drafter.draft(context, match, room)
        return Draft(self._before_stop(draft.ids), draft.source)

    def _find(self, context: Sequence[int]) -> Match | None:
        """Look `context` up in the file; what a draft was made from is asked for again."""
        if self._searched is None:
            return None
        if self._found is None or self._found[0] != context:
            self._found = (list(context), self._searched.find(context))
        return self._found[1]

    def _before_stop(self, ids: list[int]) -> list[int]:
        """Return the tokens before the first one with which the generation would stop."""
        more = b""
        for place, token in enumerate(ids):
            more += self.writer.bytes_of(token)
            if self._rules.is_enough(self.writer, more):
                return ids[:place]
        return ids
