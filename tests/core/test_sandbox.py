"""What hostile programs, build scripts and macros get and stop in the sandbox: nothing."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from m31r_core.cargo import parse_messages
from m31r_core.cargo.bounded import Outcome, run_bounded
from m31r_core.cargo.program import Program
from m31r_core.cargo.sandbox import Limits, Sandbox, SandboxError, find_sandbox
from m31r_core.cargo.toolchain import Toolchain, find_toolchain
from m31r_core.cargo.untrusted import UntrustedCrate, check_untrusted

SECRET = "opensesame-7431"
PROCESSES = 48
DISK = 512 << 20
"""More than the limit on the folder and what is written between two looks at it."""
LIMITS = Limits(
    wall_s=30,
    cpu_s=10,
    memory_mb=1024,
    total_memory_mb=1536,
    processes=PROCESSES,
    file_mb=32,
    tmp_mb=16,
    disk_mb=64,
    disk_files=2_000,
    output_mb=1,
)


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="module")
def walls(toolchain: Toolchain) -> Sandbox:
    try:
        return find_sandbox(LIMITS, toolchain=toolchain.sysroot, require=True)
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def sandbox(walls: Sandbox) -> Sandbox:
    return walls.fresh()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that others may enter, as those of pytest are not."""
    work = tmp_path / "work"
    work.mkdir(mode=0o755)
    return work


def shell(sandbox: Sandbox, folder: Path, script: str, seconds: float | None = None) -> Outcome:
    return sandbox.run(["sh", "-c", script], cwd=folder, write=folder, seconds=seconds)


def test_a_command_sees_the_system_and_its_folder_only(sandbox: Sandbox, folder: Path) -> None:
    outside = folder.parent / "secret"
    outside.write_text(SECRET)
    outcome = shell(sandbox, folder, f"cat {outside} {Path.home()}/.bashrc; ls / /etc; env; id -u")
    assert SECRET.encode() not in outcome.stdout
    words = outcome.stdout.decode().split()
    assert "usr" in words
    assert "passwd" not in words
    assert os.environ["PATH"] not in outcome.stdout.decode()
    assert words[-1] != "0"
    assert shell(sandbox, folder, "echo kept > here").ok
    assert (folder / "here").read_text() == "kept\n"


def test_the_system_is_read_only_and_tmp_is_private(sandbox: Sandbox, folder: Path) -> None:
    script = (
        "touch /tmp/mine; for d in / /usr /etc /dev /dev/shm /proc; do touch $d/m31r-test; done"
    )
    outcome = shell(sandbox, folder, script)
    assert outcome.stderr.count(b"cannot touch") == 6
    assert not Path("/tmp/mine").exists()
    assert not Path("/usr/m31r-test").exists()


def test_there_is_no_network(sandbox: Sandbox, folder: Path) -> None:
    with listening() as server:
        script = f"import socket; socket.create_connection(('127.0.0.1', {server.port}), 2)"
        python = "/usr/bin/python3"
        if not Path(python).exists():
            pytest.skip(f"{python} is missing")
        outcome = sandbox.run([python, "-c", script], cwd=folder, write=folder)
    assert outcome.status == 1
    assert not server.accepted


def test_there_are_no_namespaces_and_no_rights_to_be_had(sandbox: Sandbox, folder: Path) -> None:
    script = "unshare --user --map-root-user --mount true; grep -E 'Cap|NoNew' /proc/self/status"
    outcome = shell(sandbox, folder, script)
    assert b"unshare failed" in outcome.stderr
    values = dict(line.split(":\t") for line in outcome.stdout.decode().splitlines())
    assert values.pop("NoNewPrivs") == "1"
    if os.getuid() == 0:
        assert set(values.values()) == {"0" * 16}
    else:
        assert values["CapEff"] == "0" * 16


def test_limits_hold_at_benign_numbers(sandbox: Sandbox, folder: Path) -> None:
    def run(script: str, seconds: float | None = None) -> Outcome:
        return shell(sandbox, folder, script, seconds)

    # 60 sleepers are no danger, and too many; they sleep longer than it takes to start them.
    script = "i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done; wait"
    assert b"fork" in run(script).stderr.lower()
    assert run("while :; do :; done", seconds=0.5).timed_out
    assert run("yes").killed_by == "output"
    assert run("head -c 20000000 /dev/zero > /tmp/x; wc -c < /tmp/x").stdout.strip() == b"16777216"
    assert run("head -c 40000000 /dev/zero > x").status != 0
    assert (folder / "x").stat().st_size <= 32 << 20
    assert run(
        "for i in 1 2 3 4; do head -c 30000000 /dev/zero > f$i; done; sleep 9"
    ).killed_by == ("disk")
    quick = replace(sandbox, limits=replace(LIMITS, cpu_s=1, wall_s=120))
    assert shell(quick, folder, "rm -f f* x; while :; do :; done").killed_by == "cpu time"


def test_nothing_is_left_behind(sandbox: Sandbox, folder: Path) -> None:
    outcome = shell(sandbox, folder, "setsid sleep 4117 & sleep 4117 & echo started")
    assert outcome.stdout == b"started\n"
    assert gone("4117")


def test_what_holds_the_output_open_is_killed_without_walls_too(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"]}
    outcome = run_bounded(["sh", "-c", "sleep 4118 & echo done"], cwd=tmp_path, env=env, seconds=30)
    assert outcome.stdout == b"done\n"
    assert not outcome.timed_out
    assert gone("4118")


def test_a_missing_bubblewrap_is_said_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in ("prlimit", "nice", "env", "sh", "setpriv", "unshare", "true"):
        found = next(p for p in ("/usr/bin", "/bin") if (Path(p) / name).exists())
        (bin_ / name).symlink_to(Path(found) / name)
    monkeypatch.setenv("PATH", str(bin_))
    with pytest.raises(SandboxError, match="install it: apt-get install bubblewrap"):
        find_sandbox(require=True)
    with caplog.at_level(logging.WARNING):
        sandbox = find_sandbox(replace(LIMITS, wall_s=1.0))
    assert "NO SANDBOX" in caplog.text
    assert "apt-get install bubblewrap" in caplog.text
    assert not sandbox.has_walls
    assert shell(sandbox, tmp_path, "echo $HOME; ulimit -f").stdout.split() == [b"/tmp", b"65536"]
    assert shell(sandbox, tmp_path, "while :; do :; done").timed_out


def test_a_bubblewrap_that_does_not_work_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match="No permissions to create a new namespace"):
        find_sandbox(require=True)


def test_root_is_told_what_others_may_not_read(sandbox: Sandbox, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives its rights up")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(SandboxError, match="others may not read it"):
        sandbox.run(["true"], cwd=Path("/"), read=[private])


def test_it_works_as_a_normal_user(walls: Sandbox, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("the other tests are this one when they are not run by root")
    script = f"""
import os
import encodings.idna, selectors, subprocess
from pathlib import Path
from m31r_core.cargo.sandbox import Limits, find_sandbox
os.setgroups([]); os.setgid(54321); os.setuid(54321)
sandbox = find_sandbox(Limits(processes={PROCESSES}), require=True)
folder = Path({str(tmp_path / "users")!r})
bomb = "i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done; wait"
outcome = sandbox.run(["sh", "-c", bomb], cwd=folder, write=folder)
assert b"fork" in outcome.stderr.lower(), outcome
outcome = sandbox.run(["sh", "-c", "touch here; touch /etc/x; ls /var"], cwd=folder, write=folder)
assert (folder / "here").exists() and b"/var" in outcome.stderr, outcome
"""
    users = tmp_path / "users"
    users.mkdir()
    os.chown(users, 54321, 54321)
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o1 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o1)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


CRIMES = """
use std::{fs, io::Write, net::TcpStream, process::{Command, Stdio}};

/// Tries everything that can be survived, and puts what it got where the test looks.
fn crimes(out: &str) {
    let mut loot = fs::File::create(format!("{out}/loot")).unwrap();
    let home = std::env::var("HOME").unwrap_or_default();
    for path in ["SECRET_FILE".to_string(), format!("{home}/secret")] {
        if let Ok(text) = fs::read_to_string(&path) {
            writeln!(loot, "read {text}").unwrap();
            println!("cargo:warning=read {text}");
        }
    }
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path().join("root/SECRET_FILE");
        if let Ok(text) = fs::read_to_string(path) { writeln!(loot, "read {text}").unwrap(); }
    }
    for path in ["OUTSIDE/written", "SOURCE/written", "/usr/lib/written", "/etc/ld.so.cache"] {
        if fs::write(path, "written").is_ok() { writeln!(loot, "wrote {path}").unwrap(); }
    }
    let _ = std::os::unix::fs::symlink("OUTSIDE", format!("{out}/link"));
    if fs::write(format!("{out}/link/written"), "written").is_ok() {
        writeln!(loot, "wrote through a link").unwrap();
    }
    if let Ok(mut stream) = TcpStream::connect("127.0.0.1:PORT") {
        let _ = stream.write_all(b"hello");
        writeln!(loot, "connected").unwrap();
    }
    let mut block: Vec<u8> = Vec::new();
    if block.try_reserve_exact(10 << 30).is_ok() {
        writeln!(loot, "allocated {}", block.capacity()).unwrap();
    }
    let mut children = Vec::new();
    for _ in 0..200 {
        match Command::new("sleep").arg("4119").stderr(Stdio::null()).spawn() {
            Ok(child) => children.push(child),
            Err(_) => break,
        }
    }
    writeln!(loot, "children {}", children.len()).unwrap();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let _ = Command::new("setsid").args(["sleep", "4119"]).stdout(Stdio::null())
        .stderr(Stdio::null()).spawn();
    writeln!(loot, "through").unwrap();
}
"""
ENDINGS = {
    "forever": "loop {}",
    "sleep": "std::thread::sleep(std::time::Duration::from_secs(100_000));",
    "fork bomb": """
        loop {
            let _ = std::process::Command::new("sh")
                .args(["-c", "f() { f | f & f; }; f"]).spawn();
        }""",
    "memory": "let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 24]); }",
    "memory of many": """
        for _ in 0..8 {
            let _ = std::process::Command::new("sh")
                .args(["-c", "head -c 800000000 /dev/zero | tail -c 800000000"])
                .stdout(std::process::Stdio::null()).spawn();
        }
        std::thread::sleep(std::time::Duration::from_secs(100_000));""",
    "one large file": """
        use std::io::Write;
        let mut file = std::fs::File::create(format!("{OUT}/large")).unwrap();
        loop { file.write_all(&[0; 1 << 20]).unwrap(); }""",
    "many files": """
        for i in 0u64.. { let _ = std::fs::write(format!("{OUT}/{i}"), [0; 1 << 16]); }""",
    "output": 'loop { println!("{}", "x".repeat(1 << 16)); }',
}


@dataclass
class Server:
    port: int
    accepted: list[object]


class listening:  # noqa: N801
    """A server on 127.0.0.1 that notes who connects."""

    def __enter__(self) -> Server:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.server = Server(self._socket.getsockname()[1], [])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        socket.create_connection(("127.0.0.1", self.server.port)).close()
        while not self.server.accepted:
            time.sleep(0.01)
        self.server.accepted.clear()
        return self.server

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, address = self._socket.accept()
            except TimeoutError:
                continue
            connection.close()
            self.server.accepted.append(address)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A home folder with a secret, a folder that is none of anybody's business, a server."""
    home, outside = tmp_path / "home", tmp_path / "outside"
    for each in (home, outside):
        each.mkdir(mode=0o777)
        each.chmod(0o777)
    (home / "secret").write_text(SECRET)
    monkeypatch.setenv("HOME", str(home))
    with listening() as server:
        yield Scene(home, outside, server)


@dataclass
class Scene:
    home: Path
    outside: Path
    server: Server

    def crimes(self, source: Path) -> str:
        text = CRIMES.replace("SECRET_FILE", str(self.home / "secret"))
        text = text.replace("OUTSIDE", str(self.outside)).replace("SOURCE", str(source))
        return text.replace("PORT", str(self.server.port))

    def assert_untouched(self, outcome: Outcome, *folders: Path) -> None:
        """Nothing was read, written, reached or left, whatever was said about it."""
        assert SECRET.encode() not in outcome.stdout + outcome.stderr
        for folder in folders:
            for path in folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    assert SECRET.encode() not in path.read_bytes(), path
        assert list(self.outside.iterdir()) == []
        assert not Path("/usr/lib/written").exists()
        assert not self.server.accepted
        assert gone("4119")


def loot(folder: Path) -> list[str]:
    """What the crimes got, each line of it."""
    return [line for path in folder.rglob("loot") for line in path.read_text().splitlines()]


def gone(number: str) -> bool:
    """Whether no `sleep NUMBER` is left; killed processes may take a moment."""
    for _ in range(100):
        if not any(
            ["sleep", number] == p.info["cmdline"] for p in psutil.process_iter(["cmdline"])
        ):
            return True
        time.sleep(0.05)
    return False


def write_crate(folder: Path, build: str, macro: str) -> Path:
    """A package with a build script, and a procedural macro that it uses.

    The build script depends on the macro's crate, so that they run one after the other: one that
    fills the sandbox with processes would keep the other from being linked.
    """
    files = {
        "Cargo.toml": """[package]
name = "hostile"
version = "0.1.0"
edition = "2021"
[dependencies]
evil = { path = "evil" }
[build-dependencies]
evil = { path = "evil" }
""",
        "build.rs": build,
        "src/lib.rs": "evil::strike!();\npub fn answer() -> u32 { 42 }\n",
        "evil/Cargo.toml": """[package]
name = "evil"
version = "0.1.0"
edition = "2021"
[lib]
proc-macro = true
""",
        "evil/src/lib.rs": f"""use proc_macro::TokenStream;
{macro}
#[proc_macro]
pub fn strike(_: TokenStream) -> TokenStream {{ run(); TokenStream::new() }}
""",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_hostile_build_script_and_macro_get_nothing(
    scene: Scene, sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    crate = UntrustedCrate("hostile", source, work)
    crimes = scene.crimes(source)
    build = f'{crimes}\nfn main() {{ crimes(&std::env::var("OUT_DIR").unwrap()); }}'
    macro = f'{crimes}\nfn run() {{ crimes(r#"{crate.target}"#); }}'
    write_crate(source, build, macro)
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    outcome = check_untrusted(crate, sandbox=sandbox, toolchain=toolchain)
    scene.assert_untouched(outcome, work)
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*")} == before
    found = loot(work)
    # Both of them came through all they tried, and had as many processes as they may have.
    assert found.count("through") == 2, (outcome, found)
    children = [int(line.split()[1]) for line in found if line.startswith("children")]
    assert all(0 < count < PROCESSES for count in children)
    assert len(found) == 4, found


@pytest.mark.parametrize("where", ["build script", "macro"])
@pytest.mark.parametrize("ending", ["forever", "fork bomb", "many files"])
def test_what_never_ends_in_a_build_is_ended(
    where: str, ending: str, scene: Scene, walls: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    # The disk is full sooner than any clock ends it, but not on every machine within 3 s.
    seconds = 120.0 if ending == "many files" else 3.0
    sandbox = walls.fresh(replace(LIMITS, wall_s=seconds))
    source, work = tmp_path / "source", tmp_path / "work"
    body = ENDINGS[ending].replace("{OUT}", str(work / "target"))
    idle = "{}"
    build, macro = (f"{{ {body} }}", idle) if where == "build script" else (idle, f"{{ {body} }}")
    write_crate(source, f"fn main() {build}", f"fn run() {macro}")
    crate = UntrustedCrate("hostile", source, work)
    outcome = check_untrusted(crate, sandbox=sandbox, toolchain=toolchain)
    assert not outcome.ok
    assert outcome.killed_by == ("disk" if ending == "many files" else "wall clock")
    scene.assert_untouched(outcome)
    assert_no_processes(sandbox)
    assert size_of(work) < DISK


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_hostile_program_is_ended(
    ending: str, scene: Scene, walls: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    sandbox = walls.fresh()
    body = ENDINGS[ending].replace("{OUT}", "../out")
    files = {"src/main.rs": f"fn main() {{ {body} }}".encode()}
    with Program(files, sandbox=sandbox, toolchain=toolchain, scratch=tmp_path) as program:
        outcome = program.run({}, seconds=30.0 if ending == "many files" else 2.0)
        assert size_of(tmp_path) < DISK
    assert not outcome.ok
    assert len(outcome.stdout) <= LIMITS.output_mb << 20
    scene.assert_untouched(outcome)
    assert_no_processes(sandbox)
    assert list(tmp_path.glob("m31r-program-*")) == []


def test_a_hostile_program_gets_nothing(
    scene: Scene, sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    crimes = scene.crimes(tmp_path)
    files = {"src/main.rs": f'{crimes}\nfn main() {{ crimes("../out"); }}'.encode()}
    with Program(files, sandbox=sandbox, toolchain=toolchain, scratch=tmp_path) as program:
        outcome = program.run({})
        found = loot(tmp_path)
        scene.assert_untouched(outcome, *tmp_path.glob("m31r-program-*"))
    assert outcome.ok
    assert sorted(line.split()[0] for line in found) == ["children", "through"]


def test_a_program_cannot_include_what_lies_outside(
    scene: Scene, sandbox: Sandbox, toolchain: Toolchain
) -> None:
    secret = scene.home / "secret"
    text = f'const _: () = panic!(include_str!("{secret}"));\nfn main() {{}}\n'
    with Program({"src/main.rs": text.encode()}, sandbox=sandbox, toolchain=toolchain) as program:
        (error,) = program.errors
    assert SECRET not in error.rendered
    assert "couldn't read" in error.message


def test_an_honest_crate_with_vendored_dependencies_passes(
    walls: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    sandbox = walls.fresh(replace(LIMITS, memory_mb=4096, total_memory_mb=4096, processes=128))
    source, vendor = tmp_path / "source", tmp_path / "vendor"
    files = {
        source / "Cargo.toml": '[package]\nname = "honest"\nversion = "0.1.0"\nedition = "2021"\n'
        '[dependencies]\nsmall = "1"\n[dev-dependencies]\nnowhere = "7"\n',
        source / "build.rs": 'fn main() { println!("cargo:rustc-env=WORD=hello"); }\n',
        source / "src/lib.rs": 'pub fn f() -> usize { small::f(env!("WORD")) }\n',
        vendor / "small/Cargo.toml": '[package]\nname = "small"\nversion = "1.0.0"\n',
        vendor / "small/src/lib.rs": "pub fn f(text: &str) -> usize { text.len() }\n",
        vendor / "small/.cargo-checksum.json": '{"files": {}, "package": null}',
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    crate = UntrustedCrate("honest", source, tmp_path / "work", vendor)
    outcome = check_untrusted(crate, sandbox=sandbox, toolchain=toolchain)
    assert outcome.ok, outcome
    folder, *call = (crate.records / "honest.argv").read_text().split("\0")[:-1]
    assert str(source / "src/lib.rs") in (Path(folder, word).as_posix() for word in call)
    assert b"\0WORD=hello\0" in b"\0" + (crate.records / "honest.env").read_bytes()
    (source / "src/lib.rs").write_text("pub fn f() -> usize { small::f(1) }\n")
    broken = check_untrusted(crate, sandbox=sandbox.fresh(), toolchain=toolchain)
    errors = [e for e in parse_messages(broken.stdout.decode().splitlines()) if e.is_error]
    assert [error.code for error in errors] == ["E0308"]


def assert_no_processes(sandbox: Sandbox) -> None:
    """Nobody runs as the sandbox's user any more."""
    if os.getuid() != 0:
        return
    for _ in range(100):
        if not any(p.uids().real == sandbox.uid for p in alive()):
            return
        time.sleep(0.05)
    raise AssertionError("processes of the sandbox are left")


def alive() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            process.uids()
        except psutil.Error:
            continue
        yield process


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if not path.is_symlink())
