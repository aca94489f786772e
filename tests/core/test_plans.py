"""Plans can be hidden without a trace, and the engine never writes one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.bundle import load_bundle
from m31r_core.engine import Engine, GenerateOptions
from m31r_core.engine.file_cache import FileCache
from m31r_core.model import load_checkpoint, save_checkpoint
from m31r_core.plans import encode_planned, hide_plans
from m31r_core.prompt import Prompt, left_to_right, suffix_first
from m31r_core.tokenizer import DIAGNOSTIC, FILE, PLAN, PREFIX, SPECIALS, Tokenizer, train_tokenizer
from m31r_export.checkpoint import export_checkpoint

CODE = "fn main() {\n    let names = &self.names;\n    names.len()\n}\n"
TOKENIZER = train_tokenizer([CODE] * 3, 340)


def test_a_plan_is_a_line_before_its_statement() -> None:
    place = CODE.index("    let")
    ids = encode_planned(TOKENIZER, CODE, [(place, "// borrow the names")])
    begin = ids.index(PLAN)
    assert TOKENIZER.decode(ids[:begin]) == "fn main() {\n"
    assert TOKENIZER.decode(ids[begin:]).startswith("// borrow the names\n    let names")


@given(st.text(alphabet="ab_ {}&;\t\r\n é/", max_size=80), st.data())
def test_hidden_plans_leave_the_tokens_of_the_code(text: str, data: st.DataObject) -> None:
    starts = [0, *(i + 1 for i, character in enumerate(text) if character == "\n")]
    places = sorted(data.draw(st.lists(st.sampled_from(starts), max_size=5)))
    comment = st.text(alphabet="abc é/ <|>", max_size=10)
    plans = [(place, data.draw(comment)) for place in places]
    ids = encode_planned(TOKENIZER, text, plans)
    assert ids.count(PLAN) == len(plans)
    assert hide_plans(TOKENIZER, ids) == TOKENIZER.encode(text)


def test_whole_examples_lose_their_plans_too() -> None:
    plans = [(0, "// the entry point"), (CODE.index("    names"), "// return the length")]
    whole = left_to_right(TOKENIZER, "a.rs", CODE, ends=True, plans=plans)
    plain = left_to_right(TOKENIZER, "a.rs", CODE, ends=True)
    assert hide_plans(TOKENIZER, whole) == plain != whole
    first = suffix_first(TOKENIZER, "a.rs", CODE, "mod b;\n", plans=plans)
    assert hide_plans(TOKENIZER, first) == suffix_first(TOKENIZER, "a.rs", CODE, "mod b;\n")


@pytest.mark.parametrize("plan", [(3, "// in a word"), (0, "// two\n// lines"), (999, "// behind")])
def test_a_plan_that_is_no_line_is_refused(plan: tuple[int, str]) -> None:
    with pytest.raises(ValueError, match="one line at the start of a line"):
        encode_planned(TOKENIZER, CODE, [plan])


@pytest.fixture(scope="module")
def planner(random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that prefers a plan, or a diagnostic, to every other token."""
    decoder, config = load_checkpoint(random_checkpoint)
    weights = {name: value.clone() for name, value in decoder.state_dict().items()}
    table = weights["model.embed_tokens.weight"]
    ids = torch.tensor([[FILE, PREFIX, *range(20, 50)]])
    favourite = int(decoder(ids)[0, -1].argmax())
    table[PLAN], table[DIAGNOSTIC] = 4 * table[favourite], 3 * table[favourite]
    folder = tmp_path_factory.mktemp("planner")
    tokenizer = Tokenizer.load(random_checkpoint / "tokenizer.json")
    save_checkpoint(folder / "checkpoint", weights, config, tokenizer)
    return folder / "checkpoint"


def test_the_engine_never_writes_a_plan(planner: Path, tmp_path: Path) -> None:
    decoder, _ = load_checkpoint(planner)
    ids = (FILE, PREFIX, *range(20, 50))
    wanted, written = 0, list[int]()
    while len(written) < 24:
        logits = decoder(torch.tensor([[*ids, *written]]))[0, -1]
        wanted += int(logits.argmax()) in (PLAN, DIAGNOSTIC)
        logits[[PLAN, DIAGNOSTIC]] = -torch.inf
        if (token := int(logits.argmax())) < len(SPECIALS):
            break
        written.append(token)
    assert wanted > 0

    bundle = load_bundle(export_checkpoint(planner, tmp_path / "planner", quant="fp32").path)
    engine = Engine.load(bundle, threads=1)
    options = GenerateOptions(max_new_tokens=24)
    assert engine.generate(Prompt(ids), options).ids == tuple(written)
    cache = FileCache(ids, ids)
    for seed in range(20):
        options = GenerateOptions(max_new_tokens=24, temperature=2.0, top_p=0.9, seed=seed)
        for file_cache in (None, cache):
            drawn = engine.generate(Prompt(ids), options, file_cache=file_cache)
            assert not {PLAN, DIAGNOSTIC} & set(drawn.ids)
            assert len(drawn.ids) == 24 or drawn.finish == "end"
            assert all(logprob > -50 for logprob in drawn.logprobs)
