"""The engine says what PyTorch says, whatever its cache held before."""

from __future__ import annotations

import codecs
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.bundle import BundleError, load_bundle, write_bundle
from m31r_core.engine import Engine, GenerateOptions
from m31r_core.model import load_checkpoint
from m31r_core.prompt import Prompt
from m31r_core.tokenizer import FILE, NEVER_WRITTEN, PREFIX, SPECIALS

# One engine for all examples: what it has cached must not matter.
SHARED = settings(max_examples=30, deadline=None)


@pytest.fixture(scope="module")
def engine(random_bundle: Path) -> Engine:
    return Engine.load(load_bundle(random_bundle), threads=1)


@pytest.fixture
def fresh(random_bundle: Path) -> Engine:
    return Engine.load(load_bundle(random_bundle), threads=1)


def torch_greedy(checkpoint: Path, ids: tuple[int, ...], count: int) -> tuple[int, ...]:
    decoder, _ = load_checkpoint(checkpoint)
    written: list[int] = []
    with torch.inference_mode():
        while len(written) < count:
            logits = decoder(torch.tensor([[*ids, *written]]))[0, -1]
            logits[list(NEVER_WRITTEN)] = -torch.inf
            token = int(logits.argmax())
            if token < len(SPECIALS):
                break
            written.append(token)
    return tuple(written)


@pytest.mark.parametrize("cut", [1, 60, 150, 333, 480, 700])
def test_greedy_equals_pytorch(
    random_checkpoint: Path, engine: Engine, rust: str, cut: int
) -> None:
    ids = (FILE, *engine.tokenizer.encode("src/main.rs"), PREFIX)
    ids += tuple(engine.tokenizer.encode(rust[:cut])[-200:])
    generation = engine.generate(Prompt(ids), GenerateOptions(max_new_tokens=40))
    assert generation.ids == torch_greedy(random_checkpoint, ids, 40)
    assert generation.finish == ("length" if len(generation.ids) == 40 else "end")
    assert len(generation.logprobs) == len(generation.ids)
    assert all(logprob <= 0 for logprob in generation.logprobs)


@SHARED
@given(data=st.data())
def test_reused_cache_changes_nothing(
    engine: Engine, random_bundle: Path, data: st.DataObject
) -> None:
    """Random edits of one prompt: each answer is that of an engine without a past."""
    ids = data.draw(st.lists(st.integers(16, 399), min_size=1, max_size=150))
    for _ in range(data.draw(st.integers(1, 4))):
        kept = data.draw(st.integers(0, len(ids)))
        ids = ids[:kept] + data.draw(st.lists(st.integers(16, 399), min_size=1, max_size=40))
        options = GenerateOptions(max_new_tokens=data.draw(st.integers(1, 8)))
        warm = engine.generate(Prompt(tuple(ids)), options)
        cold = Engine.load(load_bundle(random_bundle), threads=1).generate(
            Prompt(tuple(ids)), options
        )
        assert (warm.ids, warm.finish, warm.text) == (cold.ids, cold.finish, cold.text)
        assert warm.logprobs == pytest.approx(cold.logprobs, abs=1e-3)
        assert warm.prefill_tokens + warm.reused_tokens == len(ids)


def test_cache_reuses_the_longest_common_prefix(fresh: Engine) -> None:
    first = tuple(range(20, 60))
    options = GenerateOptions(max_new_tokens=4)
    answer = fresh.generate(Prompt(first), options)
    assert (answer.reused_tokens, answer.prefill_tokens) == (0, 40)
    assert len(answer.ids) == 4
    again = fresh.generate(Prompt(first), options)
    assert (again.reused_tokens, again.prefill_tokens, again.ids) == (39, 1, answer.ids)
    typed = fresh.generate(Prompt((*first, *answer.ids[:3], 70)), options)
    assert (typed.reused_tokens, typed.prefill_tokens) == (43, 1)
    rewound = fresh.generate(Prompt((*first[:25], 99)), options)
    assert (rewound.reused_tokens, rewound.prefill_tokens) == (25, 1)


def counting(limit: int) -> tuple[list[int], Callable[[], bool]]:
    """A `cancelled` that says yes from call `limit` on, and the list of its calls."""
    calls: list[int] = []

    def cancelled() -> bool:
        calls.append(len(calls))
        return len(calls) > limit

    return calls, cancelled


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_cancellation_takes_effect_before_the_next_token(fresh: Engine, limit: int) -> None:
    fresh.drafting = False
    prompt = Prompt(tuple(range(20, 60)))
    expected = fresh.generate(prompt, GenerateOptions(max_new_tokens=20))
    calls, cancelled = counting(limit)
    generation = fresh.generate(prompt, GenerateOptions(max_new_tokens=20), cancelled=cancelled)
    assert generation.finish == "cancelled"
    assert generation.ids == expected.ids[:limit]
    assert len(calls) == limit + 1
    assert fresh.generate(prompt, GenerateOptions(max_new_tokens=20)).ids == expected.ids


def test_cancellation_between_prefill_chunks_keeps_what_is_done(fresh: Engine) -> None:
    prompt = Prompt(tuple(20 + i % 300 for i in range(240)))
    _, cancelled = counting(1)
    generation = fresh.generate(prompt, GenerateOptions(), cancelled=cancelled)
    assert (generation.finish, generation.ids, generation.text) == ("cancelled", (), "")
    assert 0 < generation.prefill_tokens < 240
    resumed = fresh.generate(prompt, GenerateOptions(max_new_tokens=1))
    assert resumed.reused_tokens == generation.prefill_tokens


def test_seeds_repeat_and_differ(engine: Engine) -> None:
    prompt = Prompt(tuple(range(20, 50)))

    def draw(seed: int, **options: float) -> tuple[int, ...]:
        chosen = GenerateOptions(max_new_tokens=12, temperature=2.0, seed=seed)
        return engine.generate(prompt, chosen).ids

    assert draw(7) == draw(7)
    assert len({draw(seed) for seed in range(8)}) > 4


def test_smallest_top_p_is_greedy(engine: Engine) -> None:
    prompt = Prompt(tuple(range(20, 50)))
    options = GenerateOptions(max_new_tokens=12, temperature=1.0, top_p=1e-9, seed=3)
    greedy = engine.generate(prompt, GenerateOptions(max_new_tokens=12))
    assert engine.generate(prompt, options).ids == greedy.ids


@SHARED
@given(data=st.data())
def test_healed_bytes_come_first(engine: Engine, rust: str, data: st.DataObject) -> None:
    """Wherever a text is cut, in a character too, the answer begins with what was taken away."""
    source = rust.encode()
    cut = data.draw(st.integers(1, len(source)))
    healed = source[max(0, cut - data.draw(st.integers(1, 6))) : cut]
    before = engine.tokenizer.encode_bytes(source[: cut - len(healed)])
    options = GenerateOptions(max_new_tokens=16, temperature=data.draw(st.sampled_from([0.0, 1.5])))
    generation = engine.generate(Prompt((PREFIX, *before[-100:]), healed), options)
    written = engine.tokenizer.decode_bytes(generation.ids)
    assert written.startswith(healed)
    assert written[len(healed) :].decode(errors="replace").startswith(generation.text)


def test_it_stops_behind_the_first_token_with_which_the_text_is_enough(engine: Engine) -> None:
    prompt = Prompt(tuple(range(20, 50)))
    whole = engine.generate(prompt, GenerateOptions(max_new_tokens=20))
    texts = [engine.tokenizer.decode(whole.ids[:count]) for count in range(1, 21)]
    for length in (1, 5, 9, 17):
        generation = engine.generate(
            prompt,
            GenerateOptions(max_new_tokens=20),
            stop=lambda text, length=length: len(text) >= length,  # type: ignore[misc]
        )
        assert generation.finish == "stop"
        assert generation.text == next(text for text in texts if len(text) >= length)


def test_the_model_ends_only_where_it_may(engine: Engine) -> None:
    prompt = Prompt((5, 9, 12), b"")

    def finishes(may_end: Callable[[str], bool] | None) -> list[str]:
        draws = [GenerateOptions(max_new_tokens=40, temperature=20.0, seed=i) for i in range(12)]
        return [engine.generate(prompt, each, may_end=may_end).finish for each in draws]

    assert "end" in finishes(None)
    assert set(finishes(lambda text: False)) == {"length"}
    assert finishes(lambda text: True) == finishes(None)


def test_text_never_ends_inside_a_character(engine: Engine) -> None:
    healed = "🦀".encode() + b"\xe6\xb8"
    for count in range(1, 40):
        options = GenerateOptions(max_new_tokens=count % 10, temperature=3.0, seed=count)
        generation = engine.generate(Prompt((20, 21, 22), healed), options)
        written = engine.tokenizer.decode_bytes(generation.ids)[len(healed) :]
        # Waits with a character until its last byte; what is no character at all is replaced.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        assert decoder.decode(written).startswith(generation.text)


@pytest.mark.parametrize(("length", "count"), [(250, 7), (256, 1), (257, 0), (300, 0)])
def test_full_context_ends_with_length(engine: Engine, length: int, count: int) -> None:
    prompt = Prompt(tuple(20 + i % 300 for i in range(length)))
    generation = engine.generate(prompt, GenerateOptions())
    assert generation.finish == "length"
    assert len(generation.ids) == count


def test_empty_prompt_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        engine.generate(Prompt(()), GenerateOptions())


@pytest.mark.parametrize(
    ("field", "value"), [("max_new_tokens", -1), ("temperature", -0.1), ("top_p", 0.0)]
)
def test_impossible_options_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        GenerateOptions(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"vocab_size": 401}, "tokenizer.json"),
        ({"prompt_layout": "other/9"}, "m31r.json"),
        ({"special_tokens": ["<|end|>"]}, "m31r.json"),
        ({"architecture": {"layers": 3}}, "model.onnx"),
        ({"architecture": {"kv_heads": 2}}, "model.onnx"),
        ({"architecture": {"head_dim": 32}}, "model.onnx"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    random_bundle: Path, tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    path = shutil.copytree(random_bundle, tmp_path / "bundle")
    manifest = json.loads((path / "m31r.json").read_text())
    for key, value in changes.items():
        manifest[key] = manifest[key] | value if isinstance(value, dict) else value
    (path / "m31r.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as error:
        Engine.load(load_bundle(path))
    assert str(path / named) in str(error.value)
    assert "\n" not in str(error.value)


def test_graph_that_onnx_runtime_cannot_read(random_bundle: Path, tmp_path: Path) -> None:
    whole = load_bundle(random_bundle)
    card = whole.path / "MODEL_CARD.md"
    files: dict[str, Path | bytes] = {"tokenizer.json": whole.tokenizer, "MODEL_CARD.md": card}
    broken = write_bundle(tmp_path / "b", whole.manifest, files | {"model.onnx": b"not a graph"})
    with pytest.raises(BundleError) as error:
        Engine.load(broken)
    assert str(error.value).startswith(f"{broken.model}: ONNX Runtime cannot load the model")


def test_graph_with_other_inputs(random_bundle: Path, tmp_path: Path) -> None:
    whole = load_bundle(random_bundle)
    model = onnx.load(whole.model)
    del model.graph.input[1]
    card = whole.path / "MODEL_CARD.md"
    files: dict[str, Path | bytes] = {"tokenizer.json": whole.tokenizer, "MODEL_CARD.md": card}
    graph = model.SerializeToString()
    other = write_bundle(tmp_path / "b", whole.manifest, files | {"model.onnx": graph})
    with pytest.raises(BundleError) as error:
        Engine.load(other)
    assert str(other.model) in str(error.value)


def test_loading_needs_no_torch() -> None:
    code = "import sys, m31r_core.engine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_engines_that_share_weights_answer_at_once_and_alone_alike(fresh: Engine) -> None:
    """Ghost text and code actions: two threads, one set of weights, caches of their own."""
    other = fresh.share()
    assert other.graph is fresh.graph
    prompts = [Prompt(tuple(range(20 + i, 90 + i))) for i in range(12)]
    options = GenerateOptions(max_new_tokens=12)
    alone = [fresh.generate(prompt, options).ids for prompt in prompts]
    with ThreadPoolExecutor(2) as threads:
        both = [
            threads.submit(lambda: [fresh.generate(p, options).ids for p in prompts]),
            threads.submit(lambda: [other.generate(p, options).ids for p in prompts]),
        ]
        assert [each.result() for each in both] == [alone, alone]
