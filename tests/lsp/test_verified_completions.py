"""rustc's word on ghost text: which comes first, and which is not offered again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.lsp.conftest import SPEAK, inline
from tests.lsp.crates import make_crate, needs_cargo

from m31r_core.cargo import Deadline
from m31r_lsp.crates import Crates
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.ghost import Ghost
from m31r_lsp.refused import Refused
from m31r_lsp.verifying import Spot, Word, judge_all

if TYPE_CHECKING:
    from tests.lsp.conftest import Start, Wire

Json = dict[str, Any]

# The model copies from the file, and what it copies here is out of scope in the second function.
COPIED = """\
pub fn first_of_them() -> u32 {
    fn only_seen_in_here(n: u32) -> u32 {
        n + 1
    }
    let outcome = only_seen_in_here(7);
    let outcome = only_seen_in_here(outcome);
    outcome
}

pub fn second_of_them() -> u32 {
    let outcome = only_
    outcome
}

fn main() {
    println!("{} {}", first_of_them(), second_of_them());
}
"""
LINE, CHARACTER = 10, len("    let outcome = only_")


@pytest.fixture
def crates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crates:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Crates()


def spot(crate: Path, before: str, after: str) -> Spot:
    file = crate / "src/main.rs"
    return Spot(crate, file, before, after, ((file, before + after),))


def judge(crates: Crates, where: Spot, texts: list[str]) -> list[Word]:
    return judge_all(crates, where, [Ghost(text) for text in texts], Deadline(120), lambda: False)


@needs_cargo
def test_a_bracket_behind_the_cursor_is_taken_over(crates: Crates, tmp_path: Path) -> None:
    before, after = "fn main() {\n    let n: usize = usize::min(1", ")\n}\n"
    crate = make_crate(tmp_path / "crate", {"src/main.rs": before + after})
    place, until = spot(crate, before, after), Deadline(120)
    ghosts = [Ghost(", 2);", swallows=1), Ghost(", 2).nonsense();", swallows=1)]
    assert judge_all(crates, place, ghosts, until, lambda: False) == ["passed", "failed"]


@needs_cargo
def test_words(crates: Crates, tmp_path: Path) -> None:
    before, after = (
        'fn main() {\n    let name = String::from("x");\n    let n: usize = name.',
        "\n}\n",
    )
    crate = make_crate(tmp_path / "crate", {"src/main.rs": before + after})
    texts = ["len();", "to_string();", "nonsense();", "chars().map(", "len(); drop(n);"]
    words = judge(crates, spot(crate, before, after), texts)
    assert words == ["passed", "failed", "failed", "unknown", "passed"]


@needs_cargo
@pytest.mark.parametrize("elsewhere", ["fn other() -> u8 { missing() }\n", "fn bad( {}\n"])
def test_errors_elsewhere_make_it_unknown(crates: Crates, tmp_path: Path, elsewhere: str) -> None:
    before, after = elsewhere + "fn main() {\n    let n: u8 = ", "\n}\n"
    crate = make_crate(tmp_path / "crate", {"src/main.rs": before + after})
    words = judge(crates, spot(crate, before, after), ["7;"])
    assert words == ["unknown"]


def test_a_refused_line_stays_refused_while_it_is_typed() -> None:
    refused = Refused()
    refused.add("file:///a.rs", Cursor("fn f() {\n    le", "\n}\n"), "t x = y;")
    assert ("file:///a.rs", Cursor("fn f() {\n    let", "\n}\n"), " x = y;") in refused
    assert ("file:///a.rs", Cursor("fn f() {\n    let", "\n}\n"), " x = z;") not in refused
    assert ("file:///b.rs", Cursor("fn f() {\n    let", "\n}\n"), " x = y;") not in refused
    assert ("file:///a.rs", Cursor("fn g() {\n    let", "\n}\n"), " x = y;") not in refused


@pytest.fixture
def serve(start: Start, bundle_path: Path, tmp_path: Path) -> Any:
    """Start a server on the crate with `COPIED`; return it and the URI."""

    def serve_it(**check: Any) -> tuple[Wire, str]:
        crate = make_crate(tmp_path / "crate", {"src/main.rs": COPIED})
        environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        log = ("--log-file", str(tmp_path / "log"), "--log-level", "debug")
        wire = start("--model", str(bundle_path), *log, env=environment)
        options = {**SPEAK, "check": {"rest_s": 0.05, "completion_deadline_s": 60.0, **check}}
        status = {"experimental": {"m31r": {"status": True}}}
        wire.initialize(options, root=crate, capabilities=status)
        uri = (crate / "src/main.rs").as_uri()
        wire.open(uri, COPIED)
        return wire, uri

    return serve_it


def verdict(wire: Wire) -> Word | None:
    """Wait until a check is over and return what came of it."""
    while wire.wait_for("m31r/status")["state"] != "checking":
        pass
    said = wire.wait_for("m31r/status")
    assert said["state"] == "ready"
    word: Word | None = said["verdict"]
    return word


@needs_cargo
def test_what_fails_is_not_offered_again(serve: Any) -> None:
    wire, uri = serve()
    text = wire.ghost(uri, LINE, CHARACTER)
    if text is None or not text.startswith("seen_in_here("):
        pytest.skip(f"the model says {text!r} here, which may compile")
    assert verdict(wire) == "failed"
    assert wire.ghost(uri, LINE, CHARACTER) != text


@needs_cargo
def test_by_hand_what_compiles_comes_first(serve: Any, tmp_path: Path) -> None:
    wire, uri = serve()
    assert wire.ghost(uri, LINE, CHARACTER)
    verdict(wire)  # from now on the crate is known
    answer = wire.call("textDocument/inlineCompletion", inline(uri, LINE, CHARACTER, True))
    texts = [item["insertText"] for item in answer["items"]]
    assert len(texts) > 1
    assert len(set(texts)) == len(texts)
    words = judge(Crates(), place(tmp_path / "crate"), texts)
    order = ["passed", "unknown", "failed"]
    assert words == sorted(words, key=order.index)
    assert verdict(wire) == words[0]


def place(crate: Path) -> Spot:
    lines = COPIED.split("\n")
    before = "\n".join([*lines[:LINE], lines[LINE][:CHARACTER]])
    return spot(crate.resolve(), before, COPIED[len(before) :])


@needs_cargo
def test_the_second_request_of_a_key_does_not_stop_the_check(serve: Any) -> None:
    wire, uri = serve(rest_s=0.3)
    place = {"textDocument": {"uri": uri}, "position": {"line": LINE, "character": CHARACTER}}
    assert wire.ghost(uri, LINE, CHARACTER)
    wire.call("textDocument/completion", place)
    assert verdict(wire) is not None


@needs_cargo
def test_checks_can_be_switched_off(serve: Any, tmp_path: Path) -> None:
    wire, uri = serve(completions=False)
    wire.ghost(uri, LINE, CHARACTER)
    wire.ghost(uri, LINE, CHARACTER, by_hand=True)
    assert wire.leave() == 0
    assert not (tmp_path / "cache" / "m31r" / "overlay").exists()
    assert not [each for each in wire.messages if each["params"].get("state") == "checking"]
