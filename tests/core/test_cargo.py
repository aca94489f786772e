"""Verdicts of the real cargo on tiny crates."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from m31r_core.cargo import CargoError, Verdict, check_overlay, parse_messages

MANIFEST = '[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n'
LIBRARY = "pub fn double(x: u32) -> u32 {\n    x * 2\n}\n"
BROKEN = "pub fn name() -> String {\n    42\n}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    return write(tmp_path / "tiny", {"Cargo.toml": MANIFEST, "src/lib.rs": LIBRARY})


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    """Path -> content hash and modification time of everything below `folder`."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.lstat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


def codes(verdict: Verdict) -> tuple[list[str | None], list[str | None], list[str | None]]:
    groups = (verdict.new, verdict.gone, verdict.unchanged)
    new, gone, unchanged = ([error.code for error in group] for group in groups)
    return new, gone, unchanged


def test_a_change_that_compiles_passes(crate: Path) -> None:
    verdict = check_overlay(crate, {Path("src/lib.rs"): LIBRARY.replace("x * 2", "x + x")})
    assert verdict.passed
    assert codes(verdict) == ([], [], [])


def test_a_new_error_fails_with_rustcs_words_and_suggestion(crate: Path) -> None:
    source = "pub fn f() -> u32 {\n    let list = vec![1u32];\n    lst.len() as u32\n}\n"
    verdict = check_overlay(crate, {crate / "src/lib.rs": source})
    assert not verdict.passed
    assert codes(verdict) == (["E0425"], [], [])
    (error,) = verdict.new
    assert "lst" in error.message
    assert error.primary is not None
    assert (error.primary.path, error.primary.line_start) == ("src/lib.rs", 3)
    texts = [part.text for option in error.suggestions for part in option.replacements]
    assert "list" in texts


def test_an_old_error_that_moved_is_unchanged(crate: Path) -> None:
    write(crate, {"src/lib.rs": BROKEN})
    verdict = check_overlay(crate, {Path("src/lib.rs"): f"pub struct Added;\n\n{BROKEN}"})
    assert verdict.passed
    assert codes(verdict) == ([], [], ["E0308"])
    assert verdict.unchanged[0].primary is not None
    assert verdict.unchanged[0].primary.line_start == 4


def test_a_second_error_beside_an_old_one_is_new(crate: Path) -> None:
    write(crate, {"src/lib.rs": BROKEN})
    verdict = check_overlay(crate, {Path("src/lib.rs"): f"{BROKEN}{BROKEN.replace('name', 'two')}"})
    assert codes(verdict) == (["E0308"], [], ["E0308"])


def test_a_fix_takes_the_error_away_again_and_again(crate: Path) -> None:
    write(crate, {"src/lib.rs": BROKEN})
    fixed = {Path("src/lib.rs"): BROKEN.replace("42", "42.to_string()")}
    nothing: dict[Path, str] = {}
    assert codes(check_overlay(crate, fixed)) == ([], ["E0308"], [])
    assert codes(check_overlay(crate, nothing)) == ([], [], ["E0308"])
    assert codes(check_overlay(crate, fixed)) == ([], ["E0308"], [])


def test_a_saved_change_becomes_the_baseline(crate: Path) -> None:
    nothing: dict[Path, str] = {}
    assert codes(check_overlay(crate, nothing)) == ([], [], [])
    write(crate, {"src/lib.rs": BROKEN})
    assert codes(check_overlay(crate, nothing)) == ([], [], ["E0308"])
    write(crate, {"src/lib.rs": "mod part;\n", "src/part.rs": BROKEN})
    verdict = check_overlay(crate, {Path("src/part.rs"): LIBRARY})
    assert codes(verdict) == ([], ["E0308"], [])


def test_tests_are_checked_too(crate: Path) -> None:
    candidate = {Path("tests/it.rs"): "#[test]\nfn t() { assert_eq!(tiny::triple(2), 6); }\n"}
    assert codes(check_overlay(crate, candidate)) == (["E0425"], [], [])


def test_a_broken_manifest_is_an_error_of_the_candidate(crate: Path) -> None:
    verdict = check_overlay(crate, {Path("Cargo.toml"): MANIFEST + "[dependencies\n"})
    assert not verdict.passed


def test_a_build_script_that_starts_to_fail_is_no_old_error(crate: Path) -> None:
    write(crate, {"src/lib.rs": BROKEN, "build.rs": "fn main() {}\n"})
    verdict = check_overlay(crate, {Path("build.rs"): 'fn main() {\n    panic!("no")\n}\n'})
    assert not verdict.passed
    assert "build command" in verdict.new[0].message
    write(crate, {"build.rs": 'fn main() {\n    panic!("no")\n}\n'})
    with pytest.raises(CargoError, match="build command"):
        check_overlay(crate, {})


def test_the_users_tree_stays_as_it_is(crate: Path) -> None:
    build = (
        "fn main() {\n"
        '    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();\n'
        '    std::fs::write(format!("{here}/src/generated.rs"), "pub fn made() {}\\n").unwrap();\n'
        "}\n"
    )
    write(crate, {"build.rs": build, "src/lib.rs": "mod generated;\n"})
    before = fingerprint(crate)
    verdict = check_overlay(
        crate, {Path("src/lib.rs"): "mod generated;\nmod new;\n", Path("src/new.rs"): LIBRARY}
    )
    assert verdict.passed
    assert fingerprint(crate) == before


def test_an_own_target_folder(crate: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    assert check_overlay(crate, {}, target_dir=target).passed
    assert (target / "debug").is_dir()


def test_path_dependencies_and_workspaces(tmp_path: Path) -> None:
    """A member, its sibling, and a package outside that inherits from its own workspace."""
    write(
        tmp_path,
        {
            "ws/Cargo.toml": '[workspace]\nmembers = ["app", "lib"]\nresolver = "2"\n',
            "ws/app/Cargo.toml": MANIFEST.replace("tiny", "app")
            + '[dependencies]\nlib = { path = "../lib" }\nfar = { path = "../../other/far" }\n',
            "ws/app/src/main.rs": "fn main() {\n    far::go(lib::double(2));\n}\n",
            "ws/lib/Cargo.toml": MANIFEST.replace("tiny", "lib"),
            "ws/lib/src/lib.rs": LIBRARY,
            "other/Cargo.toml": '[workspace]\nmembers = ["far"]\n[workspace.package]\n'
            'version = "0.2.0"\n',
            "other/far/Cargo.toml": '[package]\nname = "far"\nversion.workspace = true\n'
            'edition = "2021"\n',
            "other/far/src/lib.rs": "pub fn go(_: u32) {}\n",
        },
    )
    before = fingerprint(tmp_path / "ws"), fingerprint(tmp_path / "other")
    app = tmp_path / "ws/app"
    same = {Path("src/main.rs"): "fn main() {\n    far::go(lib::double(3));\n}\n"}
    assert check_overlay(app, same).passed
    narrower = {Path("../lib/src/lib.rs"): LIBRARY.replace("u32", "u8")}
    verdict = check_overlay(app, narrower)
    assert [(error.code, error.primary and error.primary.path) for error in verdict.new] == [
        ("E0308", "app/src/main.rs")
    ]
    wider = {tmp_path / "other/far/src/lib.rs": "pub fn go(_: impl Into<u64>) {}\n"}
    assert check_overlay(app, wider).passed
    assert (fingerprint(tmp_path / "ws"), fingerprint(tmp_path / "other")) == before


def test_the_deadline_kills_everything_that_was_started(crate: Path) -> None:
    pid_file = crate.parent / "pid"
    write(
        crate,
        {
            "build.rs": "fn main() {\n"
            f'    std::fs::write("{pid_file}", std::process::id().to_string()).unwrap();\n'
            "    std::thread::sleep(std::time::Duration::from_secs(600));\n}\n"
        },
    )
    # On a busy machine, the build script may not have started when the first deadline passes.
    for seconds in (6, 60):
        with pytest.raises(CargoError, match=f"did not finish within {seconds} s"):
            check_overlay(crate, {}, deadline_s=seconds)
        if pid_file.exists():
            break
    assert pid_file.exists(), "the build script never started"
    pid = int(pid_file.read_text())
    # A killed process is gone a moment after the signal; this one would sleep for ten minutes.
    for _ in range(100):
        if has_ended(pid):
            break
        time.sleep(0.1)
    assert has_ended(pid)


def has_ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(CargoError, match=r"no Cargo\.toml found"):
        check_overlay(tmp_path, {})


def test_an_unreadable_manifest_is_named(crate: Path) -> None:
    write(crate, {"Cargo.toml": "[package\n"})
    with pytest.raises(CargoError, match="tiny") as caught:
        check_overlay(crate, {})
    assert "\n" not in str(caught.value)


def test_a_file_outside(crate: Path) -> None:
    with pytest.raises(CargoError, match="outside the workspace"):
        check_overlay(crate, {Path("../elsewhere.rs"): ""})


@pytest.fixture
def no_cargo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))


@pytest.mark.usefixtures("no_cargo")
def test_cargo_missing(crate: Path) -> None:
    with pytest.raises(CargoError, match="cargo not found"):
        check_overlay(crate, {})


def test_a_dependency_that_is_not_there(crate: Path) -> None:
    write(crate, {"Cargo.toml": MANIFEST + '[dependencies]\nno-such-crate-here = "1"\n'})
    with pytest.raises(CargoError) as caught:
        check_overlay(crate, {})
    assert "\n" not in str(caught.value)
    assert str(os.environ["XDG_CACHE_HOME"]) not in str(caught.value)


def test_alternatives_are_separate_suggestions(crate: Path) -> None:
    source = "pub fn f(_: Arguments) {}\n"
    verdict = check_overlay(crate, {Path("src/lib.rs"): source})
    imports = [
        option.replacements[0].text.strip()
        for option in verdict.new[0].suggestions
        if option.replacements[0].text.startswith("use ")
    ]
    assert "use std::fmt::Arguments;" in imports
    assert all(text.count("use ") == 1 for text in imports)


def test_lines_that_are_no_messages_are_passed_over() -> None:
    assert parse_messages(["", "warning: something", '{"reason":"build-finished"}']) == []
