"""Code actions of a real server: each was accepted by rustc before it was offered."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.lsp.conftest import SPEAK, Wire, at
from tests.lsp.crates import (
    MOVED,
    MOVED_LINE,
    RICH,
    apply_on_disk,
    compiles,
    diagnostic,
    errors_of,
    make_crate,
    needs_cargo,
)

from m31r_lsp.documents import Encoding

if TYPE_CHECKING:
    from tests.lsp.conftest import Start

Json = dict[str, Any]
pytestmark = needs_cargo


@pytest.fixture(scope="module")
def moved(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Wire, Path, str]]:
    """A server on the crate `MOVED`, shared by tests that leave the files as they were."""
    yield from _shared(bundle_path, tmp_path_factory.mktemp("moved"), {})


@pytest.fixture(scope="module")
def rich(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Wire, Path, str]]:
    """The same for a client that takes all there is."""
    yield from _shared(bundle_path, tmp_path_factory.mktemp("rich"), RICH)


def _shared(bundle: Path, folder: Path, capabilities: Json) -> Iterator[tuple[Wire, Path, str]]:
    crate = make_crate(folder / "crate", {"src/main.rs": MOVED})
    wire = Wire("--model", str(bundle), env={"XDG_CACHE_HOME": str(folder / "cache")})
    wire.initialize({"check": {"deadline_s": 60.0}}, root=crate, capabilities=capabilities)
    yield wire, crate, (crate / "src/main.rs").as_uri()
    wire.kill()


@pytest.fixture
def serve(start: Start, bundle_path: Path, tmp_path: Path) -> Any:
    """Start a server on a crate made of `files`; return it, the crate and its first file's URI."""

    def serve_it(
        files: dict[str, str], *, options: Json | None = None, env: Json | None = None, **more: Any
    ) -> tuple[Wire, Path, str]:
        crate = make_crate(tmp_path / "crate", files)
        environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), **(env or {})}
        log = ("--log-file", str(tmp_path / "log"), "--log-level", "debug")
        wire = start("--model", str(bundle_path), *log, env=environment)
        patient = {"check": {"deadline_s": 60.0}}
        wire.initialize({**patient, **(options or {})}, root=crate, **more)
        uri = (crate / next(iter(files))).as_uri()
        wire.open(uri, next(iter(files.values())))
        return wire, crate, uri

    return serve_it


def test_a_borrow_error_gets_a_checked_action(moved: Any) -> None:
    wire, crate, uri = moved
    wire.open(uri, MOVED)
    assert not compiles(crate)
    spoken = diagnostic(MOVED_LINE, "E0382")
    first, *others = wire.actions(uri, MOVED_LINE, 16, diagnostics=[spoken])
    assert first["title"].startswith("M31R: ")
    assert "checked" in first["title"]
    assert first["kind"] == "quickfix"
    assert first["diagnostics"] == [spoken]
    assert all(other["kind"] == "quickfix" for other in others)
    apply_on_disk(first["edit"])
    assert compiles(crate)
    (crate / "src/main.rs").write_text(MOVED)


def test_every_action_compiles(moved: Any) -> None:
    wire, crate, uri = moved
    wire.open(uri, MOVED)
    actions = wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])
    assert actions
    for action in actions:
        apply_on_disk(action["edit"])
        assert compiles(crate), action
        (crate / "src/main.rs").write_text(MOVED)


@pytest.mark.parametrize(
    ("code", "line"),
    [("E0382", MOVED_LINE), (None, MOVED_LINE), ("rust-analyzer-own", MOVED_LINE), ("E0505", 7)],
)
def test_diagnostics_of_other_servers_are_understood(
    moved: Any, code: str | None, line: int
) -> None:
    wire, _, uri = moved
    wire.open(uri, MOVED)
    assert wire.actions(uri, line, 16, diagnostics=[diagnostic(line, code)])


def test_nothing_is_offered_where_nothing_is_wrong(moved: Any) -> None:
    wire, _, uri = moved
    wire.open(uri, MOVED)
    assert wire.actions(uri, 0, 3, only=["quickfix"]) == []
    assert wire.actions(uri, MOVED_LINE, 16, only=["refactor.extract"]) == []
    assert wire.actions("file:///never-opened.rs", 0) == []


def test_the_edit_comes_on_resolve(rich: Any) -> None:
    wire, crate, uri = rich
    wire.open(uri, MOVED)
    action = wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])[0]
    assert action.get("edit") is None
    assert action["isPreferred"]
    resolved = wire.resolve(action)
    (change,) = resolved["edit"]["documentChanges"]
    assert change["textDocument"] == {"uri": uri, "version": 1}
    (annotation,) = resolved["edit"]["changeAnnotations"].values()
    assert annotation["label"] in action["title"]
    assert not annotation["needsConfirmation"]
    assert "rustc" in annotation["description"]
    apply_on_disk(resolved["edit"])
    assert compiles(crate)
    (crate / "src/main.rs").write_text(MOVED)


def test_a_changed_document_gets_no_stale_edit(rich: Any) -> None:
    wire, _, uri = rich
    wire.open(uri, MOVED)
    action = wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])[0]
    wire.change(uri, 2, {"text": f"// new\n{MOVED}"})
    answer = wire.response(wire.request("codeAction/resolve", action))
    assert answer["error"]["code"] == -32801
    assert "has changed since the action was checked" in answer["error"]["message"]
    wire.change(uri, 3, {"text": MOVED})
    # The text is what it was, so the action is good again, for the version that is open now.
    resolved = wire.resolve(action)
    assert resolved["edit"]["documentChanges"][0]["textDocument"]["version"] == 3
    unknown = wire.request("codeAction/resolve", {**action, "data": {"m31r": 999}})
    assert "too old" in wire.response(unknown)["error"]["message"]


def test_a_change_in_another_file_is_checked_on_resolve(serve: Any) -> None:
    files = {
        "src/main.rs": MOVED.replace("fn main", "mod other;\n\nfn main"),
        "src/other.rs": "pub fn one() -> u8 {\n    1\n}\n",
    }
    wire, crate, uri = serve(files, capabilities=RICH)
    action = wire.actions(uri, MOVED_LINE + 2, 16, only=["quickfix"])[0]
    other = (crate / "src/other.rs").as_uri()
    wire.open(other, files["src/other.rs"].replace("1\n", "2\n"))
    assert wire.resolve(action)["edit"]


def test_unsaved_text_counts(moved: Any) -> None:
    wire, _, uri = moved
    wire.open(uri, MOVED)
    wire.change(uri, 2, {"text": MOVED.replace("length(name)", "length(name.clone())")})
    assert wire.actions(uri, MOVED_LINE, 16, only=["quickfix"]) == []
    wire.change(uri, 3, {"text": "\n" + MOVED})
    (edit, *_) = wire.actions(uri, MOVED_LINE + 1, 16, only=["quickfix"])[0]["edit"]["changes"][uri]
    assert edit["range"]["start"]["line"] in (1, 7, 8)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_behind_emoji(serve: Any, encoding: Encoding) -> None:
    text = "fn main() {\n    /* 😀é */ let name = String::new(); drop(name); drop(name);\n}\n"
    wire, crate, uri = serve({"src/main.rs": text}, encodings=(encoding,))
    actions = wire.actions(uri, 1, 12, only=["quickfix"])
    assert actions
    for action in actions:
        apply_on_disk(action["edit"], encoding)
        assert compiles(crate), action
        (crate / "src/main.rs").write_text(text)


def test_line_ends_stay_as_they_are(serve: Any) -> None:
    text = MOVED.replace("\n", "\r\n")
    wire, crate, uri = serve({"src/main.rs": text})
    for action in wire.actions(uri, MOVED_LINE, 16, only=["quickfix"]):
        apply_on_disk(action["edit"])
        fixed = (crate / "src/main.rs").read_bytes()
        assert fixed.count(b"\n") == fixed.count(b"\r\n")
        assert compiles(crate)
        (crate / "src/main.rs").write_bytes(text.encode())


TWO = {
    "src/main.rs": 'mod inner;\n\nfn main() {\n    println!("{}", inner::secret());\n}\n',
    "src/inner.rs": "fn secret() -> u8 {\n    7\n}\n",
}


def test_an_edit_of_a_file_that_is_not_open(serve: Any) -> None:
    wire, crate, uri = serve(TWO, capabilities=RICH)
    for action in wire.actions(uri, 3, 27, diagnostics=[diagnostic(3, "E0603")]):
        edit = wire.resolve(action)["edit"]
        changed = {each["textDocument"]["uri"]: each for each in edit["documentChanges"]}
        if (crate / "src/inner.rs").as_uri() in changed:
            document = changed[(crate / "src/inner.rs").as_uri()]["textDocument"]
            assert document["version"] is None
            apply_on_disk(edit)
            assert compiles(crate)
            return
    pytest.fail("no action makes the function public")


def test_fix_all_is_offered_only_when_asked_for(serve: Any) -> None:
    text = MOVED + "\nfn more() -> u8 {\n    let n = 1u8;\n    n = 2;\n    n\n}\n"
    wire, crate, uri = serve({"src/main.rs": text})
    kinds = {each["kind"] for each in wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])}
    assert "source.fixAll.m31r" not in kinds
    # VS Code calls it automatic when it asks on save.
    (action,) = wire.actions(uri, 0, only=["source.fixAll"], triggerKind=2)
    assert action["kind"] == "source.fixAll.m31r"
    apply_on_disk(action["edit"])
    assert compiles(crate)


def test_automatic_requests_are_answered_from_what_is_known(serve: Any, tmp_path: Path) -> None:
    wire, _, uri = serve(
        {"src/main.rs": MOVED}, options={"check": {"rest_s": 0.05, "deadline_s": 60.0}}
    )
    spoken = [diagnostic(MOVED_LINE, "E0382")]
    assert wire.actions(uri, MOVED_LINE, 16, diagnostics=spoken, triggerKind=2) == []
    deadline = time.monotonic() + 60
    while not wire.actions(uri, MOVED_LINE, 16, diagnostics=spoken, triggerKind=2):
        time.sleep(0.3)
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
    assert wire.actions(uri, 0, 0, triggerKind=2) == []


def test_an_equal_question_compiles_nothing_again(serve: Any, tmp_path: Path) -> None:
    counted = counting_rust(tmp_path)
    wire, _, uri = serve({"src/main.rs": MOVED}, env={"PATH": counted.path})
    first = wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])
    before = counted.calls()
    assert before > 0
    assert [each["title"] for each in wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])] == [
        each["title"] for each in first
    ]
    assert wire.actions(uri, MOVED_LINE, 17, diagnostics=[diagnostic(MOVED_LINE, "E0382")])
    assert counted.calls() == before


def test_untrusted_runs_nothing(serve: Any, tmp_path: Path) -> None:
    counted = counting_rust(tmp_path)
    files = {
        "src/main.rs": MOVED,
        "build.rs": 'fn main() { std::fs::write("../built", "").unwrap(); }\n',
    }
    options = {"trusted": False, "check": {"on_save": "on", "rest_s": 0.0}, **SPEAK}
    wire, _, uri = serve(files, options=options, env={"PATH": counted.path})
    for kind in (1, 2):
        assert wire.actions(uri, MOVED_LINE, 16, triggerKind=kind) == []
        spoken = [diagnostic(MOVED_LINE, "E0382")]
        assert wire.actions(uri, MOVED_LINE, 16, diagnostics=spoken, triggerKind=kind) == []
        assert wire.actions(uri, 0, only=["source.fixAll.m31r"], triggerKind=kind) == []
    wire.save(uri)
    assert wire.ghost(uri, 5, 4, by_hand=True) is None
    time.sleep(0.5)
    assert wire.leave() == 0
    assert counted.calls() == 0
    assert not (tmp_path / "built").exists()
    assert "the workspace is not trusted" in (tmp_path / "log").read_text()


def test_the_user_is_told_once_why_there_is_nothing(serve: Any, tmp_path: Path) -> None:
    files = {"src/main.rs": MOVED, "Cargo.toml": "[package]\nname = 'broken\n"}
    wire, _, uri = serve(files)
    for _ in range(2):
        assert wire.actions(uri, MOVED_LINE, 16, only=["quickfix"]) == []
    assert wire.leave() == 0
    told = [m["params"]["message"] for m in wire.messages if m["method"] == "window/showMessage"]
    assert len(told) == 1
    assert "M31R has no code actions" in told[0]


def test_an_answer_comes_in_time_while_the_crate_is_compiled(serve: Any, tmp_path: Path) -> None:
    held = counting_rust(tmp_path, before="sleep 300")
    options = {"check": {"deadline_s": 2.0}}
    wire, _, uri = serve({"src/main.rs": MOVED}, env={"PATH": held.path}, options=options)
    assert wire.actions(uri, MOVED_LINE, 16, only=["quickfix"]) == []
    assert "for the first time" in wire.wait_for("window/showMessage")["message"]
    assert wire.leave() == 0  # and the compiler with it


def test_a_file_outside_any_crate(serve: Any, tmp_path: Path) -> None:
    counted = counting_rust(tmp_path)
    wire, _, _ = serve({"src/main.rs": MOVED}, env={"PATH": counted.path})
    alone = tmp_path / "alone.rs"
    alone.write_text(MOVED)
    wire.open(alone.as_uri(), MOVED)
    assert wire.actions(alone.as_uri(), MOVED_LINE, 16) == []
    assert counted.calls() == 0
    assert "there is no Cargo.toml above" in (tmp_path / "log").read_text()


class Counted:
    """A PATH with a cargo and a rustc that count their calls and hand on to the real ones."""

    def __init__(self, folder: Path, path: str) -> None:
        self.path = path
        self._count = folder / "calls"

    def calls(self) -> int:
        return len(self._count.read_text().splitlines()) if self._count.exists() else 0


def counting_rust(tmp_path: Path, before: str = "") -> Counted:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cargo", "rustc"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True)
        script = folder / name
        script.write_text(
            f'#!/bin/sh\necho {name} >> "{folder}/calls"\n{before}\n'
            f'exec "{found.stdout.strip()}" "$@"\n'
        )
        script.chmod(0o755)
    return Counted(folder, f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_cancelling_is_answered_and_frees_the_thread(serve: Any, tmp_path: Path) -> None:
    slow = counting_rust(tmp_path, before="sleep 0.3")
    wire, _, uri = serve({"src/main.rs": MOVED}, env={"PATH": slow.path})
    number = wire.request("textDocument/codeAction", at(uri, MOVED_LINE, 16, only=["quickfix"]))
    time.sleep(0.1)
    wire.notify("$/cancelRequest", {"id": number})
    assert wire.response(number)["error"]["code"] == -32800
    assert wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])


def test_a_newer_request_supersedes(serve: Any, tmp_path: Path) -> None:
    slow = counting_rust(tmp_path, before="sleep 0.2")
    wire, _, uri = serve({"src/main.rs": MOVED}, env={"PATH": slow.path})
    older = wire.request("textDocument/codeAction", at(uri, MOVED_LINE, 16, only=["quickfix"]))
    wire.change(uri, 2, {"text": MOVED + "\n"})
    newer = wire.request("textDocument/codeAction", at(uri, MOVED_LINE, 16, only=["quickfix"]))
    assert wire.response(older)["result"] == []
    assert wire.response(newer)["result"]


def test_progress_is_told_and_can_be_cancelled(serve: Any, tmp_path: Path) -> None:
    wire, _, uri = serve({"src/main.rs": MOVED})
    wire.actions(uri, MOVED_LINE, 16, only=["quickfix"], token="mine")
    told = [wire.wait_for("$/progress")]
    while told[-1]["value"]["kind"] != "end":
        told.append(wire.wait_for("$/progress"))
    assert {each["token"] for each in told} == {"mine"}
    assert told[0]["value"]["cancellable"]
    wire.change(uri, 2, {"text": MOVED + "\n"})
    number = wire.request(
        "textDocument/codeAction", at(uri, MOVED_LINE, 16, only=["quickfix"], token="second")
    )
    assert wire.wait_for("$/progress")["token"] == "second"
    wire.notify("window/workDoneProgress/cancel", {"token": "second"})
    assert "result" in wire.response(number)


def test_progress_of_our_own_where_the_client_shows_it(serve: Any, tmp_path: Path) -> None:
    slow = counting_rust(tmp_path, before="sleep 0.3")
    capabilities = {"window": {"workDoneProgress": True}}
    wire, _, uri = serve({"src/main.rs": MOVED}, env={"PATH": slow.path}, capabilities=capabilities)
    assert wire.actions(uri, MOVED_LINE, 16, only=["quickfix"])
    created = [each for each in wire.asked if each["method"] == "window/workDoneProgress/create"]
    assert len(created) == 1
    token = created[0]["params"]["token"]
    kinds = [m["params"]["value"]["kind"] for m in wire.messages if m["method"] == "$/progress"]
    assert wire.wait_for("$/progress")["token"] == token
    assert kinds[0] == "begin"


def test_ghost_text_answers_while_rustc_runs(serve: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = f'while [ ! -e "{gate}" ]; do sleep 0.05; done'
    held = counting_rust(tmp_path, before=waiting)
    wire, _, uri = serve({"src/main.rs": MOVED}, env={"PATH": held.path}, options=SPEAK)
    number = wire.request("textDocument/codeAction", at(uri, MOVED_LINE, 16, only=["quickfix"]))
    wire.ghost(uri, 5, 4)  # answered although the search cannot get on
    wire.actions(uri, 0, 0, triggerKind=2)
    gate.touch()
    assert wire.response(number)["result"]


UNFINISHED = """\
#[derive(Clone, Copy)]
pub enum Side {
    Left,
    Right,
}

pub struct Corner {
    pub side: Side,
    width: u32,
}

impl Corner {
    pub fn width(&self) -> u32 {
        todo!()
    }
}

impl Default for Corner {
}

pub fn is_left(side: Side) -> bool {
    match side {
        Side::Left => true,
    }
}

fn main() {}
"""


def test_rewrites_are_checked_before_they_are_listed(serve: Any, tmp_path: Path) -> None:
    wire, crate, uri = serve({"src/main.rs": UNFINISHED})
    before = errors_of(crate)
    for line, character in ((12, 8), (17, 2), (21, 6)):
        actions = wire.actions(uri, line, character, only=["refactor"])
        assert actions, (tmp_path / "log").read_text()
        for action in actions:
            assert action["kind"] == "refactor.rewrite"
            assert "checked" in action["title"]
            apply_on_disk(action["edit"])
            assert errors_of(crate) <= before, action
            (crate / "src/main.rs").write_text(UNFINISHED)


def test_rewrites_are_not_sought_unasked(serve: Any, tmp_path: Path) -> None:
    counted = counting_rust(tmp_path)
    wire, _, uri = serve({"src/main.rs": UNFINISHED}, env={"PATH": counted.path})
    assert wire.actions(uri, 12, 8, triggerKind=2) == []
    assert counted.calls() == 0


def test_no_compiler_outlives_the_server(serve: Any, tmp_path: Path) -> None:
    held = counting_rust(tmp_path, before="exec sleep 300")
    wire, _, uri = serve({"src/main.rs": MOVED}, env={"PATH": held.path})
    wire.request("textDocument/codeAction", at(uri, MOVED_LINE, 16, only=["quickfix"]))
    while held.calls() == 0:
        time.sleep(0.05)
    children = psutil.Process(wire.process.pid).children(recursive=True)
    assert wire.leave() == 0
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert gone
    assert not alive


def test_what_the_model_wrote_is_tagged(serve: Any) -> None:
    wire, _, uri = serve({"src/main.rs": UNFINISHED}, capabilities=RICH)
    actions = wire.actions(uri, 12, 8, only=["refactor.rewrite"])
    assert actions
    assert all(action.get("tags") in (None, [1]) for action in actions)
