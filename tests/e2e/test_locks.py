"""Nobody waits for us: not the user's cargo, not rust-analyzer, however long we compile.

Cargo locks a target folder while it builds there, and says so when it has to wait. Here build
scripts hold such a lock for as long as the test likes, so that no clock decides.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.editors import environment, installed, until
from tests.lsp.conftest import Wire, at
from tests.lsp.crates import MOVED, MOVED_LINE, diagnostic, make_crate, needs_cargo

pytestmark = [pytest.mark.e2e, needs_cargo]

WAITING = "Blocking waiting for file lock"
FIXED = MOVED.replace("length(name)", "length(name.clone())")

BUILD_SCRIPT = """\
use std::{env, fs, path::Path, thread, time::Duration};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let gate = Path::new(GATE);
    let out = env::var("OUT_DIR").unwrap();
    while fs::read_to_string(gate.join("held")).is_ok_and(|held| out.starts_with(&held)) {
        fs::write(gate.join("waits"), &out).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
}
"""


@dataclass(frozen=True)
class Gate:
    """Keeps the build script from ending in target folders below the one that is held."""

    folder: Path

    @contextmanager
    def held(self, where: Path) -> Iterator[Callable[[], bool]]:
        """Hold builds below `where`; the value says whether one waits there."""
        waits = self.folder / "waits"
        waits.unlink(missing_ok=True)
        (self.folder / "held").write_text(str(where))
        try:
            yield waits.exists
        finally:
            (self.folder / "held").unlink()


@dataclass(frozen=True)
class Project:
    """A crate with a borrow error whose build script passes a gate, and variables for programs."""

    crate: Path
    gate: Gate
    cache: Path
    variables: dict[str, str]

    @property
    def main(self) -> Path:
        return self.crate / "src" / "main.rs"

    def cargo_check(self) -> subprocess.Popen[str]:
        """Start `cargo check` as the user does."""
        return subprocess.Popen(
            ["cargo", "check", "--offline"],
            cwd=self.crate,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    gate = Gate(tmp_path / "gate")
    gate.folder.mkdir()
    script = BUILD_SCRIPT.replace("GATE", json.dumps(str(gate.folder)))
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED, "build.rs": script})
    variables = environment(tmp_path)
    variables.pop("CARGO_TARGET_DIR", None)
    return Project(crate, gate, Path(variables["XDG_CACHE_HOME"]).resolve(), variables)


@pytest.fixture
def ours(project: Project, bundle_path: Path) -> Iterator[Wire]:
    """Our server with main.rs open."""
    log = ("--log-file", str(project.gate.folder / "server.log"), "--log-level", "debug")
    with serving(Wire("--model", str(bundle_path), *log, env=project.variables)) as wire:
        wire.initialize(root=project.crate)
        wire.open(project.main.as_uri(), MOVED)
        yield wire


@contextmanager
def serving(wire: Wire) -> Iterator[Wire]:
    try:
        yield wire
    finally:
        wire.kill()


SPOKEN = [diagnostic(MOVED_LINE, "E0382")]


def ask(wire: Wire, uri: str) -> int:
    """Ask our server for actions on the error, and return the request's number."""
    return wire.request("textDocument/codeAction", at(uri, MOVED_LINE, 16, diagnostics=SPOKEN))


def titles(wire: Wire, number: int) -> list[str]:
    """Wait for the titles that it answers; none when the answer took too long."""
    return [each["title"] for each in wire.response(number)["result"]]


class Searching:
    """Asks our server for code actions without a pause, each time about another text."""

    def __init__(self, wire: Wire, uri: str) -> None:
        self.answers = 0
        self._wire, self._uri = wire, uri
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Searching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        version = 1
        while not self._stop.is_set():
            version += 1
            # Never the same names, so that no answer is remembered.
            text = MOVED.replace("name", f"name{version}")
            self._wire.change(self._uri, version, {"text": text})
            offered = titles(self._wire, ask(self._wire, self._uri))
            self.answers += any(title.startswith("M31R: ") for title in offered)


def files_below(folder: Path) -> dict[str, int]:
    """Path -> time of the last change, in ns, of all there is below `folder`."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_cargo_says_when_it_waits(project: Project) -> None:
    """The opposite: two that share a target folder do meet. Else the next tests prove nothing."""
    with project.gate.held(project.crate / "target") as waits:
        first = project.cargo_check()
        assert until(waits, 60)
        second = project.cargo_check()
        assert second.stderr is not None
        assert WAITING in second.stderr.readline()
    for process in (first, second):
        assert "E0382" in process.communicate(timeout=60)[1]


def test_cargo_passes_while_our_build_stands_still(project: Project, ours: Wire) -> None:
    with project.gate.held(project.cache) as waits:
        asked = ask(ours, project.main.as_uri())
        assert until(waits, 60), "our build has not begun"
        _, said = project.cargo_check().communicate(timeout=60)
        assert "E0382" in said
        assert WAITING not in said
    titles(ours, asked)
    assert until(lambda: titles(ours, ask(ours, project.main.as_uri())), 60)


def test_cargo_passes_while_we_check_without_a_pause(project: Project, ours: Wire) -> None:
    uri = project.main.as_uri()
    project.cargo_check().communicate(timeout=60)
    before = files_below(project.crate)
    with Searching(ours, uri) as searching:
        assert until(lambda: searching.answers >= 2, 60)
        assert files_below(project.crate) == before, "we wrote into the user's folder"
        for round_ in range(4):
            text = FIXED if round_ % 2 else MOVED
            project.main.write_text(text)
            _, said = project.cargo_check().communicate(timeout=60)
            assert ("E0382" in said) == (text == MOVED)
            assert WAITING not in said
    assert searching.answers >= 2


class RustAnalyzer:
    """The real rust-analyzer, which has `cargo` write what it says to a file beside."""

    def __init__(self, program: Path, project: Project, folder: Path) -> None:
        self.log = folder / "cargo.log"
        self.log.touch()
        cargo = folder / "cargo"
        cargo.write_text(f'#!/bin/sh\nexec cargo "$@" 2>>"{self.log}"\n')
        cargo.chmod(0o755)
        # The network would be asked about the standard library for half a minute.
        own = {"CARGO": str(cargo), "CARGO_NET_OFFLINE": "true"}
        self.wire = Wire(command=[str(program)], env={**project.variables, **own})
        options = {"cargo": {"sysroot": None}, "checkOnSave": True}
        self.wire.initialize(options, root=project.crate, capabilities=CAPABILITIES)

    def errors(self, uri: str, *, any_error: bool) -> list[Any]:
        """Wait for diagnostics of `uri` with, or without, errors of rustc."""
        while True:
            said = self.wire.wait_for("textDocument/publishDiagnostics")
            found = [each for each in said["diagnostics"] if each.get("source") == "rustc"]
            codes = [each.get("code") for each in found if each["severity"] == 1]
            if said["uri"] == uri and bool(codes) == any_error:
                return codes

    def quiet(self) -> None:
        """Wait until it has loaded the workspace."""
        while not self.wire.wait_for("experimental/serverStatus")["quiescent"]:
            pass


CAPABILITIES = {"experimental": {"serverStatusNotification": True}}


@pytest.mark.slow
def test_rust_analyzer_never_waits(project: Project, ours: Wire, tmp_path: Path) -> None:
    uri = project.main.as_uri()
    analyzer = RustAnalyzer(installed("rust-analyzer") / "rust-analyzer", project, tmp_path)
    with serving(analyzer.wire) as wire:
        # Our build stands still while rust-analyzer loads the workspace and checks it.
        with project.gate.held(project.cache) as waits:
            asked = ask(ours, uri)
            assert until(waits, 60), "our build has not begun"
            wire.open(uri, MOVED)
            analyzer.quiet()
            wire.save(uri)
            assert "E0382" in analyzer.errors(uri, any_error=True)
        titles(ours, asked)

        with Searching(ours, uri) as searching:
            for version in range(2, 6):
                text = MOVED if version % 2 else FIXED
                project.main.write_text(text)
                wire.change(uri, version, {"text": text})
                wire.save(uri)
                analyzer.errors(uri, any_error=text == MOVED)
            assert until(lambda: searching.answers >= 2, 60)
    said = analyzer.log.read_text()
    assert "Checking small" in said or "could not compile" in said
    assert WAITING not in said
