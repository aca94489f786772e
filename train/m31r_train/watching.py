"""What a model can do while it trains: a few samples, and exact match on a few line tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from m31r_core.model import Decoder
from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import Tokenizer
from m31r_train.checkpoint import Position
from m31r_train.config import TrainConfig
from m31r_train.decoding import Written, complete_lines
from m31r_train.places import Place, line_places, prompt_at
from m31r_train.report import RunLog

# What of the text around the cursor a sample shows.
_LINES_BEFORE = 6
_LINES_AFTER = 3


class Watch:
    """Looks at the model of a run from time to time, on a copy of its weights.

    The run itself is not touched: no gradient, no random number, no compiled function of its.
    """

    def __init__(self, config: TrainConfig, tokenizer: Tokenizer) -> None:
        """Look as `config.watch` says. The places are drawn when they are first needed."""
        self._config, self._tokenizer = config, tokenizer
        self._places: list[Place] = []
        self._model: Decoder | None = None

    def due(self, step: int) -> bool:
        """Whether there is something to look at after `step`."""
        return self._samples_due(step) or self._tasks_due(step)

    def look(self, weights: Mapping[str, Tensor], position: Position, log: RunLog) -> None:
        """Complete places with `weights`, a whole state dict of `Decoder`, and log how it went."""
        watch = self._config.watch
        model = self._loaded(weights)
        if self._samples_due(position.step):
            places = self._first_places(watch.samples)
            written = self._complete(model, places)
            pairs = zip(places, written, strict=True)
            log.event(position, "samples", samples=[_sample(*pair) for pair in pairs])
        if self._tasks_due(position.step):
            self._tasks(model, position, log)

    def _tasks(self, model: Decoder, position: Position, log: RunLog) -> None:
        start = time.perf_counter()
        places = self._first_places(self._config.watch.tasks)
        written = self._complete(model, places)
        if not written:
            log.note("no line tasks: the valid split has no line of code to complete")
            return
        right = [place.middle == each.text for place, each in zip(places, written, strict=True)]
        exact = sum(right) / len(right)
        ended = sum(each.ended for each in written) / len(written)
        log.numbers(position, {"tasks_exact_match": exact, "tasks_ended": ended})
        seconds = time.perf_counter() - start
        log.note(
            f"step {position.step}  {len(written)} line tasks: {exact:.1%} exact match, "
            f"{ended:.1%} ended, {seconds:.1f} s"
        )

    def _samples_due(self, step: int) -> bool:
        watch = self._config.watch
        return bool(watch.samples) and self._every(watch.samples_every, step)

    def _tasks_due(self, step: int) -> bool:
        watch = self._config.watch
        return bool(watch.tasks) and self._every(watch.tasks_every, step)

    def _every(self, period: int, step: int) -> bool:
        return period > 0 and (step % period == 0 or step == self._config.plan.steps)

    def _first_places(self, count: int) -> list[Place]:
        if not self._places:
            watch = self._config.watch
            dataset = TokenDataset.open(self._config.dataset, "valid")
            wanted = max(watch.samples, watch.tasks)
            self._places = line_places(dataset, self._tokenizer, wanted)
        return self._places[:count]

    def _complete(self, model: Decoder, places: list[Place]) -> list[Written]:
        watch = self._config.watch
        context = min(watch.context + watch.new_tokens, self._config.model.context_length)
        prompts = [prompt_at(place, self._tokenizer, context, watch.new_tokens) for place in places]
        return complete_lines(model, self._tokenizer, prompts, watch.new_tokens)

    def _loaded(self, weights: Mapping[str, Tensor]) -> Decoder:
        """Return a model of its own with `weights`, in the run's dtype and on its device."""
        if self._model is None:
            # A new decoder draws its weights; the run's generator must not notice.
            with torch.random.fork_rng(devices=[]):
                fresh = Decoder(self._config.model)
            dtype = getattr(torch, self._config.dtype)
            self._model = fresh.to(self._config.device, dtype).requires_grad_(False).eval()
        self._model.load_state_dict(dict(weights))
        return self._model


def _sample(place: Place, written: Written) -> dict[str, object]:
    before = place.prefix.split("\n")[-_LINES_BEFORE:]
    after = place.suffix.split("\n")[: _LINES_AFTER + 1]
    return {
        "path": place.path,
        "before": "\n".join(before),
        "middle": place.middle,
        "after": "\n".join(after),
        "written": written.text,
        "ended": written.ended,
    }
