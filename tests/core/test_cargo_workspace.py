"""Candidates in cargo workspaces: what rustc says when called directly is what cargo says."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from m31r_core.cargo import CargoError, Deadline, Snapshot, Verdict, Workspace
from tests.core.test_cargo import BROKEN, LIBRARY, MANIFEST, codes, fingerprint, write

NOTHING: dict[Path, str] = {}
WRONG = b"pub fn name() -> String {\n    42\n}\n"


def soon() -> Deadline:
    return Deadline(60.0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def crate(tmp_path: Path) -> Iterator[Path]:
    """A library with a binary, a test and an example; they stay as they are in every test."""
    folder = write(
        tmp_path / "tiny",
        {
            "Cargo.toml": MANIFEST,
            "src/lib.rs": "mod part;\npub use part::half;\n" + LIBRARY,
            "src/part.rs": "pub fn half(x: u32) -> u32 {\n    x / 2\n}\n",
            "src/main.rs": "fn main() {\n    tiny::double(tiny::half(2));\n}\n",
            "tests/it.rs": "#[test]\nfn doubles() {\n    assert_eq!(tiny::double(2), 4);\n}\n",
            "examples/show.rs": 'fn main() {\n    println!("{}", tiny::half(4));\n}\n',
        },
    )
    before = fingerprint(folder)
    yield folder
    assert fingerprint(folder) == before


def fast_and_slow(snapshot: Snapshot, changes: Mapping[str, bytes]) -> Verdict:
    """The verdict of the fast path, which must take it and agree with cargo's."""
    assert snapshot.why_cargo(changes) == ""
    verdict = snapshot.check(changes, soon())
    truth = snapshot.check_with_cargo(changes, soon())
    for ours, theirs in ((verdict.new, truth.new), (verdict.gone, truth.gone)):
        assert {error.identity for error in ours} == {error.identity for error in theirs}
    return verdict


def places(verdict: Verdict) -> set[tuple[str | None, str]]:
    return {(error.code, error.primary.path if error.primary else "") for error in verdict.new}


def replaced(snapshot: Snapshot, path: str, old: str, new: str) -> dict[str, bytes]:
    text = snapshot.text(path)
    assert old.encode() in text
    return {path: text.replace(old.encode(), new.encode())}


def test_a_change_is_followed_into_what_depends_on_it(crate: Path) -> None:
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert snapshot.errors == ()
    assert snapshot.paths() == [
        "examples/show.rs",
        "src/lib.rs",
        "src/main.rs",
        "src/part.rs",
        "tests/it.rs",
    ]
    narrow = replaced(snapshot, "src/part.rs", "x: u32", "x: u8")
    assert places(fast_and_slow(snapshot, narrow)) == {("E0308", "src/part.rs")}
    narrow = replaced(snapshot, "src/part.rs", "(x: u32) -> u32", "(x: u8) -> u8")
    assert places(fast_and_slow(snapshot, narrow)) == {("E0308", "src/main.rs")}
    renamed = replaced(snapshot, "src/lib.rs", "double", "twice")
    assert places(fast_and_slow(snapshot, renamed)) == {
        ("E0425", "src/main.rs"),
        ("E0425", "tests/it.rs"),
    }
    test = {"tests/it.rs": b"#[test]\nfn t() {\n    tiny::no();\n}\n"}
    assert places(fast_and_slow(snapshot, test)) == {("E0425", "tests/it.rs")}
    both = {**renamed, "src/main.rs": b"fn main() {}\n", "tests/it.rs": b""}
    assert fast_and_slow(snapshot, both).passed


def test_default_targets_leave_out_tests_and_examples(crate: Path) -> None:
    snapshot = Workspace(crate, targets="default").snapshot(NOTHING, soon())
    renamed = replaced(snapshot, "src/lib.rs", "double", "twice")
    assert places(fast_and_slow(snapshot, renamed)) == {("E0425", "src/main.rs")}


def test_unsaved_buffers_are_the_baseline(crate: Path) -> None:
    workspace = Workspace(crate)
    buffers = {crate / "src/part.rs": BROKEN + "pub fn half(x: u32) -> u32 { x }\n"}
    snapshot = workspace.snapshot(buffers, soon())
    assert [error.code for error in snapshot.errors] == ["E0308"]
    assert snapshot.text("src/part.rs").decode() == buffers[crate / "src/part.rs"]
    mended = replaced(snapshot, "src/part.rs", "42", "42.to_string()")
    assert codes(fast_and_slow(snapshot, mended)) == ([], ["E0308"], [])
    moved = replaced(snapshot, "src/part.rs", "pub fn name", "\n\npub fn name")
    assert codes(fast_and_slow(snapshot, moved)) == ([], [], ["E0308"])
    assert workspace.snapshot(NOTHING, soon()).errors == ()


def test_warnings_are_diagnostics_and_no_errors(crate: Path) -> None:
    workspace = Workspace(crate)
    text = "fn unused() {}\npub fn half(x: u32) -> u32 {\n    x / 2\n}\n"
    snapshot = workspace.snapshot({crate / "src/part.rs": text}, soon())
    assert snapshot.errors == ()
    (warning,) = snapshot.diagnostics
    assert (warning.level, warning.code) == ("warning", "dead_code")


def test_errors_behind_errors_of_a_dependency_come_to_light(crate: Path) -> None:
    workspace = Workspace(crate)
    assert workspace.snapshot(NOTHING, soon()).errors == ()
    buffers = {
        crate / "src/part.rs": "pub fn half(x: u32) -> u32 {\n    y\n}\n",
        crate / "src/main.rs": "fn main() {\n    tiny::nothing();\n}\n",
    }
    snapshot = workspace.snapshot(buffers, soon())
    assert [error.code for error in snapshot.errors] == ["E0425"]
    verdict = fast_and_slow(snapshot, replaced(snapshot, "src/part.rs", "y\n", "x\n"))
    assert [(error.code, error.message) for error in verdict.gone] == [
        ("E0425", "cannot find value `y` in this scope")
    ]
    assert places(verdict) == {("E0425", "src/main.rs")}


def test_crlf_and_characters_of_several_bytes(crate: Path) -> None:
    workspace = Workspace(crate)
    text = "// größer 🦀\r\npub fn half(x: u32) -> u32 {\r\n    x / 2\r\n}\r\n"
    snapshot = workspace.snapshot({crate / "src/part.rs": text}, soon())
    changes = replaced(snapshot, "src/part.rs", "x / 2", "z / 2")
    (error,) = fast_and_slow(snapshot, changes).new
    span = error.primary
    assert span is not None
    source = changes["src/part.rs"]
    assert source[span.byte_start : span.byte_end] == b"z"


def test_a_verdict_is_remembered_by_content(crate: Path) -> None:
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    changes = {"src/part.rs": WRONG}
    first = snapshot.check(changes, soon())
    again = snapshot.check(dict(changes), soon())
    assert again.new == first.new
    assert again.seconds < first.seconds
    same = snapshot.check({"src/part.rs": snapshot.text("src/part.rs")}, soon())
    assert same.passed
    assert same.seconds < first.seconds


def test_paths_go_both_ways(crate: Path) -> None:
    snapshot = Workspace(crate / "src").snapshot(NOTHING, soon())
    assert snapshot.path_of(crate / "src" / "part.rs") == "src/part.rs"
    assert snapshot.file_of("src/part.rs") == crate / "src" / "part.rs"
    with pytest.raises(CargoError, match="outside the workspace"):
        snapshot.path_of(crate.parent / "other.rs")
    with pytest.raises(CargoError, match="outside the workspace"):
        snapshot.check({"../other.rs": b""}, soon())


def test_saved_changes_are_seen_and_never_stale(tmp_path: Path) -> None:
    """Saved, added, deleted, turned into other targets, and two writes within one tick."""
    crate = write(tmp_path / "tiny", {"Cargo.toml": MANIFEST, "src/lib.rs": LIBRARY})
    workspace = Workspace(crate)
    assert workspace.snapshot(NOTHING, soon()).errors == ()
    write(crate, {"src/lib.rs": BROKEN})
    assert [error.code for error in workspace.snapshot(NOTHING, soon()).errors] == ["E0308"]
    for digit in "12345":
        write(crate, {"src/lib.rs": f"pub fn f() -> u32 {{\n    x{digit}\n}}\n"})
        (error,) = workspace.snapshot(NOTHING, soon()).errors
        assert f"x{digit}" in error.message
    write(crate, {"src/lib.rs": "mod part;\n" + LIBRARY})
    assert [error.code for error in workspace.snapshot(NOTHING, soon()).errors] == ["E0583"]
    write(crate, {"src/part.rs": BROKEN})
    assert [error.code for error in workspace.snapshot(NOTHING, soon()).errors] == ["E0308"]
    (crate / "src/part.rs").unlink()
    assert [error.code for error in workspace.snapshot(NOTHING, soon()).errors] == ["E0583"]
    write(crate, {"src/lib.rs": LIBRARY, "src/main.rs": "fn main() {\n    tiny::no();\n}\n"})
    assert [error.code for error in workspace.snapshot(NOTHING, soon()).errors] == ["E0425"]
    (crate / "src/main.rs").unlink()
    write(crate, {"Cargo.toml": MANIFEST + "[features]\ndefault = ['extra']\nextra = []\n"})
    write(crate, {"src/lib.rs": LIBRARY + "#[cfg(feature = 'extra')]\n".replace("'", '"') + BROKEN})
    assert [error.code for error in workspace.snapshot(NOTHING, soon()).errors] == ["E0308"]
    write(crate, {"Cargo.toml": MANIFEST})
    assert workspace.snapshot(NOTHING, soon()).errors == ()


def test_a_snapshot_does_not_judge_files_that_were_saved_later(tmp_path: Path) -> None:
    crate = write(
        tmp_path / "tiny",
        {"Cargo.toml": MANIFEST, "src/lib.rs": "mod part;\n" + LIBRARY, "src/part.rs": "\n"},
    )
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    write(crate, {"src/part.rs": BROKEN})
    with pytest.raises(CargoError, match="changed on disk"):
        snapshot.check({"src/lib.rs": b"mod part;\n"}, soon())


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Path]:
    """app -> lib -> base, and a package outside that app uses."""
    package = MANIFEST.replace
    folder = write(
        tmp_path / "ws",
        {
            "Cargo.toml": '[workspace]\nmembers = ["app", "lib", "base"]\nresolver = "2"\n',
            "app/Cargo.toml": package("tiny", "app")
            + '[dependencies]\nlib = { path = "../lib" }\nfar = { path = "../../far" }\n',
            "app/src/main.rs": "fn main() {\n    far::go(lib::four());\n}\n",
            "lib/Cargo.toml": package("tiny", "lib")
            + '[dependencies]\nbase = { path = "../base" }\n',
            "lib/src/lib.rs": "pub fn four() -> u32 {\n    base::double(2)\n}\n",
            "base/Cargo.toml": package("tiny", "base"),
            "base/src/lib.rs": LIBRARY,
            "../far/Cargo.toml": package("tiny", "far"),
            "../far/src/lib.rs": "pub fn go(_: u32) {}\n",
        },
    )
    before = fingerprint(folder), fingerprint(tmp_path / "far")
    yield folder
    assert (fingerprint(folder), fingerprint(tmp_path / "far")) == before


def test_members_that_build_on_each_other(members: Path) -> None:
    snapshot = Workspace(members).snapshot(NOTHING, soon())
    narrow = replaced(snapshot, "base/src/lib.rs", "u32", "u8")
    assert places(fast_and_slow(snapshot, narrow)) == {("E0308", "lib/src/lib.rs")}
    lib = replaced(snapshot, "lib/src/lib.rs", "u32", "u8")
    assert places(fast_and_slow(snapshot, {**narrow, **lib})) == {("E0308", "app/src/main.rs")}
    app = {"app/src/main.rs": b"fn main() {\n    far::go(lib::four().into());\n}\n"}
    assert fast_and_slow(snapshot, {**narrow, **lib, **app}).passed
    assert fast_and_slow(snapshot, app).passed


def test_a_package_outside_is_for_cargo(members: Path) -> None:
    snapshot = Workspace(members).snapshot(NOTHING, soon())
    far = str(members.parent / "far/src/lib.rs")
    changes = {far: b"pub fn go(_: u8) {}\n"}
    assert "outside the members" in snapshot.why_cargo(changes)
    assert places(snapshot.check(changes, soon())) == {("E0308", "app/src/main.rs")}
    assert snapshot.check({"app/src/main.rs": b"fn main() {}\n"}, soon()).passed


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Path]:
    """A build script that sets a variable, generates code and watches a file; a derive macro."""
    build = (
        "use std::{env, fs, path::Path};\n"
        "fn main() {\n"
        '    println!("cargo:rerun-if-changed=src/watched.rs");\n'
        '    println!("cargo:rerun-if-changed=build.rs");\n'
        '    println!("cargo:rustc-env=GREETING=hello");\n'
        '    println!("cargo:rustc-check-cfg=cfg(special)");\n'
        '    println!("cargo:rustc-cfg=special");\n'
        '    let out = Path::new(&env::var("OUT_DIR").unwrap()).join("made.rs");\n'
        '    let seen = fs::read_to_string("src/watched.rs").unwrap().len();\n'
        '    fs::write(out, format!("pub const SEEN: usize = {seen};")).unwrap();\n'
        "}\n"
    )
    derive = (
        "use proc_macro::TokenStream;\n"
        "#[proc_macro_derive(Name)]\n"
        "pub fn name(_: TokenStream) -> TokenStream {\n"
        '    "impl Thing { pub fn name() -> u32 { 1 } }".parse().unwrap()\n'
        "}\n"
    )
    library = (
        'include!(concat!(env!("OUT_DIR"), "/made.rs"));\n'
        'pub const NOTE: &str = include_str!("../NOTE.txt");\n'
        'pub fn greeting() -> &\'static str {\n    env!("GREETING")\n}\n'
        "#[derive(derive::Name)]\npub struct Thing;\n"
        "#[cfg(special)]\npub mod watched;\n"
        "pub fn sum() -> usize {\n    SEEN + NOTE.len() + Thing::name() as usize\n}\n"
    )
    folder = write(
        tmp_path / "built",
        {
            "Cargo.toml": MANIFEST.replace("tiny", "built")
            + '[dependencies]\nderive = { path = "derive" }\n[workspace]\nmembers = ["derive"]\n',
            "NOTE.txt": "note\n",
            "build.rs": build,
            "src/lib.rs": library,
            "src/watched.rs": "pub fn watched() {}\n",
            "derive/Cargo.toml": MANIFEST.replace("tiny", "derive") + "[lib]\nproc-macro = true\n",
            "derive/src/lib.rs": derive,
        },
    )
    before = fingerprint(folder)
    yield folder
    assert fingerprint(folder) == before


def test_build_scripts_and_procedural_macros(built: Path) -> None:
    snapshot = Workspace(built).snapshot(NOTHING, soon())
    assert snapshot.errors == ()
    wrong = replaced(snapshot, "src/lib.rs", "sum() -> usize", "sum() -> u8")
    assert places(fast_and_slow(snapshot, wrong)) == {("E0308", "src/lib.rs")}
    right = replaced(snapshot, "src/lib.rs", "SEEN +", "SEEN * 2 +")
    assert fast_and_slow(snapshot, right).passed


@pytest.mark.parametrize(
    ("path", "old", "new", "reason", "code"),
    [
        ("build.rs", "SEEN: usize", "SAW: usize", "run by the build", "E0425"),
        ("src/watched.rs", "pub fn", "pub(crate) fn", "run by the build", None),
        ("derive/src/lib.rs", "-> u32 { 1 }", '-> &str { \\"\\" }', "run by the build", "E0106"),
        ("NOTE.txt", "note", "remark", "no Rust file", None),
        ("Cargo.toml", "2021", "2015", "no Rust file", None),
    ],
)
def test_what_only_cargo_can_know(
    built: Path, path: str, old: str, new: str, reason: str, code: str | None
) -> None:
    snapshot = Workspace(built).snapshot(NOTHING, soon())
    changes = replaced(snapshot, path, old, new)
    assert reason in snapshot.why_cargo(changes)
    verdict = snapshot.check(changes, soon())
    assert {error.code for error in verdict.new} == ({code} if code else set())
    wrong = replaced(snapshot, "src/lib.rs", "sum() -> usize", "sum() -> u8")
    assert places(fast_and_slow(snapshot, wrong)) == {("E0308", "src/lib.rs")}


def test_a_new_file_and_one_that_nothing_reads_are_for_cargo(tmp_path: Path) -> None:
    crate = write(
        tmp_path / "tiny",
        {"Cargo.toml": MANIFEST, "src/lib.rs": LIBRARY, "src/orphan.rs": BROKEN},
    )
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert snapshot.errors == ()
    new = {"src/lib.rs": b"mod fresh;\n", "src/fresh.rs": WRONG}
    assert "a new file" in snapshot.why_cargo(new)
    assert places(snapshot.check(new, soon())) == {("E0308", "src/fresh.rs")}
    orphan = {"src/orphan.rs": b"fn f() {"}
    assert "no unit reads it" in snapshot.why_cargo(orphan)
    assert snapshot.check(orphan, soon()).passed
    adopted = {"src/lib.rs": b"mod orphan;\n"}
    assert places(fast_and_slow(snapshot, adopted)) == {("E0308", "src/orphan.rs")}
    mended = {**adopted, "src/orphan.rs": b"fn _f() {}\n"}
    assert snapshot.check(mended, soon()).passed


def test_targets_that_were_never_seen_are_checked_when_they_can_be(tmp_path: Path) -> None:
    """The library never compiled, so cargo never called rustc for the binary and the test."""
    crate = write(
        tmp_path / "tiny",
        {
            "Cargo.toml": MANIFEST,
            "src/lib.rs": BROKEN,
            "src/main.rs": "fn main() {\n    tiny::nothing();\n}\n",
            "tests/it.rs": "#[test]\nfn t() {\n    tiny::name();\n}\n",
        },
    )
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert [error.code for error in snapshot.errors] == ["E0308"]
    still = replaced(snapshot, "src/lib.rs", "42", "43")
    assert codes(snapshot.check(still, soon()))[0] == ["E0308"]
    mended = replaced(snapshot, "src/lib.rs", "42", "String::new()")
    assert places(fast_and_slow(snapshot, mended)) == {("E0425", "src/main.rs")}
    both = {**mended, "src/main.rs": b"fn main() {\n    tiny::name();\n}\n"}
    assert fast_and_slow(snapshot, both).passed


def test_a_syntax_error_hides_what_a_file_contains(crate: Path) -> None:
    """rustc gives up before it knows the unit's files; later results must not be mixed up."""
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    torn = {"src/lib.rs": b"mod part;\npub fn f( {\n"}
    assert not fast_and_slow(snapshot, torn).passed
    both = {**torn, "src/part.rs": WRONG}
    assert not fast_and_slow(snapshot, both).passed
    mended = {"src/lib.rs": b"mod part;\npub use part::half;\n" + LIBRARY.encode()}
    assert fast_and_slow(snapshot, mended).passed


def test_the_deadline(crate: Path) -> None:
    workspace = Workspace(crate)
    with pytest.raises(CargoError, match="did not finish within"):
        workspace.snapshot(NOTHING, Deadline(0.05))
    snapshot = workspace.snapshot(NOTHING, soon())
    slow = b"macro_rules! many { ($($t:tt)*) => { fn _f() { $(let _ = [0; $t];)* } } }\n"
    slow += b"pub fn half(x: u32) -> u32 { x }\nmany!(" + b"1 " * 40_000 + b");\n"
    with pytest.raises(CargoError, match="did not finish within"):
        snapshot.check({"src/part.rs": slow}, Deadline(0.4))
    assert places(snapshot.check({"src/part.rs": WRONG}, soon())) >= {("E0308", "src/part.rs")}


def test_threads_share_the_lanes(crate: Path) -> None:
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    found: dict[int, Verdict] = {}

    def check(number: int) -> None:
        body = f"x / {number}" if number % 2 else f"y{number}"
        changes = replaced(snapshot, "src/part.rs", "x / 2", body)
        found[number] = snapshot.check(changes, soon())

    threads = [threading.Thread(target=check, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, verdict in found.items():
        messages = [error.message for error in verdict.new]
        expected = f"cannot find value `y{number}` in this scope"
        assert messages == ([] if number % 2 else [expected])
    assert len(found) == 8


CHILD = """\
import sys
from pathlib import Path
from m31r_core.cargo import Deadline, Workspace
crate, name = sys.argv[1:]
snapshot = Workspace(Path(crate)).snapshot({}, Deadline(60.0))
print("ready", flush=True)
for number in range(int(sys.stdin.readline())):
    text = f"pub fn half(x: u32) -> u32 {{\\n    {name}{number}\\n}}\\n"
    verdict = snapshot.check({"src/part.rs": text.encode()}, Deadline(60.0))
    (error,) = verdict.new
    assert f"`{name}{number}`" in error.message, error.message
print("done", flush=True)
"""


def child(crate: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(crate), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_at_once(crate: Path) -> None:
    with child(crate, "a") as first, child(crate, "b") as second:
        assert (heard(first), heard(second)) == ("ready", "ready")
        tell(first, "8")
        tell(second, "8")
        assert (heard(first), heard(second)) == ("done", "done")


def test_a_killed_process_leaves_nothing_that_misleads(crate: Path) -> None:
    for pause in (0.3, 0.05, 0.1, 0.15):
        with child(crate, "c") as process:
            if pause < 0.3:
                assert heard(process) == "ready"
                tell(process, "1000")
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert snapshot.errors == ()
    assert places(fast_and_slow(snapshot, {"src/part.rs": WRONG})) >= {("E0308", "src/part.rs")}
    assert fast_and_slow(snapshot, replaced(snapshot, "src/part.rs", "x / 2", "x / 3")).passed


def test_damaged_records_and_lanes_are_made_anew(crate: Path, tmp_path: Path) -> None:
    changes = {"src/part.rs": b"pub fn half(x: u32) -> u32 {\n    x / 3\n}\n"}
    assert Workspace(crate).snapshot(NOTHING, soon()).check(changes, soon()).passed
    (home,) = (tmp_path / "cache/m31r/overlay").iterdir()
    for record in (home / "records").iterdir():
        record.write_text(record.read_text()[:100])
    for index in home.rglob("index.json"):
        index.write_text('{"half')
    assert Workspace(crate).snapshot(NOTHING, soon()).check(changes, soon()).passed
    for file in [*home.rglob("incremental/*/*/s-*/*"), *home.glob("*.json")]:
        if file.is_file():
            file.write_bytes(file.read_bytes()[:50])
    for file in home.glob("lanes/*/deps/*.rmeta"):
        file.unlink()
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert fast_and_slow(snapshot, changes).passed
    assert not fast_and_slow(snapshot, {"src/part.rs": WRONG}).passed


def test_what_was_learned_outlives_the_process(crate: Path, tmp_path: Path) -> None:
    """A second start asks cargo nothing: it would have to wait for the lock of the copy."""
    Workspace(crate).snapshot(NOTHING, soon())
    (home,) = (tmp_path / "cache/m31r/overlay").iterdir()
    with (home / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        snapshot = Workspace(crate).snapshot(NOTHING, Deadline(20.0))
        assert not snapshot.check({"src/part.rs": WRONG}, Deadline(20.0)).passed


def test_what_is_remembered_depends_on_files_that_came_later(tmp_path: Path) -> None:
    """A file that no unit read at first is part of the state once one does, in every process."""
    crate = write(
        tmp_path / "tiny",
        {"Cargo.toml": MANIFEST, "src/lib.rs": LIBRARY, "src/orphan.rs": "pub fn f() {}\n"},
    )
    assert Workspace(crate).snapshot(NOTHING, soon()).errors == ()
    write(crate, {"src/lib.rs": "mod orphan;\n" + LIBRARY})
    assert Workspace(crate).snapshot(NOTHING, soon()).errors == ()
    write(crate, {"src/orphan.rs": BROKEN})
    for _ in range(2):
        errors = Workspace(crate).snapshot(NOTHING, soon()).errors
        assert [error.code for error in errors] == ["E0308"]
    write(crate, {"src/orphan.rs": "pub fn f() {}\n"})
    assert Workspace(crate).snapshot(NOTHING, soon()).errors == ()


def test_a_folder_with_blanks_and_a_module_called_target(tmp_path: Path) -> None:
    crate = write(
        tmp_path / "my crâte",
        {
            "Cargo.toml": MANIFEST,
            "src/lib.rs": "pub mod target;\n",
            "src/target/mod.rs": LIBRARY,
        },
    )
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert snapshot.paths() == ["src/lib.rs", "src/target/mod.rs"]
    verdict = fast_and_slow(snapshot, {"src/target/mod.rs": WRONG})
    assert places(verdict) == {("E0308", "src/target/mod.rs")}


def test_linked_files_are_read_and_never_written_through(tmp_path: Path) -> None:
    shared = write(tmp_path / "elsewhere", {"part.rs": LIBRARY})
    crate = write(tmp_path / "tiny", {"Cargo.toml": MANIFEST, "src/lib.rs": "pub mod part;\n"})
    (crate / "src/part.rs").symlink_to(shared / "part.rs")
    before = fingerprint(shared)
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert snapshot.text("src/part.rs").decode() == LIBRARY
    verdict = fast_and_slow(snapshot, {"src/part.rs": WRONG})
    assert places(verdict) == {("E0308", "src/part.rs")}
    assert fingerprint(shared) == before


def test_a_macro_that_writes_beside_the_sources_writes_into_the_copy(tmp_path: Path) -> None:
    derive = (
        "use proc_macro::TokenStream;\n"
        "#[proc_macro]\n"
        "pub fn note(_: TokenStream) -> TokenStream {\n"
        '    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();\n'
        '    std::fs::write(format!("{here}/NOTE.txt"), "written").unwrap();\n'
        "    TokenStream::new()\n"
        "}\n"
    )
    crate = write(
        tmp_path / "user",
        {
            "Cargo.toml": MANIFEST
            + '[dependencies]\nnotes = { path = "notes" }\n[workspace]\nmembers = ["notes"]\n',
            "NOTE.txt": "by hand",
            "src/lib.rs": "notes::note!();\n" + LIBRARY,
            "notes/Cargo.toml": MANIFEST.replace("tiny", "notes") + "[lib]\nproc-macro = true\n",
            "notes/src/lib.rs": derive,
        },
    )
    before = fingerprint(crate)
    snapshot = Workspace(crate).snapshot(NOTHING, soon())
    assert fast_and_slow(snapshot, replaced(snapshot, "src/lib.rs", "x * 2", "x * 3")).passed
    assert fingerprint(crate) == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("build.rs", "let seen =", "let seen: u8 ="),
        ("derive/src/lib.rs", "TokenStream {", "u8 {"),
        ("../far/src/lib.rs", "pub fn", "pub fun"),
    ],
)
def test_what_the_members_build_on_breaks_and_is_mended(
    tmp_path: Path, path: str, old: str, new: str
) -> None:
    crate = write(
        tmp_path / "user",
        {
            "Cargo.toml": MANIFEST
            + '[dependencies]\nderive = { path = "derive" }\nfar = { path = "../far" }\n'
            + '[workspace]\nmembers = ["derive"]\n',
            "build.rs": "fn main() {\n    let seen = 1u32;\n    let _ = seen;\n}\n",
            "src/lib.rs": "pub fn four() -> u32 {\n    far::double(derive::two!())\n}\n",
            "derive/Cargo.toml": MANIFEST.replace("tiny", "derive") + "[lib]\nproc-macro = true\n",
            "derive/src/lib.rs": "use proc_macro::TokenStream;\n#[proc_macro]\n"
            'pub fn two(_: TokenStream) -> TokenStream {\n    "2u32".parse().unwrap()\n}\n',
            "../far/Cargo.toml": MANIFEST.replace("tiny", "far"),
            "../far/src/lib.rs": LIBRARY,
        },
    )
    workspace = Workspace(crate)
    assert workspace.snapshot(NOTHING, soon()).errors == ()
    good = (crate / path).read_text()
    write(crate, {path: good.replace(old, new)})
    broken = workspace.snapshot(NOTHING, soon())
    assert broken.errors
    assert "build on" in broken.why_cargo({"src/lib.rs": b""})
    mended = broken.check({str((crate / path).resolve()): good.encode()}, soon())
    assert mended.passed
    assert mended.gone == broken.errors
    write(crate, {path: good})
    snapshot = workspace.snapshot(NOTHING, soon())
    assert snapshot.errors == ()
    wrong = replaced(snapshot, "src/lib.rs", "four() -> u32", "four() -> u8")
    assert places(fast_and_slow(snapshot, wrong)) == {("E0308", "src/lib.rs")}


def test_files_behind_linked_folders_and_beside_the_root(tmp_path: Path) -> None:
    """A folder that is a link, and a file of the repository above the package."""
    crate = write(
        tmp_path / "repository" / "tiny",
        {
            "Cargo.toml": MANIFEST,
            "src/lib.rs": 'pub mod linked;\n#[path = "../../beside.rs"]\npub mod beside;\n',
            "real/mod.rs": LIBRARY,
            "../beside.rs": LIBRARY,
            "../.git/HEAD": "",
        },
    )
    (crate / "src/linked").symlink_to("../real")
    workspace = Workspace(crate)
    assert workspace.snapshot(NOTHING, soon()).errors == ()
    for path in ("real/mod.rs", "../beside.rs"):
        write(crate, {path: BROKEN})
        snapshot = workspace.snapshot(NOTHING, soon())
        assert [error.code for error in snapshot.errors] == ["E0308"]
        write(crate, {path: LIBRARY})
        assert workspace.snapshot(NOTHING, soon()).errors == ()
    assert not workspace.snapshot(NOTHING, soon()).check({"real/mod.rs": WRONG}, soon()).passed


def test_a_target_folder_that_was_deleted_is_built_again(members: Path, tmp_path: Path) -> None:
    workspace = Workspace(members)
    assert workspace.snapshot(NOTHING, soon()).errors == ()
    (home,) = (tmp_path / "cache/m31r/overlay").iterdir()
    shutil.rmtree(home / "target")
    shutil.rmtree(home / "kept")
    snapshot = workspace.snapshot(NOTHING, soon())
    assert snapshot.errors == ()
    assert fast_and_slow(snapshot, {"app/src/main.rs": b"fn main() {}\n"}).passed


def test_records_hold_no_environment_but_cargos(
    crate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "a-secret-of-the-user")
    Workspace(crate).snapshot(NOTHING, soon())
    (home,) = (tmp_path / "cache/m31r/overlay").iterdir()
    records = list((home / "records").iterdir())
    assert records
    for record in records:
        assert record.stat().st_mode & 0o077 == 0
        assert json.loads(record.read_text())["env"]["CARGO_PKG_NAME"] == "tiny"
    for file in home.glob("*.json"):
        assert "a-secret-of-the-user" not in file.read_text()
    for record in records:
        assert "a-secret-of-the-user" not in record.read_text()


def test_a_held_target_folder_of_the_user_is_not_waited_for(crate: Path, tmp_path: Path) -> None:
    """rust-analyzer's cargo holds this lock; we neither wait for it nor take it."""
    target = crate / "target"
    done = subprocess.run(["cargo", "check", "--offline"], cwd=crate, capture_output=True)
    assert done.returncode == 0
    lock = target / "debug" / ".cargo-lock"
    before = fingerprint(target)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        snapshot = Workspace(crate).snapshot(NOTHING, Deadline(30.0))
        assert not snapshot.check({"src/part.rs": WRONG}, Deadline(30.0)).passed
        assert snapshot.check({"src/main.rs": b"fn main() {}\n"}, Deadline(30.0)).passed
        assert snapshot.check_with_cargo({}, Deadline(30.0)).passed
    again = subprocess.run(["cargo", "check", "--offline"], cwd=crate, capture_output=True)
    assert again.returncode == 0
    assert {name: it[0] for name, it in fingerprint(target).items()} == {
        name: it[0] for name, it in before.items()
    }
    shutil.rmtree(target)
    (crate / "Cargo.lock").unlink(missing_ok=True)
