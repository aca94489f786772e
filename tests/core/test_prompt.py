"""The prompt keeps what is near the cursor and stays put while the user types."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.prompt import Chunk, Prompt, PromptBudget, build_prompt, suffix_first
from m31r_core.tokenizer import CONTEXT, END, FILE, PREFIX, SUFFIX, train_tokenizer

BUDGET = PromptBudget(context_length=256, max_new_tokens=32)
TOKENIZER = train_tokenizer(["fn main() {\n    let value = other(value);\n}\n"] * 3, 360)


def build(prefix: str, suffix: str = "", **more: object) -> Prompt:
    return build_prompt(
        TOKENIZER,
        path="src/main.rs",
        prefix=prefix,
        suffix=suffix,
        budget=BUDGET,
        **more,  # type: ignore[arg-type]
    )


def parts(prompt: Prompt) -> tuple[str, str]:
    """Return (suffix, prefix) as the model sees them, the healed bytes put back."""
    after, before = prompt.ids.index(SUFFIX), prompt.ids.index(PREFIX)
    suffix = TOKENIZER.decode(prompt.ids[after + 1 : before])
    prefix = TOKENIZER.decode_bytes(prompt.ids[before + 1 :]) + prompt.healed
    return suffix, prefix.decode()


def test_a_short_file_is_shown_whole_suffix_first() -> None:
    prompt = build("fn main() {\n    let val", "\n}\n")
    assert prompt.ids[0] == FILE
    assert parts(prompt) == ("\n}\n", "fn main() {\n    let val")
    assert prompt.healed


def test_a_finished_line_needs_no_healing() -> None:
    assert build("fn main() {\n").healed == b""


def test_context_comes_before_the_suffix() -> None:
    prompt = build("let a", context=(Chunk("src/a.rs", "struct A;"),))
    assert prompt.ids.index(CONTEXT) < prompt.ids.index(SUFFIX)


def test_a_long_file_keeps_what_is_near_the_cursor() -> None:
    before = "".join(f"    let value{i} = {i};\n" for i in range(500))
    suffix, prefix = parts(build(before + "    let last", before))
    assert prefix.endswith("let last")
    assert before.startswith(suffix[:20])
    assert len(build(before, before).ids) <= BUDGET.context_length - BUDGET.max_new_tokens


def test_typing_only_appends_until_the_window_moves() -> None:
    before = "".join(f"    let value{i} = {i};\n" for i in range(500))
    moves = 0
    previous = build(before).ids
    for i in range(len(typed := "    let other = value + other;\n" * 10)):
        ids = build(before + typed[: i + 1]).ids
        common = sum(1 for a, b in zip(ids, previous, strict=False) if a == b)
        if common < len(previous) - 6:
            moves += 1
        previous = ids
    assert moves <= 3


@settings(max_examples=60)
@given(st.text(max_size=2000), st.text(max_size=2000))
def test_any_text_fits_the_budget(prefix: str, suffix: str) -> None:
    prompt = build(prefix, suffix)
    assert len(prompt.ids) <= BUDGET.context_length - BUDGET.max_new_tokens
    assert END not in prompt.ids


def test_training_and_prompt_agree_on_the_layout() -> None:
    before, suffix = "fn main() {\n    let value = 1;", "\n}\n"
    example = suffix_first(TOKENIZER, "src/main.rs", before, suffix)
    prompt = build(before, suffix)
    healed = [i for i in example if i != END][len(prompt.ids) :]
    assert example[: len(prompt.ids)] == list(prompt.ids)
    assert TOKENIZER.decode_bytes(healed) == prompt.healed
