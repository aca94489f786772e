"""Programs of one or a few files, judged by the real rustc."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from m31r_core.cargo import CargoError, Deadline
from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.program import Program
from m31r_core.cargo.sandbox import Limits, Sandbox, SandboxError, find_sandbox
from m31r_core.cargo.toolchain import Toolchain, find_toolchain

# In seconds; only a failure waits this long.
PATIENCE_S = 20
MAIN = "src/main.rs"
MOVED = b"""fn main() {
    let name = String::from("Ada");
    let other = name;
    println!("{name} {other}");
}
"""
REPAIRED = MOVED.replace(b"= name;", b"= name.clone();")
ENDLESS = b"""#![allow(long_running_const_eval)]
const ENDLESS: u32 = { let mut i = 0u32; while i < 7 { i = i & 3; } i };
fn main() { println!("{}", ENDLESS); }
"""


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="module")
def sandbox(toolchain: Toolchain) -> Sandbox:
    try:
        limits = Limits(memory_mb=2048, processes=64)
        return find_sandbox(limits, toolchain=toolchain.sysroot, require=True)
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["trusted", "sandboxed"])
def walls(request: pytest.FixtureRequest) -> Sandbox | None:
    if request.param == "trusted":
        return None
    sandbox: Sandbox = request.getfixturevalue("sandbox")
    return sandbox


def test_a_candidate_is_judged_against_the_program(walls: Sandbox | None) -> None:
    with Program({MAIN: MOVED}, sandbox=walls) as program:
        compiler: Compiler = program
        (error,) = compiler.errors
        assert error.code == "E0382"
        assert error.primary is not None
        assert (error.primary.path, error.primary.line_start) == (MAIN, 4)
        assert compiler.text(MAIN) == MOVED
        assert compiler.paths() == [MAIN]
        verdict = compiler.check({MAIN: REPAIRED}, Deadline(60))
        assert verdict.passed
        assert [gone.code for gone in verdict.gone] == ["E0382"]
        worse = compiler.check({MAIN: MOVED.replace(b"{other}", b"{others}")}, Deadline(60))
        assert [new.code for new in worse.new] == ["E0425"]


def test_several_files_and_new_ones(walls: Sandbox | None) -> None:
    files = {MAIN: b"mod shape;\nfn main() { shape::area(2); }\n", "src/shape.rs": b""}
    with Program(files, sandbox=walls) as program:
        assert [error.code for error in program.errors] == ["E0425"]
        shape = b"mod deep;\npub fn area(n: u32) -> u32 { deep::square(n) }\n"
        changes = {
            "src/shape.rs": shape,
            "src/shape/deep.rs": b"pub fn square(n: u32) -> u32 { n * n }\n",
        }
        assert program.check(changes, Deadline(60)).errors == ()
        # What one candidate laid is not there for the next.
        again = program.check({"src/shape.rs": shape}, Deadline(60))
        assert [error.code for error in again.errors] == ["E0583"]


def test_a_library_needs_no_main(walls: Sandbox | None) -> None:
    files = {"src/lib.rs": b"pub fn one() -> u32 { 1 }\n"}
    with Program(files, main="src/lib.rs", crate_type="lib", sandbox=walls) as program:
        assert program.errors == ()


def test_the_edition_counts() -> None:
    text = b"fn main() { let async = 1; let _ = async; }\n"
    for edition, clean in (("2015", True), ("2021", False)):
        with Program({MAIN: text}, edition=edition, sandbox=None) as program:
            assert (not program.errors) is clean


def test_lanes_do_not_disturb_each_other() -> None:
    texts = [
        f"fn main() {{ let x{i}: u32 = {value}; }}".encode()
        for i in range(10)
        for value in ("1", '"one"')
    ]
    with (
        Program({MAIN: MOVED}, sandbox=None, lanes=3) as program,
        ThreadPoolExecutor(max_workers=3) as pool,
    ):
        verdicts = pool.map(lambda text: program.check({MAIN: text}, Deadline(60)), texts)
        codes = [[error.code for error in verdict.errors] for verdict in verdicts]
    assert codes == [[], ["E0308"]] * 10


def test_the_same_text_is_compiled_once(toolchain: Toolchain, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    noting = tmp_path / "bin" / "rustc"
    noting.write_text(f'#!/bin/sh\necho >> {calls}\nexec {toolchain.rustc} "$@"\n')
    noting.chmod(0o755)
    with Program({MAIN: MOVED}, sandbox=None, toolchain=Toolchain(tmp_path, "")) as program:
        for _ in range(3):
            assert program.check({MAIN: REPAIRED}, Deadline(60)).passed
        assert len(program.errors) == 1
    assert len(calls.read_text().splitlines()) == 2


def compilers_of(program: Program) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "name"])
        if process.info["name"] == "rustc"
        and str(program.folder) in " ".join(process.info["cmdline"] or [])
    ]


def test_a_check_ends_at_its_deadline(walls: Sandbox | None) -> None:
    with Program({MAIN: MOVED}, sandbox=walls) as program:
        assert program.errors
        with pytest.raises(CargoError, match="did not finish within 1 s"):
            program.check({MAIN: ENDLESS}, Deadline(1))
        # What is killed dies a moment later; ENDLESS would never end on its own.
        _, alive = psutil.wait_procs(compilers_of(program), timeout=PATIENCE_S)
        assert not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        assert program.check({MAIN: REPAIRED}, Deadline(60)).passed


def test_a_compiler_that_dies_is_an_error_of_its_own(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    dying = tmp_path / "bin" / "rustc"
    dying.write_text("#!/bin/sh\necho 'thread rustc panicked' >&2\nkill -ABRT $$\n")
    dying.chmod(0o755)
    with Program({MAIN: MOVED}, sandbox=None, toolchain=Toolchain(tmp_path, "")) as program:
        (error,) = program.errors
    assert error.message == "rustc failed: thread rustc panicked"


def test_paths_stay_inside() -> None:
    for path in ("../outside.rs", "/etc/outside.rs", ""):
        with pytest.raises(CargoError, match="not a path inside the program"):
            Program({path: b""}, main=path, sandbox=None)
    with Program({MAIN: MOVED}, sandbox=None) as program:
        with pytest.raises(CargoError, match="not a path inside"):
            program.check({"../outside.rs": b""}, Deadline(60))
        with pytest.raises(CargoError, match="not among the program's files"):
            program.text("src/lib.rs")
    with pytest.raises(CargoError, match=r"src/main\.rs: not among"):
        Program({"src/other.rs": b""}, sandbox=None)


def test_programs_run_in_a_sandbox_only() -> None:
    with (
        Program({MAIN: REPAIRED}, sandbox=None) as program,
        pytest.raises(CargoError, match="sandbox only"),
    ):
        program.run({})


def test_a_program_is_run(sandbox: Sandbox) -> None:
    with Program({MAIN: MOVED}, sandbox=sandbox) as program:
        assert program.run({MAIN: REPAIRED}).stdout == b"Ada Ada\n"
        failing = b'fn main() { assert_eq!(1 + 1, 3, "arithmetic"); }\n'
        outcome = program.run({MAIN: failing})
        assert outcome.status == 101
        assert b"arithmetic" in outcome.stderr
        assert b"E0382" in program.run({}).stderr


def test_tests_are_run(sandbox: Sandbox) -> None:
    text = b"fn double(x: u32) -> u32 { x * 2 }\nfn main() { double(1); }\n"
    tests = b"#[test] fn doubles() { assert_eq!(double(2), 4); }\n"
    with Program({MAIN: text}, sandbox=sandbox) as program:
        assert b"1 passed" in program.run({MAIN: text + tests}, tests=True).stdout
        wrong = tests.replace(b"4", b"5")
        assert program.run({MAIN: text + wrong}, tests=True).status == 101


def test_the_folder_goes_away(tmp_path: Path) -> None:
    with Program({MAIN: MOVED}, sandbox=None, scratch=tmp_path) as program:
        assert program.errors
        assert os.listdir(tmp_path)  # noqa: PTH208
    assert not os.listdir(tmp_path)  # noqa: PTH208
