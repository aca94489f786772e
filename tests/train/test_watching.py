"""Looking at a model while it trains: it decodes as it should, and the run does not notice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from m31r_core.model import Decoder, ModelConfig
from m31r_core.prompt import Prompt
from m31r_core.shards import TokenDataset
from m31r_core.tokenizer import NEVER_WRITTEN, SPECIALS, Tokenizer
from m31r_train.config import PlanConfig, TrainConfig, WatchConfig
from m31r_train.decoding import Written, complete_lines
from m31r_train.places import line_places, prompt_at
from m31r_train.pretrain import Trainer

NEW_TOKENS = 12


def rows(output: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def random_decoder() -> Decoder:
    """Return a decoder whose every layer matters: a fresh one's write nothing."""
    torch.manual_seed(3)
    decoder = Decoder(ModelConfig(320, 64, 2, 2, 1, 128, 128))
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return decoder


def one_by_one(decoder: Decoder, tokenizer: Tokenizer, prompt: Prompt) -> Written:
    """Complete a line in the plainest way: the whole sequence is computed for every token."""
    ids, rest, text = list(prompt.ids), prompt.healed, b""
    for _ in range(NEW_TOKENS):
        logits = decoder(torch.tensor([ids]))[0, -1].detach()
        logits[list(NEVER_WRITTEN)] = -torch.inf
        allowed = tokenizer.tokens_compatible_with(rest) if rest else range(len(logits))
        token = max(allowed, key=lambda i: float(logits[i]))
        if token < len(SPECIALS):
            return Written(text.decode("utf-8", errors="replace"), True)
        data = tokenizer.token_bytes(token)
        text, rest = text + data[len(rest) :], rest[len(data) :]
        ids.append(int(token))
        if b"\n" in text:
            break
    return Written(text.partition(b"\n")[0].decode("utf-8", errors="replace"), False)


def test_a_batch_is_decoded_as_its_prompts_one_by_one(dataset: Path) -> None:
    tokenizer = Tokenizer.load(dataset / "tokenizer.json")
    places = line_places(TokenDataset.open(dataset, "valid"), tokenizer, 6)
    prompts = [prompt_at(place, tokenizer, 60 + 8 * i, 12) for i, place in enumerate(places)]
    assert len({len(prompt.ids) for prompt in prompts}) > 1
    assert any(prompt.healed for prompt in prompts)
    decoder = random_decoder()
    expected = [one_by_one(decoder, tokenizer, prompt) for prompt in prompts]
    assert complete_lines(decoder, tokenizer, prompts, NEW_TOKENS) == expected
    assert len({written.text for written in expected}) > 1


def test_places_are_the_same_at_every_call_and_lie_in_code(dataset: Path) -> None:
    tokenizer = Tokenizer.load(dataset / "tokenizer.json")
    valid = TokenDataset.open(dataset, "valid")
    places = line_places(valid, tokenizer, 5)
    assert places == line_places(valid, tokenizer, 5)
    assert places == line_places(valid, tokenizer, 100)[:5]
    assert len(line_places(valid, tokenizer, 100)) == len(valid)
    for place in places:
        assert place.suffix.startswith("\n")
        assert "\n" not in place.middle
        assert not place.prefix.split("\n")[-1].startswith("//")


def test_watching_changes_nothing_of_a_run(train_config: TrainConfig, tmp_path: Path) -> None:
    alone = replace(train_config, output=tmp_path / "alone")
    watch = WatchConfig(
        peak=True, report_every=1, samples_every=2, samples=2, tasks_every=3, tasks=6, new_tokens=8
    )
    watched = replace(train_config, output=tmp_path / "watched", watch=watch)
    for config in (alone, watched):
        config.output.mkdir()
        Trainer(config).train()
    keys = ("loss", "grad_norm", "valid_loss")
    curves = [
        [row[key] for row in rows(config.output) for key in keys if key in row]
        for config in (alone, watched)
    ]
    assert curves[0] == curves[1]
    steps = [row["step"] for row in rows(watched.output) if "tasks_exact_match" in row]
    assert steps == [3, 6, 8]
    first, *_, last = [row["samples"] for row in rows(watched.output) if "samples" in row]
    assert isinstance(first, list)
    assert isinstance(last, list)
    assert [each["middle"] for each in first] == [each["middle"] for each in last]
    assert not [row for row in rows(alone.output) if "mfu" in row or "samples" in row]


def test_a_run_that_has_learnt_completes_lines(train_config: TrainConfig) -> None:
    plan = PlanConfig(steps=60, batch_tokens=1024, micro_rows=8, warmup_steps=5, decay_steps=20)
    watch = WatchConfig(peak=False, report_every=0, samples_every=0, tasks_every=60, tasks=8)
    config = replace(train_config, plan=plan, watch=watch, valid_every=60, save_every=60)
    config.output.mkdir()
    Trainer(config).train()
    (scores,) = [row for row in rows(config.output) if "tasks_exact_match" in row]
    assert scores["tasks_exact_match"] > 0.2
    assert 0 <= scores["tasks_ended"] <= 1


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("tasks", -1, "must not be below 0"), ("context", 8, "at least 64"), ("new_tokens", 0, "1")],
)
def test_numbers_that_make_no_sense_are_refused(key: str, value: int, said: str) -> None:
    with pytest.raises(ValueError, match=rf"'watch\.{key}' .*{said}"):
        WatchConfig(**{key: value})
