"""m31r-lsp fix: a crate is repaired in the terminal, and nothing is written unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lsp.crates import MOVED, compiles, make_crate, needs_cargo

from m31r_core.errors import M31RError
from m31r_lsp.cli import main
from m31r_lsp.fix import Change, _write

Run = Callable[..., tuple[int, str, str]]
pytestmark = needs_cargo

HOPELESS = "fn main() {\n    let answer: u32 = ask_the_oracle_of_delphi(1, 2, 3);\n}\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run m31r-lsp fix in this process; return exit code, stdout and stderr."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run_it(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main(["fix", *map(str, arguments)])
        except SystemExit as error:
            code = int(error.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


def test_a_dry_run_shows_the_change_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
    code, out, err = run(crate)
    assert code == 0
    assert "--- a/src/main.rs" in out
    assert "+++ b/src/main.rs" in out
    assert "1 of 1 errors repaired, 0 left" in out
    assert "\x1b[" not in out, "no colour in a pipe"
    assert "--apply" in err
    assert (crate / "src/main.rs").read_text() == MOVED


def test_apply_writes_what_compiles(run: Run, tmp_path: Path) -> None:
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED.replace("\n", "\r\n")})
    file = crate / "src/main.rs"
    file.chmod(0o640)
    assert run(file, "--apply")[0] == 0
    assert compiles(crate)
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.read_bytes().count(b"\n") == file.read_bytes().count(b"\r\n")
    assert sorted(each.name for each in file.parent.iterdir()) == ["main.rs"]
    code, out, _ = run(crate)
    assert (code, out) == (0, "no errors\n")


def test_json(run: Run, tmp_path: Path) -> None:
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
    code, out, err = run(crate, "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert "[E0382]" in report["errors"][0]
    assert report["fixed"] == report["errors"]
    assert report["remaining"] == []
    assert report["steps"][0]["title"]
    assert report["files"][0]["path"] == str(crate / "src/main.rs")
    assert report["files"][0]["diff"].startswith("--- a/")
    assert report["checks"] >= 1
    assert report["written"] is False


def test_what_is_left_is_named(run: Run, tmp_path: Path) -> None:
    crate = make_crate(tmp_path / "crate", {"src/main.rs": HOPELESS})
    code, out, _ = run(crate, "--deadline", "5")
    assert code == 1
    assert "src/main.rs:2:23: [E0425]" in out
    assert "1 left" in out


def test_wrong_use(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path / "nowhere")[0] == 2
    code, _, err = run(tmp_path)
    assert code == 2
    assert "no Cargo.toml found" in err
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
    code, _, err = run(crate, "--allow", "magic")
    assert code == 2
    assert "deletes code" in err
    assert run(crate, "--deadline", "0")[0] == 2


def test_a_read_only_file_is_left_alone(run: Run, tmp_path: Path) -> None:
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
    (crate / "src/main.rs").chmod(0o444)
    code, _, err = run(crate, "--apply")
    assert code == 1
    assert "main.rs: read-only, nothing was written" in err
    assert (crate / "src/main.rs").read_text() == MOVED


def test_a_file_that_changed_meanwhile_keeps_all_as_it_was(tmp_path: Path) -> None:
    one, two = tmp_path / "one.rs", tmp_path / "two.rs"
    one.write_text("a")
    two.write_text("changed")
    changes = [Change(one, b"a", b"A"), Change(two, b"b", b"B")]
    with pytest.raises(M31RError, match=r"two\.rs: changed meanwhile"):
        _write(changes)
    assert (one.read_text(), two.read_text()) == ("a", "changed")
    assert len(list(tmp_path.iterdir())) == 2


def test_cautious_repairs_only_when_allowed(run: Run, tmp_path: Path) -> None:
    text = "fn f(n: u8) -> u8 {\n    match n {\n        0 => 1,\n    }\n}\n\nfn main() {}\n"
    crate = make_crate(tmp_path / "crate", {"src/main.rs": text})
    steps = json.loads(run(crate, "--json")[1])["steps"]
    assert all(not step["cautions"] for step in steps)
    code, out, _ = run(crate, "--json", "--allow", "all")
    assert code == 0, out
