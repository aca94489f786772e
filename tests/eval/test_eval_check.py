"""Completions in a real crate: real cargo, real rustc, the real sandbox."""

from __future__ import annotations

import contextlib
import tarfile
import time
from pathlib import Path

import pytest
from tests.eval.runs import kill_after, metrics, need_a_sandbox, results, untimed

from m31r_core.cargo.crate_compiler import CrateCompiler, prepare_crate
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.sandbox import find_sandbox
from m31r_core.cargo.toolchain import find_toolchain
from m31r_core.cargo.untrusted import UntrustedCrate
from m31r_eval.cli import main
from m31r_eval.tasks import CompleteTask, write_tasks

MANIFEST = """[package]
name = "shelf"
version = "0.1.0"
edition = "2021"

[features]
default = ["counted"]
counted = []
"""
LIBRARY = """//! Books on a shelf.

mod book;

pub use book::Book;

/// Counts the books.
pub fn count(books: &[Book]) -> usize {
    books.len()
}

/// Returns the first title.
pub fn first(books: &[Book]) -> Option<&str> {
    let book = books.first()?;
    Some(book.title.as_str())
}

#[cfg(feature = "counted")]
pub const LIMIT: usize = 3;
"""
BOOK = """/// A book.
pub struct Book {
    pub title: String,
}
"""


def task(name: str, middle: str, kind: str = "line") -> CompleteTask:
    start = LIBRARY.index(middle)
    return CompleteTask(
        name,
        "shelf-0.1.0/src/lib.rs",
        LIBRARY[:start],
        LIBRARY[start + len(middle) :],
        middle,
        kind,  # type: ignore[arg-type]
    )


TASKS = [
    task("count", "books.len()"),
    task("first", "let book = books.first()?;\n    Some(book.title.as_str())", "block"),
    task("limit", "usize = 3;"),
]


@pytest.fixture(scope="module", autouse=True)
def sandboxed() -> None:
    need_a_sandbox()


@pytest.fixture(scope="module")
def crates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory source with one crate in it."""
    source = tmp_path_factory.mktemp("crates")
    source.chmod(0o755)
    files = {"Cargo.toml": MANIFEST, "src/lib.rs": LIBRARY, "src/book.rs": BOOK}
    for path, text in files.items():
        place = source / "shelf-0.1.0" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return source


@pytest.fixture(scope="module")
def tasks_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "tasks.jsonl"
    write_tasks(path, TASKS)
    return path


def check(tasks: Path, crates: Path, out: Path, *more: str) -> int:
    return main(["check", str(tasks), "--crates", str(crates), "--out", str(out), *more])


def test_references_compile_and_nothing_does_not(
    tasks_path: Path, crates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["--model", "reference", "--beside", "empty", "--beside", "copy"]
    assert check(tasks_path, crates, tmp_path, *models) == 0
    assert "the original text compiles in 100.0% of them" in capsys.readouterr().out
    summary = metrics(tmp_path)
    assert summary["compile_rate"] == summary["original_compile_rate"] == 1.0
    assert summary["baselines"]["empty"]["compile_rate"] == 0.0
    assert summary["crates"] == ["shelf-0.1.0"]
    assert {r["verdict"] for r in results(tmp_path).values()} == {"exact"}


def test_an_archive_does_as_well_and_stays_unpacked(
    tasks_path: Path, crates: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "crates.tar.xz"
    with tarfile.open(archive, "w:xz") as out:
        out.add(crates / "shelf-0.1.0", "shelf-0.1.0")
    work = ["--work", str(tmp_path / "work"), "--model", "reference"]
    for name in ("first", "second"):
        assert check(tasks_path, archive, tmp_path / name, *work) == 0
        assert metrics(tmp_path / name)["compile_rate"] == 1.0
    assert len(list((tmp_path / "work").glob("source-*"))) == 1


def test_the_same_inputs_give_the_same_bytes_and_a_killed_run_goes_on(
    tasks_path: Path, crates: Path, bundle_path: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    model = ["--model", str(bundle_path), "--beside", "copy"]
    assert check(tasks_path, crates, tmp_path / "a", *model) == 0
    assert check(tasks_path, crates, tmp_path / "b", *model, "--workers", "1") == 0
    assert untimed(tmp_path / "a") == untimed(tmp_path / "b")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    killed = tmp_path / "killed"
    arguments = ["check", str(tasks_path), "--crates", str(crates), "--out", str(killed), *model]
    kill_after([*arguments, "--workers", "1"], killed, records=1)
    capsys.readouterr()
    assert check(tasks_path, crates, killed, *model) == 0
    assert "tasks were done before" in capsys.readouterr().out
    assert untimed(killed) == untimed(tmp_path / "a")


def test_a_wrong_completion_is_told_from_a_right_one(crates: Path, tmp_path: Path) -> None:
    tasks = [task("count", "books.len()"), task("other", "books.first()?")]
    # What "copy" finds before the cursor does not fit here, but it is rustc that says so.
    path = tmp_path / "tasks.jsonl"
    write_tasks(path, tasks)
    assert check(path, crates, tmp_path / "out", "--model", "copy") == 0
    found = results(tmp_path / "out")
    assert metrics(tmp_path / "out")["compile_rate"] == sum(
        record["compiles"] for record in found.values()
    ) / len(found)
    failed = [record for record in found.values() if record["verdict"] == "fails"]
    assert all(record["errors"] for record in failed)


def test_tasks_that_are_of_another_crate_are_named(
    crates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def complaint(*tasks: CompleteTask, status: int = 2) -> str:
        path = tmp_path / "tasks.jsonl"
        write_tasks(path, tasks)
        capsys.readouterr()
        assert check(path, crates, tmp_path / "out", "--model", "reference") == status
        return capsys.readouterr().err

    gone = CompleteTask("gone", "other-1.0.0/src/lib.rs", "", "", "x")
    assert "other-1.0.0: no crate there" in complaint(gone)
    out = CompleteTask("out", "../shelf-0.1.0/src/lib.rs", "", "", "x")
    assert "no crate there" in complaint(out)
    above = CompleteTask("above", "shelf-0.1.0/../../secret", "", "", "x")
    assert "task above: " in complaint(above)
    text = CompleteTask("text", "shelf-0.1.0/src/lib.rs", "fn ", "", "nothing")
    assert "task text: its text does not stand once in" in complaint(text)
    path = tmp_path / "tasks.jsonl"
    assert main(["check", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "--crates" in capsys.readouterr().err


def test_a_crate_that_does_not_compile_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crate = tmp_path / "crates" / "shelf-0.1.0"
    (crate / "src").mkdir(parents=True)
    for folder in (tmp_path / "crates", crate):
        folder.chmod(0o755)
    (crate / "Cargo.toml").write_text(MANIFEST)
    (crate / "src" / "lib.rs").write_text("pub fn f() -> u8 { nobody }\n")
    path = tmp_path / "tasks.jsonl"
    write_tasks(
        path,
        [CompleteTask("a", "shelf-0.1.0/src/lib.rs", "pub fn f() -> u8 { ", " }\n", "nobody")],
    )
    assert check(path, tmp_path / "crates", tmp_path / "out", "--model", "reference") == 1
    assert "shelf: does not compile here" in capsys.readouterr().err


# --- hostile completions -------------------------------------------------------------------------

LOOPS = "loop {}"
COMPILE_TIME = {
    "endless constant": "{ const N: usize = loop {}; N }",
    "endless macro": "{ macro_rules! m { ($($x:tt)*) => { m!($($x)* a) } } m!() }",
    "huge constant": "{ const N: [u8; 20_000_000_000] = [1; 20_000_000_000]; N.len() }",
    "reads a file": '{ include_str!("/etc/passwd").len() }',
    "reads a secret": '{ include_bytes!("SECRET").len() }',
}


@pytest.fixture(scope="module")
def compiler(crates: Path, tmp_path_factory: pytest.TempPathFactory) -> CrateCompiler:
    toolchain = find_toolchain()
    sandbox = find_sandbox(toolchain=toolchain.sysroot, require=True)
    work = tmp_path_factory.mktemp("work")
    work.chmod(0o755)
    crate = UntrustedCrate("shelf", crates / "shelf-0.1.0", work / "shelf", crates)
    prepare_crate(crate, sandbox=sandbox, toolchain=toolchain, seconds=120)
    return CrateCompiler(crate, {}, sandbox=sandbox, toolchain=toolchain, scratch=work / "lanes")


@pytest.mark.parametrize("name", COMPILE_TIME)
def test_what_attacks_the_compiler_is_a_failure_and_the_next_check_is_right(
    name: str, compiler: CrateCompiler, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("opensesame")
    hostile = COMPILE_TIME[name].replace("SECRET", str(secret))
    text = LIBRARY.replace("books.len()", hostile).encode()
    start = time.monotonic()
    with contextlib.suppress(CargoError):
        assert not compiler.check({"src/lib.rs": text}, Deadline(8.0)).passed
    assert time.monotonic() - start < 60
    good = LIBRARY.replace("books.len()", "books.iter().count()").encode()
    assert compiler.check({"src/lib.rs": good}, Deadline(60.0)).passed
    bad = LIBRARY.replace("books.len()", "books").encode()
    assert [e.code for e in compiler.check({"src/lib.rs": bad}, Deadline(60.0)).new] == ["E0308"]


def test_a_compiler_answers_as_the_protocol_says(compiler: CrateCompiler) -> None:
    assert list(compiler.errors) == []
    assert compiler.paths() == ["src/book.rs", "src/lib.rs"]
    assert compiler.text("src/book.rs") == BOOK.encode()
    with pytest.raises(CargoError, match="not a file of the crate"):
        compiler.text("../../etc/passwd")
    with pytest.raises(CargoError, match="not a file of the crate"):
        compiler.check({"../outside.rs": b""}, Deadline(60.0))
    broken = {"src/book.rs": BOOK.replace("String", "Strin").encode()}
    compiler.over(broken)
    try:
        codes = {error.code for error in compiler.errors}
        assert codes in ({"E0412"}, {"E0425"})
        fixed = {"src/book.rs": BOOK.encode()}
        verdict = compiler.check(fixed, Deadline(60.0))
        assert (verdict.new, len(verdict.gone)) == ((), 1)
    finally:
        compiler.over({})
