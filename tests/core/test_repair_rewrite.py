"""What is offered where code was left to be written, judged by the real rustc."""

from __future__ import annotations

import shutil
import textwrap
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.bundle import load_bundle
from m31r_core.cargo.process import Deadline
from m31r_core.cargo.program import Program
from m31r_core.engine import Completer, Engine
from m31r_core.repair.edits import lay
from m31r_core.repair.fixes import Fix
from m31r_core.repair.rewrite import find_rewrites, rewrites_at
from m31r_core.repair.rewrite.traits import STANDARD
from m31r_core.repair.rewrite.written import closed
from m31r_core.repair.search import RepairLimits

pytestmark = pytest.mark.skipif(shutil.which("rustc") is None, reason="rustc is not installed")

PATH = "src/lib.rs"
LIMITS = RepairLimits(seconds=60)
CASES = Path(__file__).parent / "rewrite"


def cases(kind: str) -> list[Any]:
    loaded = tomllib.loads((CASES / f"{kind}.toml").read_text("utf-8"))["case"]
    return [pytest.param(case, id=case["name"]) for case in loaded]


@contextmanager
def opened(code: str) -> Iterator[tuple[Program, int]]:
    """The program, and the cursor that `¦` stands for."""
    before, _, after = code.partition("¦")
    text = (before + after).encode()
    with Program({PATH: text}, main=PATH, crate_type="lib", sandbox=None) as program:
        yield program, len(before.encode())


def offers(code: str, completer: Completer | None = None) -> list[Fix]:
    with opened(code) as (program, offset):
        fixes = list(find_rewrites(program, PATH, offset, LIMITS, completer=completer))
        if fixes:
            assert rewrites_at(program.text(PATH), offset)
        for fix in fixes:
            verdict = program.check(lay(fix.edits, program.text), Deadline(60))
            assert verdict.passed
            assert fix.title
        return fixes


def body(fix: Fix) -> str:
    """The statements of a body that was written, at the left margin."""
    return textwrap.dedent(fix.edits[0].text.strip().removeprefix("{").removesuffix("}")).strip()


@pytest.mark.parametrize("case", cases("bodies"))
def test_body(case: dict[str, Any]) -> None:
    fixes = offers(case["code"])
    if case.get("none"):
        assert fixes == []
        return
    written = [body(fix) for fix in fixes]
    assert written[0] == case["first"]
    assert not set(written) & set(case.get("never", []))
    assert len(set(written)) == len(written) <= 5
    assert all("todo!" not in text and "panic!" not in text for text in written)


@pytest.mark.parametrize("case", cases("items"))
def test_items(case: dict[str, Any]) -> None:
    check_one(case)


@pytest.mark.parametrize("case", cases("arms"))
def test_arms(case: dict[str, Any]) -> None:
    check_one(case)


def check_one(case: dict[str, Any]) -> None:
    fixes = offers(case["code"])
    if case.get("none"):
        assert fixes == []
        return
    assert fixes[0].edits[0].text.strip() == case["first"].strip()
    assert fixes[0].cautions == set(case.get("cautions", []))


def test_many_variants_are_all_found() -> None:
    names = ", ".join(f"V{i}" for i in range(12))
    fixes = offers(f"enum E {{ {names} }}\nfn m(e: E) -> u8 {{\n    match e {{¦ }}\n}}")
    assert all(f"E::V{i} => todo!()," in fixes[0].edits[0].text for i in range(12))


def test_rustc_is_asked_until_it_misses_nothing() -> None:
    fixes = offers(
        "fn m(e: (bool, Option<bool>, u8)) {\n    match e {¦\n"
        "        (true, None, 3) => {}\n    }\n}"
    )
    assert len(fixes) == 1
    assert fixes[0].cautions == frozenset()


def test_the_model_takes_part(random_bundle: Path) -> None:
    completer = Completer(Engine.load(load_bundle(random_bundle), threads=1))
    code = "pub struct A { name: String } impl A { pub fn name(&self) -> &str { ¦todo!() } }"
    assert "&self.name" in [body(fix) for fix in offers(code, completer)]


def test_cancelled_search_offers_nothing() -> None:
    code = "pub struct A { name: String } impl A { pub fn name(&self) -> &str { ¦todo!() } }"
    with opened(code) as (program, offset):
        found = find_rewrites(program, PATH, offset, LIMITS, cancelled=lambda: True)
        assert list(found) == []


def test_limits_are_kept() -> None:
    code = "pub struct A { x: u8 } impl A { pub fn far(&self) -> std::fs::File { ¦todo!() } }"
    with opened(code) as (program, offset):
        assert list(find_rewrites(program, PATH, offset, RepairLimits(total=1))) == []
    code = "trait Weigh { fn weigh(&self) -> std::fs::File; }\npub struct S;\nimpl Weigh for S {¦}"
    with opened(code) as (program, offset):
        unfinished = find_rewrites(program, PATH, offset, LIMITS)
        assert [fix.cautions for fix in unfinished] == [{"adds todo!()"}]
        careful = RepairLimits(seconds=60, cautions=False)
        assert list(find_rewrites(program, PATH, offset, careful)) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("fn f() -> u8 { ¦todo!() }", ("body",)),
        ("fn ¦f() -> u8 { }", ("body",)),
        ("fn f() -> u8 { 1¦ }", ()),
        ("impl A for B { ¦ }", ("trait items",)),
        ("impl B { ¦ }", ()),
        ("fn f() { match¦ x { } }", ("match arms",)),
        ("fn f() { match x {¦ A => 1, _ => 2 } }", ()),
        ("impl A for B { fn f(&self) -> u8 {¦} }", ("body",)),
    ],
)
def test_what_the_syntax_allows(code: str, expected: tuple[str, ...]) -> None:
    before, _, after = code.partition("¦")
    assert rewrites_at((before + after).encode(), len(before.encode())) == expected


@given(st.text("fnmatch{}()=>_;! implfor\n", max_size=60), st.integers(0, 60))
def test_any_text_can_be_asked_about(text: str, offset: int) -> None:
    assert isinstance(rewrites_at(text.encode(), min(offset, len(text.encode()))), tuple)


def test_what_the_model_writes_is_cut_where_it_parses() -> None:
    assert closed("let a = 1;\na + (") == "let a = 1;"
    assert closed("a\n}\nfn g() {") == "a"
    assert closed("(((") == ""


def test_signatures_of_the_standard_library_are_right() -> None:
    """One impl of each trait, all stubs as they are: rustc misses nothing and minds nothing."""
    paths = {
        **dict.fromkeys(("Display", "Debug", "LowerHex", "UpperHex", "Binary"), "std::fmt::"),
        **dict.fromkeys(("Read", "Write"), "std::io::"),
        **dict.fromkeys(("Hash",), "std::hash::"),
        **dict.fromkeys(("Borrow",), "std::borrow::"),
        **dict.fromkeys(("FromStr",), "std::str::"),
    }
    in_prelude = {
        "Default", "Clone", "PartialEq", "PartialOrd", "Ord", "Drop", "From", "Into", "TryFrom",
        "AsRef", "AsMut", "Iterator", "DoubleEndedIterator", "IntoIterator", "FromIterator",
        "Extend",
    }  # fmt: skip
    arguments = ("From", "Into", "TryFrom", "AsRef", "AsMut", "Borrow", "Index", "IndexMut",
                 "FromIterator", "Extend")  # fmt: skip
    also = {
        "Ord": "#[derive(PartialEq, Eq, PartialOrd)]",
        "PartialOrd": "#[derive(PartialEq)]",
    }
    more = {
        "DerefMut": "impl std::ops::Deref for {0} {{ type Target = u8; {1} }}",
        "IndexMut": "impl std::ops::Index<u8> for {0} {{ type Output = u8; {1} }}",
        "DoubleEndedIterator": "impl Iterator for {0} {{ type Item = u8; {1} }}",
    }
    needs = {"DerefMut": ("Deref", "deref"), "IndexMut": ("Index", "index"),
             "DoubleEndedIterator": ("Iterator", "next")}  # fmt: skip
    lines = []
    for number, (trait, items) in enumerate(STANDARD.items()):
        path = "" if trait in in_prelude else paths.get(trait, "std::ops::")
        generic = "<u8>" if trait in arguments else ""
        own = [text for name, text in items.items() if name != "write_str"]
        argument = "u8" if generic else "Self"
        text = " ".join(own).replace("{argument}", argument)
        text = text.replace("IntoIter = _", "IntoIter = std::vec::IntoIter<u8>").replace(
            "= _;", "= u8;"
        )
        name = f"S{number}"
        lines.append(f"{also.get(trait, '')} pub struct {name};")
        lines.append(f"impl {path}{trait}{generic} for {name} {{ {text} }}")
        if trait in more:
            other, function = needs[trait]
            lines.append(
                more[trait].format(name, STANDARD[other][function].replace("{argument}", "u8"))
            )
    with Program({PATH: "\n".join(lines).encode()}, main=PATH, crate_type="lib", sandbox=None) as p:
        assert [error.rendered for error in p.errors] == []
