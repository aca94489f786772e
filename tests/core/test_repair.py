"""Every fix here is one that rustc accepted: real programs, real compiler."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.cargo.program import Program
from m31r_core.repair import Edit, Fix, RepairLimits, apply_edits, find_fixes, lay, repair_all
from m31r_core.repair.cautions import cautions_of
from m31r_core.repair.edits import difference, overlap
from m31r_core.repair.names import close
from m31r_core.repair.templates import BY_CODE
from m31r_core.repair.values import fill_placeholders, plain_value, split_arguments

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "repair" / "fixes.toml").read_text("utf-8")
)["case"]
MAIN = "src/main.rs"
PATIENT = RepairLimits(seconds=60.0)


def program(text: str) -> Program:
    return Program({MAIN: text.encode()}, edition="2021", sandbox=None)


def applied(fix: Fix, compiler: Program) -> str:
    return lay(fix.edits, compiler.text)[MAIN].decode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_first_fix(case: dict[str, Any]) -> None:
    with program(case["before"]) as compiler:
        error = compiler.errors[0]
        fix = next(find_fixes(compiler, error, PATIENT))
        assert applied(fix, compiler) == case["after"]
        assert fix.title == case["title"]
        assert sorted(fix.cautions) == case.get("cautions", [])
        assert fix.verdict.passed
        assert fix.repairs(error)


def test_templates_for_the_codes_met_most() -> None:
    wanted = (
        "E0277 E0308 E0382 E0425 E0433 E0499 E0502 E0505 E0507 E0515 E0596 E0597 E0599 E0716 E0106 "
        "E0004 E0023 E0026 E0027 E0040 E0046 E0050 E0053 E0061 E0063 E0117 E0133 E0191 E0252 E0255 "
        "E0261 E0282 E0283 E0369 E0373 E0384 E0403 E0404 E0405 E0407 E0412 E0416 E0423 E0424 E0428 "
        "E0432 E0434 E0435 E0560 E0573 E0600 E0603 E0604 E0605 E0606 E0607 E0608 E0609 E0610 E0614 "
        "E0615 E0616 E0618 E0620"
    )
    assert [code for code in wanted.split() if not BY_CODE.get(code)] == []


def test_no_fix_is_offered_that_rustc_refuses() -> None:
    text = 'fn main() {\n    let n: u8 = "a";\n    let m: u8 = "b";\n}\n'
    with program(text) as compiler:
        first, second = compiler.errors
        fixes = list(find_fixes(compiler, first, PATIENT))
        assert fixes
        for fix in fixes:
            left = compiler.check(lay(fix.edits, compiler.text), _deadline()).errors
            assert [error.identity for error in left] == [second.identity]


def test_a_grave_caution_only_when_nothing_else_passes() -> None:
    with program('fn main() {\n    let n: String = "a";\n    println!("{n}");\n}\n') as compiler:
        fixes = list(find_fixes(compiler, compiler.errors[0], PATIENT))
    assert fixes
    grave = {"deletes code", "adds todo!()", "may panic"}
    assert not any(fix.cautions & grave for fix in fixes)


def test_a_fix_that_uncovers_an_error_goes_on() -> None:
    # With the name misspelt rustc never comes to the borrow checker.
    text = (
        "fn main() {\n    let word = String::new();\n    let other = wrod;\n"
        '    println!("{word}{other}");\n}\n'
    )
    with program(text) as compiler:
        (error,) = compiler.errors
        assert error.code == "E0425"
        fix = next(find_fixes(compiler, error, PATIENT))
        assert applied(fix, compiler).count("word.clone()") == 1
        assert len(fix.steps) == 2
        assert not fix.verdict.errors


def test_repair_all_repairs_every_error() -> None:
    text = (
        "struct Point;\n\nfn main() {\n    let n: String = 1.to_string;\n"
        '    let count = 0;\n    count += 1;\n    println!("{:?} {n} {count}", Point);\n}\n'
    )
    with program(text) as compiler:
        fix = repair_all(compiler, PATIENT)
        assert fix is not None
        assert not fix.verdict.errors
        assert not fix.cautions
        assert "let mut count" in applied(fix, compiler)


def test_repair_all_keeps_what_passes_where_the_rest_cannot_be_repaired() -> None:
    text = 'fn main() {\n    let n: String = "a";\n    println!("{n}");\n    unheard_of(n);\n}\n'
    with program(text) as compiler:
        codes = {error.code for error in compiler.errors}
        assert codes == {"E0308", "E0425"}
        fix = repair_all(compiler, RepairLimits(seconds=60.0, cautions=False, total=60))
        assert fix is not None
        assert fix.verdict.passed
        assert {error.code for error in fix.verdict.gone} == {"E0308"}
        assert {error.code for error in fix.verdict.errors} == {"E0425"}


def test_a_program_without_errors_needs_no_repair() -> None:
    with program("fn main() {}\n") as compiler:
        assert repair_all(compiler, PATIENT) is None


def test_a_search_can_be_cancelled() -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    with program('fn main() {\n    let n: u8 = "a";\n}\n') as compiler:
        fixes = list(find_fixes(compiler, compiler.errors[0], PATIENT, cancelled=cancelled))
        assert asked > 1
        assert len(fixes) <= compiler.lanes
    assert all(fix.checks <= compiler.lanes for fix in fixes)


def test_line_ends_of_windows_are_kept() -> None:
    text = 'fn main() {\r\n    let n = 0;\r\n    n = 1;\r\n    println!("{n}");\r\n}\r\n'
    with program(text) as compiler:
        fix = next(find_fixes(compiler, compiler.errors[0], PATIENT))
        assert applied(fix, compiler) == text.replace("let n", "let mut n")


def test_bytes_count_and_not_characters() -> None:
    text = 'fn main() {\n    let größe = "🦀".len();\n    println!("é {}", größ);\n}\n'
    with program(text) as compiler:
        fix = next(find_fixes(compiler, compiler.errors[0], PATIENT))
        assert applied(fix, compiler) == text.replace('", größ)', '", größe)')


def _deadline() -> Any:
    from m31r_core.cargo import Deadline

    return Deadline(60.0)


LINES = st.lists(st.sampled_from(["a\n", "b\n", "ä🦀\n", "\n", "c\r\n", "end"]), max_size=12)


@given(LINES, LINES)
def test_a_difference_turns_one_text_into_the_other(old: list[str], new: list[str]) -> None:
    before, after = "".join(old).encode(), "".join(new).encode()
    edits = difference("a.rs", before, after)
    assert apply_edits(before, edits) == after
    assert not overlap(edits)


@given(st.binary(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5))))
def test_edits_apply_or_say_why_not(text: bytes, ranges: list[tuple[int, int]]) -> None:
    edits = [Edit("a.rs", start, start + length, "x") for start, length in ranges]
    if overlap(edits) or any(edit.end > len(text) for edit in edits):
        with pytest.raises(ValueError, match=r"^a\.rs: "):
            apply_edits(text, edits)
    else:
        taken = sum(edit.end - edit.start for edit in set(edits))
        assert len(apply_edits(text, edits)) == len(text) - taken + len(set(edits))


def test_an_edit_needs_a_range() -> None:
    with pytest.raises(ValueError, match=re.escape("no range from 3 to 2")):
        Edit("a.rs", 3, 2, "")


@pytest.mark.parametrize(
    ("before", "edit", "cautions"),
    [
        ("let x = f();", (0, 12, ""), {"deletes code"}),
        ("let mut x = 1;", (4, 8, ""), set()),
        ("use std::fmt;\n", (0, 14, ""), set()),
        ("x", (0, 1, "x.unwrap()"), {"adds unwrap()"}),
        ("x.unwrap()", (0, 10, "y.unwrap()"), set()),
        ("x", (0, 1, "unsafe { x }"), {"adds unsafe"}),
        ("x", (0, 1, "todo!()"), {"adds todo!()"}),
        ("&x", (0, 1, ""), set()),
        ("x: Foo<u8>, ", (0, 12, ""), {"deletes code"}),
        ("T: Foo<u8>", (0, 10, ""), set()),
        ("#[allow(unused)]", (0, 16, ""), set()),
        ("save(x);", (0, 8, "let x = 1;"), {"deletes code"}),
        ("save()", (0, 6, "save"), set()),
        ("x.clone()", (0, 9, "x"), set()),
        ("Some(x)", (0, 7, "x"), set()),
    ],
)
def test_cautions(before: str, edit: tuple[int, int, str], cautions: set[str]) -> None:
    found = cautions_of([Edit("a.rs", *edit)], lambda path: before.encode())
    assert found == cautions


def test_moving_code_does_not_delete_it() -> None:
    text = b"first();\nsecond();\n"
    edits = [Edit("a.rs", 0, 9, ""), Edit("a.rs", 19, 19, "first();\n")]
    assert cautions_of(edits, lambda path: text) == frozenset()


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("u32", "0"),
        ("f64", "0.0"),
        ("&str", '""'),
        ("(u8, bool)", "(0, false)"),
        ("(u8,)", "(0,)"),
        ("Option<Foo>", "None"),
        ("[u8; 3]", "[0; 3]"),
        ("&mut Vec<u8>", "&mut Vec::new()"),
        ("Result<(), E>", "Ok(())"),
        ("Foo", None),
    ],
)
def test_plain_values(type_: str, value: str | None) -> None:
    assert plain_value(type_) == value


def test_placeholders_are_filled_by_type() -> None:
    assert next(fill_placeholders(["(1, /* i32 */)"])) == ["(1, 0)"]
    assert list(fill_placeholders(["(1)"])) == []


@given(st.lists(st.text("abc<>()[]{},- =", max_size=6), max_size=5))
def test_arguments_are_split_at_outer_commas(parts: list[str]) -> None:
    pieces = split_arguments(",".join(parts))
    letters = re.sub(r"[,\s]", "", "".join(parts))
    assert re.sub(r"[,\s]", "", "".join(pieces)) == letters


def test_close_names() -> None:
    known = ["length", "Length", "width", "lengths"]
    assert close("lenght", known)[0] == "length"
    assert "width" not in close("lenght", known)
    assert close("LENGTH", known)[:2] == ["length", "Length"]


def test_every_template_explains_itself() -> None:
    templates: set[Callable[..., Any]] = {t for group in BY_CODE.values() for t in group}
    assert all(template.__doc__ for template in templates)


def test_returning_nothing_weakens_the_type() -> None:
    text = 'fn name() -> u8 {\n    println!("ada")\n}\n\nfn main() {\n    name();\n}\n'
    with program(text) as compiler:
        fixes = list(find_fixes(compiler, compiler.errors[0], PATIENT))
    weaker = [fix for fix in fixes if fix.title == "return `()`"]
    assert [fix.cautions for fix in weaker] == [frozenset({"weakens a type"})]
