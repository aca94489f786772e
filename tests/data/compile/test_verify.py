"""Verdicts on crates that compile, do not, or cannot be told here."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from m31r_core.cargo.bounded import Outcome
from m31r_core.cargo.read_untrusted import read_untrusted
from m31r_data.compile.verdict import Said, judge, one_line, read_messages
from tests.data.compile.conftest import CONFIG, Verify, write_crate

MANIFEST = '[package]\nname = "sample"\nversion = "0.1.0"\nedition = "2021"\n'


def test_a_crate_that_compiles_names_the_files_that_were_read(verify: Verify) -> None:
    files = {
        "src/lib.rs": "mod used;\n#[cfg(windows)]\nmod windows;\npub use used::f;\n",
        "src/used.rs": 'pub fn f() -> &\'static str { include_str!("../text with space.txt") }\n',
        "src/windows.rs": "this is not Rust",
        "text with space.txt": "hello",
        "tests/test.rs": "this is not Rust either",
    }
    verdict = verify(files)
    assert (verdict.compiles, verdict.why) == ("yes", "")
    assert verdict.files == ("src/lib.rs", "src/used.rs", "text with space.txt")
    assert verify(files) == verdict


def test_an_error_of_rustc_is_a_no(verify: Verify) -> None:
    files = {"src/lib.rs": "mod other;\n", "src/other.rs": 'pub fn f() -> u32 { "" }\n'}
    verdict = verify(files)
    assert verdict.compiles == "no"
    assert verdict.why == "E0308: mismatched types"
    assert verdict.files == ("src/lib.rs", "src/other.rs")


def test_warnings_do_not_fail(verify: Verify) -> None:
    assert verify({"src/lib.rs": "fn unused() {}\n"}).compiles == "yes"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            {"Cargo.toml": f'{MANIFEST}[dependencies]\nnowhere = "7"\n', "src/lib.rs": ""},
            "a dependency is missing: nowhere",
        ),
        (
            {"build.rs": 'fn main() { panic!("no luck") }\n', "src/lib.rs": ""},
            "the build script of sample failed",
        ),
        (
            {"src/lib.rs": 'compile_error!("enable one of the features `a` or `b`");\nuse x::y;\n'},
            "a feature must be chosen: enable one of the features `a` or `b`",
        ),
        (
            {
                "Cargo.toml": f'{MANIFEST}[dependencies]\nbroken = {{ path = "broken" }}\n',
                "src/lib.rs": "",
                "broken/Cargo.toml": MANIFEST.replace("sample", "broken"),
                "broken/src/lib.rs": "fn f() -> u8 { missing }\n",
            },
            "broken does not compile",
        ),
    ],
)
def test_what_is_not_the_crates_fault_is_unknown(
    files: dict[str, str], why: str, verify: Verify
) -> None:
    verdict = verify(files)
    assert (verdict.compiles, verdict.why, verdict.files) == ("unknown", why, ())


def test_a_program_without_a_library_is_unknown(verify: Verify) -> None:
    verdict = verify({"src/main.rs": "fn main() {}\n"})
    assert verdict.compiles == "unknown"
    assert "/" not in verdict.why


def test_a_limit_is_named(verify: Verify) -> None:
    files = {
        "build.rs": "fn main() { loop {} }\n",
        "src/lib.rs": "",
    }
    verdict = verify(files, config=replace(CONFIG, seconds=4.0))
    assert (verdict.compiles, verdict.why) == ("unknown", "limit met: wall clock")


def test_dependencies_come_from_the_vendor_folder(verify: Verify, tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    write_crate(vendor / "small", {"src/lib.rs": "pub fn f() {}\n"}, "small")
    (vendor / "small" / ".cargo-checksum.json").write_text('{"files": {}, "package": null}')
    files = {
        "Cargo.toml": f'{MANIFEST}[dependencies]\nsmall = "0.1"\n[dev-dependencies]\nno = "1"\n',
        "src/lib.rs": "#![deny(warnings)]\npub use small::f;\nfn unused() {}\n",
    }
    assert verify(files, vendor=vendor).compiles == "no"
    # The same as a package of the vendor folder: there, lints are nobody's business.
    inside = write_crate(vendor / "sample", files)
    (inside / ".cargo-checksum.json").write_text('{"files": {}, "package": null}')
    (tmp_path / "sample").rename(tmp_path / "old")
    (tmp_path / "sample").symlink_to(inside)
    verdict = verify(files, vendor=vendor)
    assert (verdict.compiles, verdict.files) == ("yes", ("src/lib.rs",))


def test_output_that_is_not_cargos_is_no_verdict_and_no_error() -> None:
    lines = b'{"reason": 1}\n{not json\n[1]\n{"package_id": 3}\n' + b'{"a":' * 9_000 + b"\n\xff\n"
    said = read_messages(lines, "/c/Cargo.toml")
    assert said == Said((), (), ())
    assert judge(Outcome(0, lines, b"", 1.0), said)[0] == "unknown"


def test_a_reason_has_no_paths_and_one_line() -> None:
    text = "couldn't read `/tmp/pytest-1/work/x.rs`:\n  No such file (1/2 of a/b)"
    assert one_line(text) == "couldn't read `…`: No such file (1/2 of a/b)"


def test_only_regular_files_in_the_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "plain").write_text("text")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")

    def read(name: str, limit: int = 100) -> bytes | None:
        return read_untrusted(folder / name, below=folder, limit=limit)

    assert read("plain") == b"text"
    assert read("plain", 3) is None
    for name in ("link", "pipe", "up/secret", "missing", "."):
        assert read(name) is None
