"""From a crate to its repair pairs, through the real laboratory."""

from __future__ import annotations

from pathlib import Path

from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_data.compile.lab import Laboratory
from m31r_data.compile.verify import CrateFolder, crate_in
from m31r_data.config import RepairConfig
from m31r_data.mutate.crate_pairs import mutants_of, run_crate
from m31r_data.mutate.pairs import BORROW_CODES, RepairPair, SourceFile
from tests.data.compile.conftest import Verify
from tests.data.compile.conftest import sandbox as sandbox
from tests.data.compile.conftest import toolchain as toolchain
from tests.data.compile.conftest import verify as verify
from tests.data.mutate.programs import errors_of, programs

CONFIG = RepairConfig(enabled=True, mutants_per_crate=30, bytes_per_mutant=10)
FAMILIES = ("moves", "order", "conflicts")
ROOT = "".join(f"pub mod {family};\n" for family in FAMILIES)


def sources() -> dict[str, str]:
    texts = {f"src/{name}.rs": programs()[name].text.decode() for name in FAMILIES}
    return {"src/lib.rs": ROOT, **texts}


def files() -> dict[str, SourceFile]:
    return {path: SourceFile(text.encode(), "MIT", path) for path, text in sources().items()}


def pairs(
    sandbox: Sandbox, toolchain: Toolchain, folder: Path, config: RepairConfig = CONFIG
) -> list[RepairPair]:
    crate = crate_in(
        CrateFolder("sample", "0.1.0", folder / "sample"), work=folder / "work", vendor=None
    )
    with Laboratory(crate, sandbox.fresh(), toolchain, folder / "scratch") as laboratory:
        return list(run_crate(laboratory, files(), "sample", "0.1.0", config, 7))


def test_a_crate_gives_pairs_whose_broken_half_fails_and_whose_fix_is_the_crate(
    verify: Verify, sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    assert verify(sources()).compiles == "yes"
    found = pairs(sandbox, toolchain, tmp_path)
    assert len(found) >= 15
    assert sum(pair.codes[0] in BORROW_CODES for pair in found) >= 5
    assert len({pair.id for pair in found}) == len(found)
    for pair in found:
        assert pair.prefix + pair.fixed + pair.suffix == sources()[pair.path]
    # As a library of its own, each file says the same.
    for pair in found[:6]:
        errors = errors_of((pair.prefix + pair.broken + pair.suffix).encode(), {})
        assert pair.codes[0] in (errors[0].code, "syntax", "macro", "lifetime")
        assert pair.message.splitlines()[0].endswith(" ".join(errors[0].message.split()))
    assert pairs(sandbox, toolchain, tmp_path) == found


def test_what_is_tried_depends_on_the_crate_and_the_seed_alone() -> None:
    first = mutants_of(files(), "sample", "0.1.0", CONFIG, 7)
    assert len(first) == 30
    again = dict(reversed(files().items()))
    assert mutants_of(again, "sample", "0.1.0", CONFIG, 7) == first
    assert mutants_of(files(), "sample", "0.1.0", CONFIG, 8) != first
    assert mutants_of(files(), "sample", "0.2.0", CONFIG, 7) != first


def test_small_crates_are_broken_less() -> None:
    small = {"src/lib.rs": files()["src/moves.rs"]}
    config = RepairConfig(mutants_per_crate=80, bytes_per_mutant=200)
    size = len(small["src/lib.rs"].text)
    assert len(mutants_of(small, "sample", "0.1.0", config, 7)) == size // 200


def test_files_with_foreign_line_ends_are_left_alone() -> None:
    text = programs()["moves"].text.replace(b"\n", b"\r\n")
    odd = {"src/lib.rs": SourceFile(text, "MIT", "x"), "src/b.rs": SourceFile(b"\xff", "MIT", "y")}
    assert mutants_of(odd, "sample", "0.1.0", CONFIG, 7) == []
