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
from m31r_core.tokenizer import END, NEVER_WRITTEN, PAD, SPECIALS, Tokenizer
from m31r_train.checkpoint import Position
from m31r_train.config import PlanConfig, TrainConfig, WatchConfig
from m31r_train.decoding import Written, complete_lines
from m31r_train.places import line_places, prompt_at
from m31r_train.pretrain import Trainer
from m31r_train.report import RunLog
from m31r_train.watching import Watch

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
    exact = scores["tasks_exact_match"]
    assert isinstance(exact, float)
    assert exact > 0.2


def overfitted(decoder: Decoder, sequences: list[tuple[list[int], list[int]]]) -> Decoder:
    """Teach `decoder` to write, after each prompt, its answer; nothing else is asked of it."""
    longest = max(len(prompt) + len(answer) for prompt, answer in sequences)
    ids = torch.full((len(sequences), longest), PAD)
    targets = torch.full_like(ids, -100)
    for i, (prompt, answer) in enumerate(sequences):
        ids[i, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        last = len(prompt) - 1
        targets[i, last : last + len(answer)] = torch.tensor(answer)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=3e-3)
    for _ in range(300):
        logits = decoder(ids)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        if loss.item() < 0.02:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.02
    return decoder


def test_the_ended_share_counts_lines_that_the_model_ended_itself(
    train_config: TrainConfig,
) -> None:
    """A model writes four lines as they were; it ends one, and goes on behind the other three."""
    watch = WatchConfig(peak=False, report_every=0, samples=0, tasks=4, tasks_every=1)
    config = replace(train_config, dtype="float32", watch=watch)
    config.output.mkdir()
    tokenizer = Tokenizer.load(config.dataset / "tokenizer.json")
    places = line_places(TokenDataset.open(config.dataset, "valid"), tokenizer, 4)
    context = config.model.context_length
    prompts = [prompt_at(place, tokenizer, context, watch.new_tokens) for place in places]
    lines = [
        tokenizer.encode(prompt.healed.decode() + place.middle)
        for prompt, place in zip(prompts, places, strict=True)
    ]
    behind = [[END], *([tokenizer.encode("\n")] * 3)]
    answers = [[*line, *next_ids] for line, next_ids in zip(lines, behind, strict=True)]
    torch.manual_seed(5)
    decoder = overfitted(
        Decoder(config.model),
        [(list(prompt.ids), answer) for prompt, answer in zip(prompts, answers, strict=True)],
    )
    position = Position(step=1, rows=4, tokens=512)
    log = RunLog(config, position)
    Watch(config, tokenizer).look(decoder.state_dict(), position, log)
    log.close()
    (scores,) = [row for row in rows(config.output) if "tasks_ended" in row]
    assert scores["tasks_exact_match"] == 1.0
    assert scores["tasks_ended"] == 0.25


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("tasks", -1, "must not be below 0"), ("context", 8, "at least 64"), ("new_tokens", 0, "1")],
)
def test_numbers_that_make_no_sense_are_refused(key: str, value: int, said: str) -> None:
    with pytest.raises(ValueError, match=rf"'watch\.{key}' .*{said}"):
        replace(WatchConfig(), **{key: value})  # type: ignore[arg-type]
