"""Hostile crates among honest ones: they get nothing, stop nothing and change no other verdict.

What the sandbox itself withstands is tested with it, in tests/core; here it is the pipeline's turn.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from m31r_core.cargo.sandbox import Limits, Sandbox, SandboxError, find_sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_data.compile.batch import Mutant
from m31r_data.compile.lab import Laboratory, LaboratoryError
from m31r_data.compile.verify import CrateFolder, CrateVerdict, crate_in, sandbox_for, verify_crates
from m31r_data.config import CompileConfig
from m31r_data.mutate.mutation import Mutation
from tests.data.compile.conftest import write_crate

SECRET = "opensesame-9925"
LIMITS = Limits(
    wall_s=300,
    memory_mb=2048,
    total_memory_mb=2048,
    processes=64,
    file_mb=64,
    tmp_mb=16,
    disk_mb=96,
    disk_files=2_000,
)
THEFT = """
fn crime(out: &str) {
    let mut loot = String::new();
    let home = std::env::var("HOME").unwrap_or_default();
    for path in ["HOME_FOLDER/secret".to_string(), format!("{home}/secret")] {
        if let Ok(text) = std::fs::read_to_string(path) { loot += &text; }
    }
    for path in ["OUTSIDE/written", "NEIGHBOUR/src/lib.rs", "WORK/written"] {
        if std::fs::write(path, "written").is_ok() { loot += path; }
    }
    if std::net::TcpStream::connect("127.0.0.1:PORT").is_ok() { loot += "connected"; }
    std::fs::write(format!("{out}/loot"), loot + ";").unwrap();
}
"""
ENDLESS = {
    "forever": "loop {}",
    "fork-bomb": """loop {
        let _ = std::process::Command::new("sh").args(["-c", "f() { f | f & f; }; f"]).spawn();
    }""",
    "disk": """for i in 0u64.. {
        let _ = std::fs::write(format!("{OUT}/{i}"), [0; 1 << 16]);
    }""",
}
MACRO = """\
[package]
name = "NAME"
version = "0.1.0"
edition = "2021"
[lib]
proc-macro = true
"""


@pytest.fixture(scope="module")
def box(toolchain: Toolchain) -> Sandbox:
    try:
        return find_sandbox(LIMITS, toolchain=toolchain.sysroot, require=True)
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield listening


def with_macro(name: str, body: str, build: str) -> dict[str, str]:
    """The files of a crate with this build script, and with a macro that runs `body`."""
    manifest = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'
    return {
        "Cargo.toml": f'{manifest}[dependencies]\nevil-{name} = {{ path = "evil" }}\n',
        "build.rs": build,
        "src/lib.rs": f"evil_{name.replace('-', '_')}::strike!();\npub fn f() -> u8 {{ 1 }}\n",
        "evil/Cargo.toml": MACRO.replace("NAME", f"evil-{name}"),
        "evil/src/lib.rs": "use proc_macro::TokenStream;\n#[proc_macro]\n"
        f"pub fn strike(_: TokenStream) -> TokenStream {{ {body} }}\n",
    }


def honest(name: str) -> dict[str, str]:
    return {"src/lib.rs": f"pub fn {name}() -> usize {{ {len(name)} }}\n"}


def test_hostile_crates_get_nothing_and_change_no_other_verdict(
    box: Sandbox,
    toolchain: Toolchain,
    server: socket.socket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, outside, work = tmp_path / "home", tmp_path / "outside", tmp_path / "work"
    for folder in (home, outside):
        folder.mkdir()
        folder.chmod(0o777)
    (home / "secret").write_text(SECRET)
    monkeypatch.setenv("HOME", str(home))
    theft = THEFT.replace("HOME_FOLDER", str(home)).replace("OUTSIDE", str(outside))
    theft = theft.replace("NEIGHBOUR", str(tmp_path / "before")).replace("WORK", str(work))
    theft = theft.replace("PORT", str(server.getsockname()[1]))
    target = work / "thief-0.1.0" / "target"
    crates = {
        "before": honest("before"),
        "thief": with_macro(
            "thief",
            f'{theft} crime("{target}"); TokenStream::new()',
            theft + 'fn main() { crime(&std::env::var("OUT_DIR").unwrap()) }',
        ),
        "forever": with_macro("forever", f"{ENDLESS['forever']}", "fn main() {}"),
        "fork-bomb": with_macro(
            "fork-bomb", "TokenStream::new()", f"fn main() {{ {ENDLESS['fork-bomb']} }}"
        ),
        "disk": with_macro(
            "disk",
            ENDLESS["disk"].replace("{OUT}", str(work / "disk-0.1.0" / "target"))
            + "TokenStream::new()",
            "fn main() {}",
        ),
        "after": honest("after"),
    }
    folders = [
        CrateFolder(name, "0.1.0", write_crate(tmp_path / name, files, name))
        for name, files in crates.items()
    ]
    texts = {path: path.read_bytes() for path in tmp_path.glob("*/src/lib.rs")}
    verdicts: dict[str, CrateVerdict] = {}
    for given in folders:
        slow = given.name in ("forever", "fork-bomb")
        found = verify_crates(
            [given],
            work=work,
            vendor=None,
            sandbox=box,
            toolchain=toolchain,
            config=CompileConfig(enabled=True, seconds=5.0 if slow else 300.0),
        )
        verdicts |= {crate.name: verdict for crate, verdict in found}

    assert verdicts["before"].compiles == verdicts["after"].compiles == "yes"
    assert verdicts["thief"].compiles == "yes"
    assert verdicts["forever"].why == "limit met: wall clock"
    assert verdicts["fork-bomb"].compiles == "unknown"
    assert verdicts["disk"].why == "limit met: disk"
    # Both crimes were tried to their ends, and what they got is nothing.
    loot = [path.read_text() for path in (work / "thief-0.1.0").rglob("loot")]
    assert loot == [";", ";"]
    assert list(outside.iterdir()) == []
    assert {path: path.read_bytes() for path in texts} == texts
    with pytest.raises(TimeoutError):
        server.accept()
    assert _bombs_are_gone()


def _bombs_are_gone() -> bool:
    """Whether nothing of the fork bomb is left; killed processes may take a moment."""
    for _ in range(100):
        names = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        if not any("f() { f | f & f; }; f" in name for name in names):
            return True
        time.sleep(0.1)
    return False


def test_a_macro_that_attacks_the_laboratory_stops_only_its_own_crate(
    box: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    """It behaves in the check, then kills and fakes whatever it can reach."""
    attack = """
        if std::env::current_dir().unwrap().ends_with("source") {
            let driver = std::os::unix::process::parent_id();
            let _ = std::fs::write(format!("/proc/{driver}/fd/1"), [0xff; 64]);
            let _ = std::process::Command::new("sh").args(["-c", "kill -9 -1"]).status();
        }
        TokenStream::new()"""
    folder = write_crate(tmp_path / "mean", with_macro("mean", attack, "fn main() {}"), "mean")
    work = tmp_path / "work"
    config = CompileConfig(enabled=True, seconds=60.0)
    given = CrateFolder("mean", "0.1.0", folder)
    ((_, verdict),) = verify_crates(
        [given], work=work, vendor=None, sandbox=box, toolchain=toolchain, config=config
    )
    assert verdict.compiles == "yes"
    crate = crate_in(given, work=work, vendor=None)
    mutant = Mutant("src/lib.rs", Mutation("test", 0, 0, b"x", "types", None))
    laboratory = Laboratory(crate, box, toolchain, work / "lab", seconds=5.0)
    with laboratory, pytest.raises(LaboratoryError, match="mean: unbroken"):
        list(laboratory.try_mutants([mutant]))
    assert not (work / "lab").exists()


def test_what_is_missing_is_said(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("prlimit", "nice", "env", "sh", "setpriv", "unshare"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="bubblewrap"):
        sandbox_for(CompileConfig(enabled=True), toolchain)
    found = sandbox_for(replace(CompileConfig(enabled=True), require_sandbox=False), toolchain)
    assert not found.has_walls
